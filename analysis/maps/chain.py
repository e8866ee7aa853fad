"""The layers of an attention as matrices that follow one another (Abnar and Zuidema 2020, arXiv:2005.00928)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from analysis.maps.methods import METHODS
from analysis.maps.reach import Reach, reach_of
from analysis.strips import layer_strips
from models import Attention
from models.errors import BadSelection
from models.views import COMBINATIONS


@dataclass(frozen=True)
class Chain:
    """A_l = residual I + (1 - residual) W_l, where W_l is the mean or the maximum of the heads of layer l.

    Layers of a model that have no attention (of a hybrid with a state space) are not in it, as if they changed nothing.
    """

    att: Attention
    residual: float
    heads: str

    @property
    def n_tokens(self) -> int:
        """How many tokens each layer has."""
        return self.att.n_query

    @property
    def n_layers(self) -> int:
        """How many layers follow one another."""
        return self.att.n_layers

    def matrix(self, layer: int) -> Float[np.ndarray, "query key"]:
        """Return A_l in float64."""
        n = self.n_tokens
        found = np.empty((n, n))
        for start, weights in layer_strips(self.att, layer, rows=max(1, 2**22 // (n * self.att.n_heads))):
            mixed = weights.mean(0, dtype=np.float64) if self.heads == "mean" else weights.max(0)
            found[start : start + len(mixed)] = mixed
        found *= 1 - self.residual
        found[np.diag_indices(n)] += self.residual
        return found

    def reach(self) -> list[Reach]:
        """Return for each layer which tokens of the input its tokens can come from."""
        return reach_of(self.att.layers, residual=self.residual > 0)


def make_chain(name: str, att: Attention, residual: float, heads: str) -> Chain:
    """Return the chain of a method.

    Raises:
        BadSelection: the attention has no layers that follow one another, `residual` is not from 0 to 1, or heads are
            joined in another way.
    """
    refusal = METHODS[name].refusal(att)
    if refusal:
        raise BadSelection(refusal)
    if not 0 <= residual <= 1:
        raise BadSelection(f"residual is the share of the residual stream, from 0 to 1, not {residual}: give 0.5.")
    if heads not in COMBINATIONS:
        raise BadSelection(
            f"Heads are joined as {' or '.join(COMBINATIONS)}, not as {heads[:40]!r}: give one of these."
        )
    return Chain(att, float(residual), heads)


def split_unknown(
    matrix: Float[np.ndarray, "query key"], unknown_below: Bool[np.ndarray, " query"]
) -> tuple[Float[np.ndarray, "query key"], Bool[np.ndarray, " query"]]:
    """Return a matrix with 0 in rows where anything is not finite, and which rows these are, or depend on such a row.

    A row that gives no weight to a row of NaN does not depend on it, although 0 times NaN is NaN.
    """
    unknown = ~np.isfinite(matrix).all(1)
    known = np.where(unknown[:, None], 0.0, matrix)
    return known, unknown | (known[:, unknown_below] > 0).any(1)
