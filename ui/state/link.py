"""How the choices of a page are written in a link and read from one: pure functions, without Streamlit.

A page's choices are the fields of one frozen dataclass. A field is one parameter of the link, with the same name:

    @dataclass(frozen=True, kw_only=True)
    class Choice:
        layer: int = param(5, whole_number(0, 9999))

`parse(Choice, query)` never fails: a parameter that cannot be read leaves its default, and one sentence says why.
`parse(Choice, format(choice))` returns an equal choice, except for what is too long for a link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from types import SimpleNamespace
from typing import Any, TypeVar

Choice = TypeVar("Choice")
# Servers and chat programs cut links that are much longer than this.
MOST_CHARACTERS_IN_LINK = 2000
# Who changes a field.
SERVER, BROWSER = "server", "browser"


def write_plain(value: Any) -> str:
    """Return a value as text; a link gives six significant digits of a number that is not whole."""
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Kind:
    """Which values a field may have, and how a link writes them; ui/state/kinds.py has the kinds.

    `read(written, earlier)` returns the value; `earlier` has the fields before this one as attributes. It
    raises a ValueError whose message is a clause that says why the text cannot be read. `longest` is the number of
    characters from which on a value is left out of links.
    """

    read: Callable[[str, Any], Any]
    write: Callable[[Any], str] = write_plain
    longest: int = MOST_CHARACTERS_IN_LINK


def param(
    default: Any,
    kind: Kind,
    *,
    always_in_link: bool = False,
    free: bool = False,
    adds_history: bool = False,
    owner: str = SERVER,
) -> Any:
    """Declare a field of a choice.

    `default` is the value that a link leaves out, or a function that computes it from the earlier fields. A `free`
    field holds whatever a visitor types. A change of a field that `adds_history` is a step that the browser's Back
    button undoes; a change of another field only renames the present entry. The `owner` is the one that changes the
    field and writes it in the URL: `SERVER` or `BROWSER`.
    """
    metadata = {
        "default": default,
        "kind": kind,
        "always_in_link": always_in_link,
        "free": free,
        "adds_history": adds_history,
        "owner": owner,
    }
    return field(metadata=metadata) if callable(default) else field(default=default, metadata=metadata)


def names(of: Any, mark: str | None = None) -> tuple[str, ...]:
    """Return the names of all fields, or of those marked "free", "adds_history" or "always_in_link"."""
    return tuple(each.name for each in fields(of) if mark is None or each.metadata[mark])


def names_of(of: Any, owner: str) -> tuple[str, ...]:
    """Return the names of the fields that `SERVER` or `BROWSER` owns."""
    return tuple(each.name for each in fields(of) if each.metadata["owner"] == owner)


def kind_of(of: Any, name: str) -> Kind:
    """Return the kind of a field."""
    return of.__dataclass_fields__[name].metadata["kind"]


def parse(of: type[Choice], query: Mapping[str, str], **defaults: Any) -> tuple[Choice, list[str]]:
    """Return the choice that a link's parameters describe, and one sentence for each parameter that is ignored.

    `defaults` replace the defaults of some fields.
    """
    known = names(of)
    notices = [
        f"The link's {name[:40]!r} is ignored: there is no such parameter."
        for name in query
        if name not in known and not name.startswith("embed")  # Streamlit's own
    ]
    values: dict[str, Any] = {}
    for each in fields(of):  # type: ignore[arg-type]
        earlier = SimpleNamespace(**values)
        values[each.name] = defaults[each.name] if each.name in defaults else _default(each, earlier)
        if each.name in query:
            try:
                values[each.name] = each.metadata["kind"].read(query[each.name], earlier)
            except ValueError as error:
                notices.append(f"The link's {each.name} is ignored: {error}.")
    return of(**values), notices


def standard(of: type[Choice], **values: Any) -> Choice:
    """Return the choice that has these values, and defaults for all other fields."""
    return parse(of, {}, **values)[0]


def format(choice: Any, owner: str | None = None) -> dict[str, str]:
    """Return the parameters of a link that restores a choice: what differs from the defaults, if not too long.

    With an `owner`, only the parameters of its fields are returned.
    """
    return {
        each.name: written
        for each, written in _written_fields(choice)
        if owner in (None, each.metadata["owner"])
        if each.metadata["always_in_link"] or getattr(choice, each.name) != _default(each, choice)
        if len(written) <= each.metadata["kind"].longest
    }


def fits_link(choice: Any) -> bool:
    """Return whether a link restores the whole choice."""
    return all(len(written) <= each.metadata["kind"].longest for each, written in _written_fields(choice))


def _written_fields(choice: Any) -> list[tuple[Field[Any], str]]:
    return [(each, each.metadata["kind"].write(getattr(choice, each.name))) for each in fields(choice)]


def _default(each: Field[Any], earlier: Any) -> Any:
    default = each.metadata["default"]
    return default(earlier) if callable(default) else default
