"""What `trace.json` holds. These classes are the schema: they are written, read and checked field by field.

A field that has its default is left out. Names of arrays are names in `arrays`. docs/trace-format.md says it for other
languages.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, Union

from models.patches import Patches
from models.source import Source
from models.trace_files.refusals import Spoilt, shown

FORMAT, VERSION = "headlight-trace", 1
DOCUMENT = "trace.json"
MAX_LAYERS, MAX_HEADS, MAX_TOKENS = 1_000, 4_096, 1_000_000
_LARGEST = 2**62
GIVEN = Source("given weights", "", "", "cpu", "float32", "given", "")

# The name of an array. In a .json, also its numbers as lists in lists.
Ref = str | list


@dataclass(frozen=True)
class ArrayRecord:
    """What an array is: `base64` has its bytes in a .json, by rows, the least significant byte first."""

    dtype: str
    shape: tuple[int, ...]
    base64: str | None = None


@dataclass(frozen=True)
class SpansRecord:
    """A mask as a run of keys for each query: from `first` to before `end`."""

    first: Ref
    end: Ref


@dataclass(frozen=True)
class ReplayRecord:
    """A layer whose weights are computed from queries and keys; `forced` has the number and pattern of forced heads."""

    query: Ref
    key: Ref
    scaling: float
    mask: SpansRecord | Ref | None = None
    bias: Ref | None = None
    sinks: Ref | None = None
    softcap: float | None = None
    causal: bool = False
    forced: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class WeightsRecord:
    """A layer of which the weights are known `[head, query, key]`."""

    weights: Ref
    causal: bool = False


@dataclass(frozen=True)
class TokensRecord:
    """Tokens column by column; an empty column has each token's default, `display` that of `text`."""

    text: tuple[str, ...]
    id: tuple[int, ...] = ()
    start: tuple[int | None, ...] = ()
    end: tuple[int | None, ...] = ()
    special: tuple[bool, ...] = ()
    display: tuple[str, ...] = ()
    segment: tuple[int, ...] = ()
    generated: tuple[bool, ...] = ()
    word: tuple[int | None, ...] = ()
    role: tuple[str, ...] = ()
    seconds: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class SoundRecord:
    """The sound that a model read."""

    samples: Ref
    rate: int
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class KindRecord:
    """The attention of one kind; without `key_tokens`, the keys are the queries.

    `head_numbers` has the layer and the number of each head in the model, layer by layer, where not all were saved.
    """

    query_tokens: TokensRecord | tuple[str, ...]
    layers: tuple[ReplayRecord | WeightsRecord, ...]
    key_tokens: TokensRecord | tuple[str, ...] | None = None
    key_patches: tuple[Patches, ...] = ()
    task: str = ""
    sound: SoundRecord | None = None
    head_numbers: tuple[tuple[tuple[int, int], ...], ...] = ()
    notices: tuple[str, ...] = ()
    method: str = "attention"


@dataclass(frozen=True)
class NamesRecord:
    """The names of a classifier's labels."""

    of_ids: tuple[tuple[int, str], ...]
    activation: str


@dataclass(frozen=True)
class OutputsRecord:
    """What a model answered: labels, or the reason why there is no answer."""

    task: str = ""
    tokens: TokensRecord | None = None
    reason: str = ""
    logits: Ref | None = None
    names: NamesRecord | None = None
    mask_id: int | None = None
    embedding: Ref | None = None


@dataclass(frozen=True)
class Document:
    """`trace.json`."""

    format: str
    version: int
    attentions: dict[str, KindRecord]
    arrays: dict[str, ArrayRecord] = field(default_factory=dict)
    source: Source = GIVEN
    notices: tuple[str, ...] = ()
    image: Ref | None = None
    outputs: OutputsRecord | None = None


def plain(value: Any) -> Any:
    """Return a record as JSON has it, without the fields that have their defaults."""
    if is_dataclass(value):
        given = {one.name: (getattr(value, one.name), _default(one)) for one in fields(value)}
        return {name: plain(one) for name, (one, default) in given.items() if default is MISSING or one != default}
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def _default(one: Any) -> Any:
    return one.default_factory() if one.default_factory is not MISSING else one.default


def check_document(value: Any) -> Document:
    """Return what `trace.json` holds.

    Raises:
        Spoilt: a field is missing, unknown, or of another type; or a newer Headlight wrote it.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise Spoilt(f'it has no "format": "{FORMAT}"', "save the trace with AttentionTrace.save")
    version = value.get("version")
    if type(version) is int and version > VERSION:
        raise Spoilt(
            f"it has version {shown(str(version), 20)} of the format, this Headlight reads {VERSION}",
            "install a newer Headlight",
        )
    if version != VERSION or type(version) is not int:
        raise Spoilt(f"its version is no number from 1 to {VERSION}")
    found: Document = typed(Document, value, "the trace")
    return found


def typed(expected: Any, value: Any, where: str) -> Any:
    """Return a value of JSON as its type has it.

    Raises:
        Spoilt: the value has another type, or holds something that no trace has.
    """
    if isinstance(expected, type) and is_dataclass(expected):
        return _record(expected, value, where)
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value, where)
    if origin is tuple and isinstance(value, list):
        if arguments[-1] is ...:
            return tuple([typed(arguments[0], one, where) for one in value])
        if len(value) == len(arguments):
            return tuple(typed(kind, one, where) for kind, one in zip(arguments, value, strict=True))
    if origin is dict and isinstance(value, dict):
        return {name: typed(arguments[1], one, f"{where} {shown(name, 30)}") for name, one in value.items()}
    if expected is float and type(value) in (int, float) and abs(value) < _LARGEST and math.isfinite(value):
        return float(value)
    if type(value) is expected and (expected is not int or abs(value) < _LARGEST):
        return _whole_characters(value, where) if expected is str else value
    raise Spoilt(f"{where} is {_shown(value)}, expected {_NAMES.get(origin or expected, 'something else')}")


_NAMES = {
    str: "a text",
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    list: "a list",
    tuple: "a list",
    dict: "an object",
    type(None): "null",
}


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"a list of {len(value):,}"
    return shown(repr(value)[:100], 40)


def _whole_characters(text: str, where: str) -> str:
    if not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
        raise Spoilt(f"{where} has half a character")
    return text


def _one_of(expected: tuple[Any, ...], value: Any, where: str) -> Any:
    """Return a value as the first of several types that it can be: of records, the one whose fields it has."""
    if value is None and type(None) in expected:
        return None
    rest = [one for one in expected if one is not type(None)]
    if isinstance(value, dict):
        records = [one for one in rest if is_dataclass(one)]
        rest = [one for one in records if _required(typing.cast(Any, one)) <= value.keys()] or records[:1] or rest
    else:
        rest = [one for one in rest if not is_dataclass(one)] or rest
        rest = [
            one for one in rest if (typing.get_origin(one) is tuple or one is list) == isinstance(value, list)
        ] or rest
    return typed(rest[0], value, where)


@cache
def _required(record: type[Any]) -> frozenset[str]:
    return frozenset(one.name for one in fields(record) if _default(one) is MISSING)


@cache
def _types(record: Any) -> dict[str, Any]:
    return typing.get_type_hints(record)


def _record(record: Any, value: Any, where: str) -> Any:
    known = _types(record)
    if not isinstance(value, dict):
        raise Spoilt(f"{where} is {_shown(value)}, expected an object")
    if unknown := [name for name in value if name not in known]:
        raise Spoilt(f"{where} has the field {shown(unknown[0])!r}, expected {', '.join(known)}")
    if missing := sorted(_required(record) - value.keys()):
        raise Spoilt(f"{where} has no field {missing[0]!r}")
    return record(**{name: typed(known[name], one, f"{where}: {name}") for name, one in value.items()})
