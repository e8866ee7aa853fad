"""The files of the figure `table` back to attention: the `.npz`, and the `.csv`, also as a spreadsheet saved it.

A table may have some heads, a region, or words. Heads keep the model's numbers in the annotation "head_numbers".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.capture.replay import MaterialisedLayer
from models.given.notices import describe_weights, is_causal
from models.source import Source
from models.tokens import Token
from models.trace_files import json_text, npy
from models.trace_files.array_files import read_member, texts_of
from models.trace_files.rebuild import KINDS
from models.trace_files.refusals import Spoilt, admit, shown
from models.trace_files.schema import GIVEN, MAX_HEADS, MAX_LAYERS, MAX_TOKENS, typed
from models.trace_files.zip_members import Archive

if TYPE_CHECKING:
    from models.attention import Attention

_INTEGERS = ("layer", "head", "query", "key")
_TEXTS = ("query_tokens", "key_tokens", "query_display", "key_display")
_COPIES = 3
# What the layer and the head of a combination are in a table.
COMBINED = (-1, -1)
_COMBINED_NOTICE = "This table has one map of several heads, which it does not name."


@dataclass
class Table:
    """The weights `[head, query, key]` of a table, the layer and number of each head, and what its sides are."""

    weights: np.ndarray
    heads: Sequence[tuple[int, int]]
    positions: tuple[Sequence[int], Sequence[int]]
    tokens: tuple[tuple[Token, ...], tuple[Token, ...]]
    kind: str = ""
    source: Source = GIVEN
    notices: tuple[str, ...] = field(default=())

    def attention(self) -> Attention:
        """Return the attention, with a layer for each layer of the model of which the table has a head.

        Raises:
            Spoilt: a head stands in it twice, or a number is none of a head.
        """
        from models.attention import Attention

        combined = list(self.heads) == [COMBINED]
        heads = [(0, 0)] if combined else list(self.heads)
        _check_heads(heads)
        order = sorted(range(len(heads)), key=lambda number: heads[number])
        rows: dict[int, list[int]] = {}
        for number in order:
            rows.setdefault(heads[number][0], []).append(number)
        same = self.positions[0] == self.positions[1] and self.tokens[0] == self.tokens[1]
        weights = [torch.from_numpy(self.weights[numbers]) for numbers in rows.values()]
        causal = same and len(self.tokens[0]) > 1 and self.kind in ("", "decoder") and is_causal(weights)
        kind = self.kind or ("decoder" if causal else "encoder" if same else "cross")
        layers = [MaterialisedLayer(one, causal and kind == "decoder") for one in weights]
        numbers = tuple(tuple(heads[number] for number in one) for one in rows.values())
        plain = tuple(tuple((layer, head) for head in range(len(one))) for layer, one in enumerate(numbers))
        notices = (*self.notices, *((_COMBINED_NOTICE,) if combined else ()), *describe_weights(weights))
        if numbers != plain:
            layer, head = numbers[0][0]
            notices = (
                f"This table has some of the model's heads: layer 0, head 0 here is layer {layer}, head {head} there.",
                *notices,
            )
        annotations = {"head_numbers": numbers} if numbers != plain else {}
        queries, keys = self.tokens
        return Attention(kind, layers, queries, keys, self.source, annotations=annotations, notices=notices)


def _check_heads(heads: list[tuple[int, int]]) -> None:
    if len(set(heads)) < len(heads):
        raise Spoilt("it has a head twice")
    wrong = next((head for head in heads if not all(0 <= number < 2**31 for number in head)), None)
    if wrong is not None:
        raise Spoilt(f"it has a head {wrong[1]} of layer {wrong[0]}, expected 0 or more")
    of_layers: dict[int, int] = {}
    for layer, _ in heads:
        of_layers[layer] = of_layers.get(layer, 0) + 1
    if len(of_layers) > MAX_LAYERS or max(of_layers.values(), default=0) > MAX_HEADS:
        raise Spoilt(f"it has more than {MAX_LAYERS:,} layers or {MAX_HEADS:,} heads in one")


def check_side(name: str, positions: Sequence[int]) -> None:
    """Let the positions of a side through: each stands there once."""
    if not 0 < len(positions) <= MAX_TOKENS or len(set(positions)) < len(positions) or min(positions) < 0:
        raise Spoilt(f"the positions of its {name} are not numbers from 0, each once")


def make_token(text: str, display: str) -> Token:
    """Return a token of which a table has these."""
    return Token(text, -1, None, None, False, display)


def is_table(archive: Archive) -> bool:
    """Return whether an `.npz` is one of the figure `table`."""
    return {"weights.npy", *(f"{name}.npy" for name in _INTEGERS)} <= archive.members.keys()


def read_npz_table(archive: Archive, max_bytes: int) -> Attention:
    """Return the attention of an `.npz` of the figure `table`.

    Raises:
        Spoilt: its arrays do not fit together, or take too much memory.
    """
    headers = {}
    for name in ("weights", *_INTEGERS, *_TEXTS):
        stream = archive.open(f"{name}.npy")
        headers[name] = npy.read_header(stream, stream.member.size, name)
    _check_headers(headers)
    admit(_COPIES * sum(header.n_bytes for header in headers.values()), max_bytes, "reading it")
    layer, head, query, key = ([int(number) for number in read_member(archive, name)] for name in _INTEGERS)
    texts = {name: texts_of(archive, name, headers[name], max_bytes) for name in _TEXTS}
    check_side("queries", query)
    check_side("keys", key)
    queries, keys = (
        tuple(map(make_token, texts[f"{side}_tokens"], texts[f"{side}_display"])) for side in ("query", "key")
    )
    kind, source = _read_origin(archive, max_bytes)
    heads = list(zip(layer, head, strict=True))
    weights = read_member(archive, "weights").astype(np.float32, copy=False)
    return Table(weights, heads, (query, key), (queries, keys), kind, source).attention()


def _check_headers(headers: Mapping[str, npy.Header]) -> None:
    weights = headers["weights"]
    if len(weights.shape) != 3 or weights.dtype.kind != "f":
        raise Spoilt(f"its weights are {weights.dtype} {shown(str(list(weights.shape)))}, expected [head, query, key]")
    n_heads, n_query, n_key = weights.shape
    lengths = {"layer": n_heads, "head": n_heads, "query": n_query, "key": n_key}
    lengths |= {name: n_query if name.startswith("query") else n_key for name in _TEXTS}
    for name, length in lengths.items():
        kinds = "U" if name in _TEXTS else "iu"
        if headers[name].shape != (length,) or headers[name].dtype.kind not in kinds:
            raise Spoilt(f"its array {name} does not have {length:,} values, one for each of its weights' axes")


def _read_origin(archive: Archive, max_bytes: int) -> tuple[str, Source]:
    """Return the kind of attention and the source, as the provenance of a table says."""
    stream = archive.open("provenance.npy")
    header = npy.read_header(stream, stream.member.size, "provenance")
    if header.dtype.kind != "U" or header.shape:
        raise Spoilt("its provenance is no text")
    admit(_COPIES * header.n_bytes, max_bytes, "its provenance")
    found: Any = json_text.parse(str(read_member(archive, "provenance")).encode(), max_bytes, "its provenance")
    origin: dict[str, Any] = found if isinstance(found, dict) else {}
    kind = origin.get("kind")
    if kind not in KINDS:
        raise Spoilt("its provenance does not say which kind of attention it has")
    return kind, typed(Source, origin.get("source"), "its source")
