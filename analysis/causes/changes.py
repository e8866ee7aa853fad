"""What a link says of changed heads and struck tokens: "2.5:zero,cross.0.1:uniform" and "4,7"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# What may be done to a head, with the words that a visitor reads after its name.
HOWS: Mapping[str, str] = {
    "zero": "switched off",
    "mean": "replaced by its mean",
    "uniform": "forced to attend to all alike",
    "first": "forced to the first token",
    "previous": "forced to the previous token",
    "self": "forced to the token itself",
}
KINDS = ("encoder", "decoder", "cross")
# The kind of attention, "" for the model's first one, with layer and head.
Place = tuple[str, int, int]
HeadChanges = tuple[tuple[Place, str], ...]
_HEAD = re.compile(rf"(?:({'|'.join(KINDS)})\.)?([0-9]{{1,4}})\.([0-9]{{1,4}}):({'|'.join(HOWS)})")
_POSITION = re.compile("[0-9]{1,6}")


def read_heads(written: str) -> HeadChanges:
    """Return the changes of heads that are written as "2.5:zero,cross.0.1:uniform", in order; () for "".

    Raises:
        ValueError: it is written differently, or changes a head twice, in a clause.
    """
    found: dict[Place, str] = {}
    for each in written.split(",") if written else ():
        match = _HEAD.fullmatch(each)
        if match is None:
            raise ValueError(f"{each[:40]!r} is no change of a head such as 2.5:zero")
        place = (match[1] or "", int(match[2]), int(match[3]))
        if found.setdefault(place, match[4]) != match[4]:
            raise ValueError(f"it changes the head {name_place(place)} in two ways")
    return tuple(sorted(found.items()))


def write_heads(changes: Iterable[tuple[Place, str]]) -> str:
    """Return changes of heads as a link has them."""
    return ",".join(f"{name_place(place)}:{how}" for place, how in sorted(changes))


def name_place(place: Place) -> str:
    """Return a head as a link has it, such as "cross.0.1"."""
    return ".".join(str(part) for part in place if part != "")


def read_positions(written: str) -> tuple[int, ...]:
    """Return the positions that are written as "4,7", in order; () for "".

    Raises:
        ValueError: it is written differently, in a clause.
    """
    found = set()
    for each in written.split(",") if written else ():
        if _POSITION.fullmatch(each) is None:
            raise ValueError(f"{each[:40]!r} is no position such as 4")
        found.add(int(each))
    return tuple(sorted(found))


def write_positions(positions: Iterable[int]) -> str:
    """Return positions as a link has them."""
    return ",".join(map(str, sorted(set(positions))))
