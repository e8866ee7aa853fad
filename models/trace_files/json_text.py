"""JSON that a stranger wrote: what it takes is estimated before Python makes an object of each part."""

from __future__ import annotations

import json
from typing import Any

from models.trace_files.refusals import Spoilt, admit, shown

# What a character, a value, a list and an object take in Python, in bytes, as measured.
_CHARACTER, _VALUE, _LIST, _OBJECT = 4, 70, 100, 300
_MAX_OBJECTS = 1_000_000


def parse(raw: bytes, max_bytes: int, what: str) -> Any:
    """Return the value of a JSON text in UTF-8; names do not repeat, and numbers are finite.

    Raises:
        Spoilt: it is not JSON, or takes more than `max_bytes`.
    """
    n_objects = raw.count(b"{")
    if n_objects > _MAX_OBJECTS:
        raise Spoilt(f"{what} has {n_objects:,} objects, expected {_MAX_OBJECTS:,} at most")
    values = _VALUE * raw.count(b",") + _LIST * raw.count(b"[") + _OBJECT * n_objects
    admit(_CHARACTER * len(raw) + values, max_bytes, what)
    try:
        text = raw.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_refuse_repeated_names, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise Spoilt(f"{what} nests too deep") from error
    except UnicodeDecodeError as error:
        raise Spoilt(f"{what} is not a text in UTF-8") from error
    except Spoilt:
        raise
    except ValueError as error:
        raise Spoilt(f"{what} is not JSON ({shown(str(error), 100)})") from error


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise Spoilt(f"it has the name {shown(max(names, key=names.count))!r} twice in one object")
    return found


def _refuse_constant(name: str) -> None:
    raise Spoilt(f"{name} is not JSON", "write null for a weight that is not a number")
