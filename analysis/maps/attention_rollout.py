"""Attention rollout: the products of the layers, down to the input (Abnar and Zuidema 2020, arXiv:2005.00928)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int

from analysis.maps.chain import Chain, make_chain, split_unknown
from analysis.maps.cost import admit
from analysis.maps.locked import Locked
from analysis.maps.methods import METHODS
from analysis.maps.notices import describe_sums
from models import Attention
from models.arguments import checked
from models.capture.cost import Budget
from models.computed import ComputedLayer


@checked
def rollout(att: Attention, residual: float = 0.5, heads: str = "mean", *, budget: Budget | None = None) -> Attention:
    """Return one head for each layer: `weights(layer, 0)` goes from that layer's tokens down to the input.

    It is the product of the matrices A_l = residual I + (1 - residual) W_l of the layers, from the first one, where W_l
    is the "mean" or the "maximum" of the heads. A layer is computed in float64 when somebody asks for it, and kept in
    float32. A row that is not a number, or depends on such a row, is NaN.

    Raises:
        BadSelection: the queries are of another text than the keys, it is a view or another map, or an argument is
            wrong.
        NotEnoughMemory: the matrices of all layers would not fit; the sentence has the estimate.
    """
    chain = make_chain("rollout", att, residual, heads)
    method = METHODS["rollout"]
    admit(method.title, method.estimate(att), method.remedy, budget or Budget(seconds=math.inf))
    products = Products(chain)
    n = chain.n_tokens
    layers = [ComputedLayer(n, n, partial(products.rows, layer), reach) for layer, reach in enumerate(chain.reach())]
    return att.derived(layers, "rollout", (*att.notices, *describe_sums(att, heads)))


@dataclass
class Products(Locked):
    """The products of the layers, each computed once, from the first one."""

    chain: Chain
    _kept: list[Float[np.ndarray, "query key"]] = field(default_factory=list)
    _last: Float[np.ndarray, "query key"] | None = None
    _unknown: Bool[np.ndarray, " query"] | None = None

    def rows(self, layer: int, queries: Int[np.ndarray, " query"]) -> Float[np.ndarray, "query key"]:
        """Return rows of the product of the layers up to this one."""
        with self.lock:
            while len(self._kept) <= layer:
                self._multiply()
        return self._kept[layer][queries]

    def _multiply(self) -> None:
        n = self.chain.n_tokens
        unknown = np.zeros(n, np.bool_) if self._unknown is None else self._unknown
        matrix, unknown = split_unknown(self.chain.matrix(len(self._kept)), unknown)
        product = matrix if self._last is None else matrix @ self._last
        kept = product.astype(np.float32)
        kept[unknown] = np.nan
        self._last, self._unknown = product, unknown
        if len(self._kept) + 1 == self.chain.n_layers:
            self._last = None
        self._kept.append(kept)
