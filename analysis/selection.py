"""A window of one head: which queries and keys of a long text are shown, and in how many pairs to a cell."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from models import Attention
from models.errors import BadSelection

# More cells on a side could neither be told apart in half a page nor travel quickly.
READABLE = 128
STRIP_ROWS = 256
_WRITTEN = re.compile(r"([0-9]{1,7})-([0-9]{1,7}):([0-9]{1,7})-([0-9]{1,7})")


@dataclass(frozen=True)
class Region:
    """The positions `queries` and `keys`, both without gaps; written "0-63:128-191", last positions included."""

    queries: range
    keys: range

    def __str__(self) -> str:
        return ":".join(f"{span.start}-{span.stop - 1}" for span in (self.queries, self.keys))

    @property
    def block(self) -> tuple[int, int]:
        """How many queries and keys share a cell, so that at most `READABLE` cells stand on a side."""
        return -(-len(self.queries) // READABLE), -(-len(self.keys) // READABLE)

    @property
    def exact(self) -> bool:
        """Whether every pair has its own cell."""
        return self.block == (1, 1)

    def named(self) -> str:
        """Return the region in words: `queries 0 to 63, keys 128 to 191`."""
        sides = (("queries", self.queries), ("keys", self.keys))
        return ", ".join(f"{side} {span.start:,} to {span.stop - 1:,}" for side, span in sides)


def whole(att: Attention) -> Region:
    """Return the region that is the whole head."""
    return Region(range(att.n_query), range(att.n_key))


def parsed(text: str) -> Region:
    """Return the region that is written as "0-63:128-191".

    Raises:
        BadSelection: it is written differently, or a side ends before it starts.
    """
    found = _WRITTEN.fullmatch(text)
    numbers = [int(number) for number in found.groups()] if found else [0, -1, 0, -1]
    if numbers[0] > numbers[1] or numbers[2] > numbers[3]:
        raise BadSelection(
            f"A region is given by the first and last queries and keys, as 0-63:128-191, not {text[:40]!r}."
        )
    return Region(range(numbers[0], numbers[1] + 1), range(numbers[2], numbers[3] + 1))


def region_of(att: Attention, text: str) -> Region:
    """Return the region that `text` names, the whole head if it is empty.

    Raises:
        BadSelection: this text has no such positions.
    """
    every = whole(att)
    if not text:
        return every
    region = parsed(text)
    if region.queries.stop > att.n_query or region.keys.stop > att.n_key:
        raise BadSelection(f"There is no region of {region.named()}: this text has {every.named()}.")
    return region


def clamped(att: Attention, region: Region) -> Region | None:
    """Return the part of a region that this text has, None if it has nothing of it or the region is the whole."""
    queries = range(region.queries.start, min(region.queries.stop, att.n_query))
    keys = range(region.keys.start, min(region.keys.stop, att.n_key))
    kept = Region(queries, keys)
    return kept if queries and keys and kept != whole(att) else None


def window(att: Attention, region: Region, focus: tuple[str, int] | None) -> Region:
    """Return the readable part of a region: its beginning, or what lies around the token (side, position) `focus`.

    In self-attention both sides are moved to the token, whose neighbours attend to each other.
    """
    together = att.kind != "cross"
    sides = []
    for side, span in (("query", region.queries), ("key", region.keys)):
        start = span.start
        if focus and (together or focus[0] == side):
            start = max(span.start, min(focus[1] - READABLE // 2, span.stop - READABLE))
        sides.append(range(start, min(start + READABLE, span.stop)))
    return Region(*sides)


def block_maxima(
    att: Attention, layer: int, head: int, region: Region
) -> tuple[Float[np.ndarray, "row column"], Bool[np.ndarray, "row column"]]:
    """Return the largest weight of each cell of a region, and whether any of its pairs may attend.

    A pair that is no number makes its cell none.

    Raises:
        BadSelection: no such layer or head.
    """
    queries, keys = (slice(span.start, span.stop) for span in (region.queries, region.keys))
    if region.exact:
        return att.weights(layer, head, queries, keys), att.mask(layer, head, queries, keys)
    return att.pooled(layer, head, READABLE, queries=queries, keys=keys), _block_mask(att, layer, head, region)


def _block_mask(att: Attention, layer: int, head: int, region: Region) -> Bool[np.ndarray, "row column"]:
    """Return whether any pair of a cell may attend, from strips of the head's mask."""
    high, wide = region.block
    keys, columns = slice(region.keys.start, region.keys.stop), np.arange(0, len(region.keys), wide)
    strip = high * max(1, STRIP_ROWS // high)
    masks = []
    for start in range(region.queries.start, region.queries.stop, strip):
        mask = att.mask(layer, head, slice(start, min(start + strip, region.queries.stop)), keys)
        rows = np.arange(0, len(mask), high)
        masks.append(np.logical_or.reduceat(np.logical_or.reduceat(mask, rows, axis=0), columns, axis=1))
    return np.concatenate(masks)
