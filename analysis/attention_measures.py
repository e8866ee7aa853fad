"""Measures of a head: how its attention is spread, over what distance, and on which positions.

The measures are those of Clark et al. (2019), "What Does BERT Look At?", sections 3.1 to 3.3: means over queries of
one head's weights, without hidden queries. A measure that is not defined is NaN, never 0: previous, next, self and the
distance need queries and keys of the same text.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis.strips import ROWS, head_strips, layer_strips
from models import Attention
from models.arguments import checked

# Column, its name for readers, its meaning.
MEASURES: dict[str, tuple[str, str]] = {
    "entropy": ("Entropy", "mean entropy of the rows in bits; 0 = one key takes all"),
    "distance": ("Mean distance", "mean distance from query to key in tokens, weighted by attention"),
    "first": ("First token", "share of attention on the first position"),
    "separators": ("Separators", "share of attention on special tokens after the first, such as [SEP]"),
    "previous": ("Previous token", "share of attention on the position before the query"),
    "next": ("Next token", "share of attention on the position after the query"),
    "self": ("Same token", "share of attention on the query's own position"),
}


@checked
def measures(att: Attention) -> pd.DataFrame:
    """Return one row for each head, indexed by `layer, head`, with the columns of `MEASURES`."""
    tables = [_average_strips(att, layer_strips(att, layer)) for layer in range(att.n_layers)]
    return pd.concat(tables, keys=range(att.n_layers), names=["layer", "head"])


@checked
def head_measures(att: Attention, layer: int, head: int, *, rows: int = ROWS) -> dict[str, float]:
    """Return the measures of one head by the names of `MEASURES`; the weights are read `rows` queries at a time.

    Raises:
        BadSelection: no such layer or head.
    """
    strips = ((start, weights[None]) for start, weights in head_strips(att, layer, head, rows=rows))
    return {str(name): float(value) for name, value in _average_strips(att, strips).iloc[0].items()}


def _average_strips(att: Attention, strips: Iterator[tuple[int, np.ndarray]]) -> pd.DataFrame:
    """Return one row of measures for each head; a strip is its first query and its weights `[head, query, key]`."""
    separators = [position for position, token in enumerate(att.key_tokens) if token.special and position > 0]
    sums = reduce(
        pd.DataFrame.add, (_sum_strip(weights, start, separators, att.kind != "cross") for start, weights in strips)
    )
    # The first query has no previous position and the last query no next one, so these means leave them out, and all
    # means leave hidden queries out.
    shown = [query for query in range(att.n_query) if query not in att.hidden_queries]
    most = len(shown)
    previous, after = (sum(0 <= query + step < att.n_key for query in shown) for step in (-1, 1))
    counts = {"previous": previous, "next": after}
    with np.errstate(invalid="ignore", divide="ignore"):
        means = {name: sums[name] / counts.get(name, most) for name in MEASURES}
    return pd.DataFrame(means)


def _sum_strip(
    weights: Float[np.ndarray, "head query key"], start: int, separators: list[int], self_attention: bool
) -> pd.DataFrame:
    """Return the sums over the queries of a strip, one row for each head; NaN where a measure is not defined."""
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
