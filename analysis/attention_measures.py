"""A head's figures: how spread its attention is, how far it looks, and on which positions it rests.

The measures are those of Clark et al. (2019), "What Does BERT Look At?", sections 3.1 to 3.3: means over queries of
one head's weights. Shares of mass that a pair of positions cannot have (previous, next, self and the distance where
queries and keys are different texts) are NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis.strips import ROWS, head_strips, layer_strips
from models import Attention

# Column, what a person calls it, what it means.
MEASURES: dict[str, tuple[str, str]] = {
    "entropy": ("Entropy", "mean entropy of the rows in bits; 0 = one key takes all"),
    "distance": ("Mean distance", "mean distance from query to key in tokens, weighted by attention"),
    "first": ("First token", "share of attention on the first position"),
    "separators": ("Separators", "share of attention on special tokens after the first, such as [SEP]"),
    "previous": ("Previous token", "share of attention on the position before the query"),
    "next": ("Next token", "share of attention on the position after the query"),
    "self": ("Same token", "share of attention on the query's own position"),
}


def measures(att: Attention) -> pd.DataFrame:
    """Return one row a head, indexed by `layer, head`, with the columns of `MEASURES`."""
    tables = [_layer_measures(att, layer) for layer in range(att.n_layers)]
    return pd.concat(tables, keys=range(att.n_layers), names=["layer", "head"])


def head_measures(att: Attention, layer: int, head: int, *, rows: int = ROWS) -> dict[str, float]:
    """Return the figures of one head by the names of `MEASURES`, read `rows` queries at a time.

    Raises:
        BadSelection: no such layer or head.
    """
    strips = ((start, weights[None]) for start, weights in head_strips(att, layer, head, rows=rows))
    return {str(name): float(value) for name, value in _of_strips(att, strips).iloc[0].items()}


def _layer_measures(att: Attention, layer: int) -> pd.DataFrame:
    return _of_strips(att, layer_strips(att, layer))


def _of_strips(att: Attention, strips: Iterator[tuple[int, np.ndarray]]) -> pd.DataFrame:
    """Return one row of figures a head from strips `[head, query, key]` of its weights and their first queries."""
    separators = [position for position, token in enumerate(att.key_tokens) if token.special and position > 0]
    sums = reduce(
        pd.DataFrame.add, (_sums(weights, start, separators, att.kind != "cross") for start, weights in strips)
    )
    # The first query has no position before it, the last none after it: they do not count there.
    most = att.n_query
    counts = {"previous": min(most, att.n_key + 1) - 1, "next": min(most, att.n_key - 1)}
    with np.errstate(invalid="ignore"):
        means = {name: sums[name] / counts.get(name, most) for name in MEASURES}
    return pd.DataFrame(means)


def _sums(
    weights: Float[np.ndarray, "head query key"], start: int, separators: list[int], self_attention: bool
) -> pd.DataFrame:
    """Return the sums over the queries of a strip, NaN where a head has no such figure."""
    n_heads, n_query, n_key = weights.shape
    exact = weights.astype(np.float64)
    logarithm = np.log2(exact, where=exact > 0, out=np.zeros_like(exact))
    figures = {name: np.full(n_heads, np.nan) for name in MEASURES}
    figures["entropy"] = -np.einsum("hqk,hqk->h", exact, logarithm)
    figures["first"] = exact[:, :, 0].sum(-1)
    if separators:
        figures["separators"] = exact[:, :, separators].sum((-1, -2))
    if self_attention:
        apart = np.abs(np.arange(start, start + n_query)[:, None] - np.arange(n_key)).astype(np.float64)
        figures["distance"] = np.einsum("hqk,qk->h", exact, apart)
        for name, offset in (("self", 0), ("previous", -1), ("next", 1)):
            figures[name] = np.trace(exact, start + offset, 1, 2)
    return pd.DataFrame(figures)
