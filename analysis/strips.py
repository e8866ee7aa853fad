"""One head or one layer in strips of rows: at 8,192 tokens a head takes 268 MB, and a strip of it 8 MB."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from models import Attention
from models.errors import BadSelection

ROWS = 256


def head_strips(
    att: Attention, layer: int, head: int, queries: range | None = None, keys: range | None = None, *, rows: int = ROWS
) -> Iterator[tuple[int, Float[np.ndarray, "query key"]]]:
    """Yield (first query, weights `[<= rows, key]`) of one head, or of a window of it, from top to bottom.

    Raises:
        BadSelection: no such layer or head, or strips of no row.
    """
    if rows < 1:
        raise BadSelection(f"Weights are read 1 row at a time or more, not {rows}: give another number of rows.")
    queries, keys = queries or range(att.n_query), keys or range(att.n_key)
    for start in range(queries.start, queries.stop, rows):
        strip = slice(start, min(start + rows, queries.stop))
        yield start, att.weights(layer, head, queries=strip, keys=slice(keys.start, keys.stop))


def layer_strips(
    att: Attention, layer: int, *, rows: int = ROWS
) -> Iterator[tuple[int, Float[np.ndarray, "head query key"]]]:
    """Yield (first query, weights `[head, <= rows, key]`) of all heads of a layer from top to bottom.

    Raises:
        BadSelection: no such layer.
    """
    for start in range(0, att.n_query, rows):
        yield start, att.layer(layer, queries=slice(start, min(start + rows, att.n_query)))
