"""A region of a head as cells: exact weights, or the largest weight of each block of pairs where the region is long."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from analysis.selection import READABLE, Region
from models import Attention

STRIP_ROWS = 256


def block_maxima(
    att: Attention, layer: int, head: int, region: Region
) -> tuple[Float[np.ndarray, "row column"], Bool[np.ndarray, "row column"]]:
    """Return the largest weight of each cell of a region, and whether any of its pairs may attend.

    A pair that is not a number makes its cell not a number.

    Raises:
        BadSelection: no such layer or head.
    """
    queries, keys = region.slices
    if region.exact:
        return att.weights(layer, head, queries, keys), att.mask(layer, head, queries, keys)
    return att.pooled(layer, head, READABLE, queries=queries, keys=keys), _block_mask(att, layer, head, region)


def _block_mask(att: Attention, layer: int, head: int, region: Region) -> Bool[np.ndarray, "row column"]:
    """Return whether any pair of a cell may attend, from strips of the head's mask."""
    high, wide = region.block
    columns = np.arange(0, len(region.keys), wide)
    strip = high * max(1, STRIP_ROWS // high)
    masks = []
    for start in range(region.queries.start, region.queries.stop, strip):
        mask = att.mask(layer, head, slice(start, min(start + strip, region.queries.stop)), region.slices[1])
        rows = np.arange(0, len(mask), high)
        masks.append(np.logical_or.reduceat(np.logical_or.reduceat(mask, rows, axis=0), columns, axis=1))
    return np.concatenate(masks)
