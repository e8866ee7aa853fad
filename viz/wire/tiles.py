"""One head's region as cells for the browser: exact weights up to 128 x 128 pairs, block maxima above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from analysis.blocks import block_maxima
from analysis.selection import Region, Selection
from models import Attention
from viz.style import MASKED_WEIGHT
from viz.wire.packing import pack


@dataclass(frozen=True)
class Tile:
    """The cells of one head's region, or of one map of several heads.

    `shown` is a layer and a head, or "mean" or "maximum" and the heads as a `HeadSet` writes them.
    `cells` are float32 `[row, column]`; `MASKED_WEIGHT` where no pair of the cell may attend, NaN where a weight is not
    a number. `given` is the sum of each query's weights over all keys of the text that it may attend to, `[query]` of
    the region; empty where a cell is a block of pairs.
    """

    shown: tuple[int | str, int | str]
    region: Region
    cells: Float[np.ndarray, "row column"]
    given: Float[np.ndarray, " query"]

    @property
    def facts(self) -> dict[str, Any]:
        """What the browser has to know of the tile besides its cells."""
        queries, keys = self.region.queries, self.region.keys
        return {
            "shown": list(self.shown),
            "region": [queries.start, queries.stop - 1, keys.start, keys.stop - 1],
            "block": list(self.region.block),
            "shape": list(self.cells.shape),
        }


def make_tile(
    att: Attention, layer: int, head: int, region: Region, *, shown: tuple[int | str, int | str] | None = None
) -> Tile:
    """Return the cells of one head's region; `shown` is what the browser calls it, by default the layer and the head.

    Raises:
        BadSelection: no such layer, head or region.
    """
    region = Selection(layer, (head,), region=region).region_in(att)
    shown = shown or (layer, head)
    if not region.exact:
        weights, mask = block_maxima(att, layer, head, region)
        return Tile(shown, region, mark_masked(weights, mask), np.empty(0, np.float32))
    queries, keys = region.slices
    rows, mask = att.weights(layer, head, queries), att.mask(layer, head, queries)
    given = rows.sum(axis=1, dtype=np.float64, where=mask).astype(np.float32)
    return Tile(shown, region, mark_masked(rows[:, keys], mask[:, keys]), given)


def mark_masked(weights: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return float32 weights with `MASKED_WEIGHT` where `mask` is False."""
    return np.where(mask, weights, np.float32(MASKED_WEIGHT)).astype(np.float32)


def pack_tile(tile: Tile) -> bytes:
    """Return the answer to a request for a tile."""
    return pack(tile.facts, {"cells": tile.cells, "given": tile.given})
