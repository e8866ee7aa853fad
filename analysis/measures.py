"""A head's figures: how spread its attention is, how far it looks, and on which positions it rests.

The measures are those of Clark et al. (2019), "What Does BERT Look At?", sections 3.1 to 3.3: means over queries of
one head's weights. Shares of mass that a pair of positions cannot have (previous, next, self and the distance where
queries and keys are different texts) are NaN, never 0.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

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


def head_measures(att: Attention, layer: int, head: int) -> dict[str, float]:
    """Return the figures of one head by the names of `MEASURES`.

    Raises:
        BadSelection: no such layer or head.
    """
    table = _of_weights(att.weights(layer, head)[None], _separators(att), self_attention=att.kind != "cross")
    return {str(name): float(value) for name, value in table.iloc[0].items()}


def _layer_measures(att: Attention, layer: int) -> pd.DataFrame:
    return _of_weights(att.layer(layer), _separators(att), self_attention=att.kind != "cross")


def _separators(att: Attention) -> list[int]:
    return [position for position, token in enumerate(att.key_tokens) if token.special and position > 0]


def _of_weights(
    weights: Float[np.ndarray, "head query key"], separators: list[int], *, self_attention: bool
) -> pd.DataFrame:
    n_heads, n_query, n_key = weights.shape
    exact = weights.astype(np.float64)
    logarithm = np.log2(exact, where=exact > 0, out=np.zeros_like(exact))
    figures = {
        "entropy": -(exact * logarithm).sum(-1).mean(-1),
        "first": exact[:, :, 0].mean(-1),
        "separators": exact[:, :, separators].sum(-1).mean(-1) if separators else np.full(n_heads, np.nan),
    }
    for name in ("distance", "previous", "next", "self"):
        figures[name] = np.full(n_heads, np.nan)
    if self_attention:
        apart = np.abs(np.arange(n_query)[:, None] - np.arange(n_key)[None, :])
        figures["distance"] = (exact * apart).sum(-1).mean(-1)
        figures["self"] = np.diagonal(exact, 0, 1, 2).mean(-1)
        if n_query > 1:
            figures["previous"] = np.diagonal(exact, -1, 1, 2).mean(-1)
            figures["next"] = np.diagonal(exact, 1, 1, 2).mean(-1)
    return pd.DataFrame(figures)[list(MEASURES)]
