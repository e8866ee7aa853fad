"""A head's weights as pairs of tokens: the strongest, or those above a threshold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis.strips import ROWS, head_strips
from models import Attention
from models.arguments import checked
from models.errors import BadSelection

COLUMNS = ("layer", "head", "query", "key", "query_token", "key_token", "weight")


@checked
def strongest_pairs(
    att: Attention,
    layer: int,
    head: int,
    n_pairs: int = 20,
    *,
    queries: range | None = None,
    keys: range | None = None,
    rows: int = ROWS,
) -> pd.DataFrame:
    """Return the pairs with the largest weights, strongest first; equal weights in the order of query, then key.

    `queries` and `keys` choose a window of the head. Its weights are read `rows` queries at a time.

    Raises:
        BadSelection: no such layer or head, or a negative number of pairs.
    """
    if n_pairs < 0:
        raise BadSelection(f"A table has 0 pairs or more, not {n_pairs}: give another number.")
    keys = keys or range(att.n_key)
    query, key, weight = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    for start, weights in head_strips(att, layer, head, queries, keys, rows=rows):
        ranks = np.nan_to_num(weights, nan=-1)  # NaN ranks last
        # A later pair replaces the last pair found only if its weight is larger: equal weights keep their order.
        enough = 0 < n_pairs == len(weight)
        found = np.flatnonzero(ranks > np.nan_to_num(weight[-1], nan=-1) if enough else ranks >= -1)
        row, column = np.unravel_index(_find_largest(ranks.ravel(), found, n_pairs), weights.shape)
        query = np.concatenate([query, row + start])
        key = np.concatenate([key, column + keys.start])
        weight = np.concatenate([weight, weights[row, column]])
        order = np.argsort(-weight, kind="stable")[:n_pairs]
        query, key, weight = query[order], key[order], weight[order]
    return _make_table(att, layer, head, query, key, weight)


def _find_largest(ranks: np.ndarray, found: np.ndarray, most: int) -> np.ndarray:
    """Return those of the indices `found` that may be among the `most` largest ranks, in ascending order."""
    if not most or len(found) <= most:
        return found[:most]
    values = ranks[found]
    least = np.partition(values, len(values) - most)[len(values) - most]
    above, equal = found[values > least], found[values == least]
    return np.sort(np.concatenate([above, equal[: most - len(above)]]))


@checked
def visible_pairs(
    weights: Float[np.ndarray, "query key"], threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the queries, keys and weights of the pairs at or above a threshold, weakest first, as they are drawn.

    NaN weights are included: a bad value is never hidden.
    """
    query, key = np.nonzero(~(weights < max(threshold, np.finfo(np.float32).tiny)))
    order = np.argsort(weights[query, key], kind="stable")
    return query[order], key[order], weights[query[order], key[order]]


@checked
def kept_mass(weights: Float[np.ndarray, "query key"], threshold: float) -> float:
    """Return the share of all weights, 0 to 1, that is on pairs at or above a threshold; NaN if all weights are 0."""
    total = float(weights.sum(dtype=np.float64))
    return float(weights[weights >= threshold].sum(dtype=np.float64)) / total if total else float("nan")


def _make_table(
    att: Attention, layer: int, head: int, query: np.ndarray, key: np.ndarray, weight: np.ndarray
) -> pd.DataFrame:
    query_text = np.array([token.text for token in att.query_tokens], dtype=object)
    key_text = np.array([token.text for token in att.key_tokens], dtype=object)
    values = (layer, head, query, key, query_text[query], key_text[key], weight)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
