"""Blocks of a layer's weights and their maxima, computed a strip of rows at a time: the softmax needs whole rows."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from models.capture.masks import Positions
from models.capture.replay import LayerLike

# How many weights are computed at once for a block: 64 MB.
STRIP_WEIGHTS = 2**24
# For block maxima: few rows, so that the band of a sliding window stays narrow, and 8 MB, because memory of that size
# is reused without a call of the system.
POOL_ROWS = 256
POOL_WEIGHTS = 2**21


def compute_block(
    layer: LayerLike, heads: slice, queries: Positions, keys: Positions
) -> Float[np.ndarray, "head query key"]:
    """Return the weights of some heads, queries and keys of a layer, read-only."""
    n_layer_heads, n_query, n_key = layer.shape
    n_heads, positions = len(range(n_layer_heads)[heads]), np.arange(n_query)[queries]
    block = np.empty((n_heads, len(positions), len(np.arange(n_key)[keys])), dtype=np.float32)
    n_rows = max(1, STRIP_WEIGHTS // (n_heads * n_key))
    is_run = isinstance(queries, slice) and queries.step in (None, 1)
    for start in range(0, len(positions), n_rows):
        part = positions[start : start + n_rows]
        strip = slice(int(part[0]), int(part[-1]) + 1) if is_run else part  # a slice makes no copy
        block[:, start : start + n_rows] = layer.rows(heads, strip)[:, :, keys].numpy()
    block.flags.writeable = False
    return block


def pool(
    layer: LayerLike, heads: slice, size: int, queries: tuple[int, int], keys: tuple[int, int]
) -> Float[Tensor, "head query_block key_block"]:
    """Return the block maxima of some heads of a layer, at most `size` x `size`.

    `queries` and `keys` are runs of positions: the first one and their number.
    """
    (first_query, n_query), (first_key, n_key) = queries, keys
    query_block, key_block = max(1, -(-n_query // size)), max(1, -(-n_key // size))
    numbers = range(layer.shape[0])[heads]
    n_rows = max(1, min(POOL_ROWS, POOL_WEIGHTS // layer.shape[2]) // query_block) * query_block
    shape = (len(numbers), -(-n_query // query_block), -(-n_key // key_block))
    pooled = torch.zeros(shape, dtype=torch.float32, device="cpu")  # explicit, because torch's defaults may differ
    for start in range(0, n_query, n_rows):
        rows = slice(first_query + start, first_query + min(start + n_rows, n_query))
        row, n_together = start // query_block, max(1, POOL_WEIGHTS // (n_rows * layer.reach(rows)))
        for first in range(0, len(numbers), n_together):
            some = numbers[first : first + n_together]
            band, low = layer.band(slice(some.start, some.stop), rows)
            # The part of the band inside the wanted keys, from the edge of a block on.
            band = band[:, :, max(0, first_key - low) : max(0, first_key + n_key - low)]
            low = max(0, low - first_key)
            if not band.shape[2]:
                continue
            column, before = divmod(low, key_block)
            # Queries first, along the keys, which are contiguous in memory. Little is left for the second step.
            maxima = _block_maxima(_block_maxima(pad(band, (before, 0)), -2, query_block), -1, key_block)
            part = pooled[first : first + n_together, row : row + maxima.shape[1], column : column + maxima.shape[2]]
            part.copy_(maxima)
    return pooled


def _block_maxima(values: Tensor, axis: int, block: int) -> Tensor:
    if block == 1:
        return values
    parts = values.split(block, dim=axis)
    return torch.stack([part.amax(axis) for part in parts], dim=axis)
