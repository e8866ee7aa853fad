"""A head's weights as pairs of tokens: all of them, the strongest, or those above a threshold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from models import Attention

COLUMNS = ("layer", "head", "query", "key", "query_token", "key_token", "weight")


def weights_table(att: Attention, layer: int, head: int) -> pd.DataFrame:
    """Return every pair of one head, one row a pair, with the columns of `COLUMNS`; tokens are the raw pieces.

    Raises:
        BadSelection: no such layer or head.
    """
    weights = att.weights(layer, head)
    query, key = (axis.ravel() for axis in np.indices(weights.shape))
    return _table(att, layer, head, query, key, weights.ravel())


def strongest_pairs(att: Attention, layer: int, head: int, n_pairs: int = 20) -> pd.DataFrame:
    """Return the pairs with the largest weights, strongest first; ties in the order of query, then key.

    Raises:
        BadSelection: no such layer or head.
    """
    weights = att.weights(layer, head)
    order = np.argsort(-weights, axis=None, kind="stable")[:n_pairs]
    query, key = np.unravel_index(order, weights.shape)
    return _table(att, layer, head, query, key, weights[query, key])


def visible_pairs(
    weights: Float[np.ndarray, "query key"], threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the queries, keys and weights of the pairs at or above a threshold, weakest first (drawn below).

    NaN weights count as visible: a bad value is never hidden.
    """
    query, key = np.nonzero(~(weights < max(threshold, np.finfo(np.float32).tiny)))
    order = np.argsort(weights[query, key], kind="stable")
    return query[order], key[order], weights[query[order], key[order]]


def kept_mass(weights: Float[np.ndarray, "query key"], threshold: float) -> float:
    """Return the share of the head's attention mass, 0 to 1, on pairs at or above a threshold."""
    total = float(weights.sum(dtype=np.float64))
    return float(weights[weights >= threshold].sum(dtype=np.float64)) / total if total else float("nan")


def _table(
    att: Attention, layer: int, head: int, query: np.ndarray, key: np.ndarray, weight: np.ndarray
) -> pd.DataFrame:
    query_text = np.array([token.text for token in att.query_tokens], dtype=object)
    key_text = np.array([token.text for token in att.key_tokens], dtype=object)
    values = (layer, head, query, key, query_text[query], key_text[key], weight)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
