"""The maps of all heads: block maxima, small enough for one screen of thumbnails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from models import Attention

THUMBNAIL = 48
SMALLEST_THUMBNAIL = 8
# The thumbnails of all heads together have at most this many cells, one byte each on the way to the browser.
MOST_CELLS = 900_000


@dataclass
class HeadMaps:
    """Block maxima of all heads, `[layer, head, row, column]`, filled layer by layer; NaN in layers not filled yet.

    A cell is the maximum over `block[0]` queries and `block[1]` keys. `mask` is True if a pair of the block may attend.
    `n_heads` counts the heads of each layer, and `n_done` the layers that are filled.
    """

    values: Float[np.ndarray, "layer head row column"]
    mask: Bool[np.ndarray, "layer head row column"]
    block: tuple[int, int]
    n_heads: tuple[int, ...]
    n_done: int = 0

    @classmethod
    def empty(cls, att: Attention) -> HeadMaps:
        """Return maps without any filled layer."""
        size = thumbnail(att)
        high, wide = -(-att.n_query // size), -(-att.n_key // size)
        sides = (-(-att.n_query // high), -(-att.n_key // wide))
        values = np.full((att.n_layers, att.n_heads, *sides), np.nan, dtype=np.float32)
        mask = np.ones(values.shape, dtype=np.bool_)
        return cls(values, mask, (high, wide), tuple(att.heads_in(layer) for layer in range(att.n_layers)))

    def fill(self, att: Attention, progress: Callable[[int, int], None] | None = None) -> HeadMaps:
        """Compute the missing layers, one at a time; an exception from `progress(done, total)` stops the work."""
        for layer in range(self.n_done, att.n_layers):
            self.values[layer, : self.n_heads[layer]] = att.pooled_layer(layer, thumbnail(att))
            self.mask[layer, : self.n_heads[layer]] = att.pooled_mask(layer, thumbnail(att))
            self.n_done = layer + 1
            if progress:
                progress(self.n_done, att.n_layers)
        return self

    @property
    def complete(self) -> bool:
        """Whether every layer is filled."""
        return self.n_done == len(self.n_heads)

    def first_layers(self, n_done: int) -> HeadMaps:
        """Return the same maps without those of later layers, which a job may be filling."""
        return HeadMaps(self.values, self.mask, self.block, self.n_heads, min(n_done, self.n_done))


def thumbnail(att: Attention) -> int:
    """Return the largest number of cells on a side of a thumbnail: `THUMBNAIL`, fewer if there are many heads."""
    largest = int((MOST_CELLS / (att.n_layers * att.n_heads)) ** 0.5)
    return max(SMALLEST_THUMBNAIL, min(THUMBNAIL, largest))
