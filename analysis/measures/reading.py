"""Weights and masks of several layers or of one head in strips of rows: constant memory, whatever the length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float

from analysis.measures.stacked import StackedStrip
from models import Attention

Progress = Callable[[int, int], object]
# How many weights are read at once: 8 MB in float64.
STRIP_WEIGHTS = 2**20


class Strip(NamedTuple):
    """Some rows of some heads; `allowed` says which pairs may attend, once for all heads or for each; None: all."""

    start: int
    weights: Float[np.ndarray, "head query key"]
    allowed: Bool[np.ndarray, "head_or_1 query key"] | None

    def count_rows(
        self, totals: Float[np.ndarray, "head query"], hidden: Bool[np.ndarray, " all_queries"]
    ) -> Bool[np.ndarray, "head query"]:
        """Return which rows count: not those of hidden queries and empty ones. `totals` are the sums of the rows.

        A row of NaN counts, and makes the means NaN. A row without any key is masked, but its softmax is uniform.
        """
        counted = (totals != 0) & ~hidden[self.start : self.start + totals.shape[1]]
        return counted if self.allowed is None else counted & self.allowed.any(-1)

    def stacked(self) -> StackedStrip:
        """Return the strip as that of a batch of one text, in float64: a long row has many small weights."""
        allowed = None if self.allowed is None else torch.from_numpy(np.array(self.allowed))[None]
        return StackedStrip(self.start, torch.from_numpy(self.weights.astype(np.float64))[None], allowed)


def read_layers(att: Attention, layers: range) -> Iterator[Strip]:
    """Yield the rows of all heads of some layers, one layer after the other."""
    n_heads = sum(map(att.heads_in, layers))
    for rows in _strips(att.n_query, n_heads * att.n_key):
        weights = [att.layer(layer, rows) for layer in layers]
        yield Strip(rows.start, weights[0] if len(layers) == 1 else np.concatenate(weights), _masks(att, layers, rows))


def reporting(
    strips: Iterator[Strip], progress: Progress | None, done: int, total: int, n_layers: int
) -> Iterator[Strip]:
    """Yield strips, and call `progress(done, total)` after each one with the number of rows of all layers so far.

    `done` is that number before the first strip.
    """
    for strip in strips:
        yield strip
        if progress is not None:
            progress(done + n_layers * (strip.start + strip.weights.shape[1]), total)


def read_head(att: Attention, layer: int, head: int, n_rows: int | None) -> Iterator[Strip]:
    """Yield the rows of one head, `n_rows` at a time, by default as many as for several heads."""
    for rows in _strips(att.n_query, att.n_key, n_rows):
        yield Strip(rows.start, att.weights(layer, head, rows)[None], att.mask(layer, head, rows)[None])


def _strips(n_query: int, row_weights: int, n_rows: int | None = None) -> Iterator[slice]:
    n_rows = n_rows or max(1, STRIP_WEIGHTS // row_weights)
    for start in range(0, n_query, n_rows):
        yield slice(start, min(start + n_rows, n_query))


def _masks(att: Attention, layers: range, rows: slice) -> Bool[np.ndarray, "head_or_1 query key"] | None:
    """Return the masks of some layers, one for all their heads if it is the same, None if nothing is masked."""
    found = [att.layer_mask(layer, rows) for layer in layers]
    first = found[0]
    if len(found) == 1 or all(_is_same(mask, first) for mask in found):
        return first
    sizes = [(att.heads_in(layer), rows.stop - rows.start, att.n_key) for layer in layers]
    whole = [np.array(True) if mask is None else mask for mask in found]
    return np.concatenate([np.broadcast_to(mask, size) for mask, size in zip(whole, sizes, strict=True)])


def _is_same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Return whether two masks are the same for every head."""
    if one is None or other is None:
        return one is other
    return len(one) == len(other) == 1 and np.array_equal(one, other)
