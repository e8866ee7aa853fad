"""A layer made of a layer: weights times a number for each head and key, computed a strip at a time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from models.capture.masks import Positions
from models.capture.replay import LayerLike
from models.capture.same_mask import SameMask


@dataclass(frozen=True, eq=False)
class ScaledLayer(SameMask):
    """The weights of `layer` times `scale` `[head, key]`, if there is one; the mask stays.

    With `normalise` each row is divided by its sum; a row that sums to 0 stays 0. NaN stays NaN.
    """

    layer: LayerLike
    scale: Float[Tensor, "head key"] | None = None
    normalise: bool = False

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""
        return self._scale(self.layer.rows(heads, queries), 0, heads)

    def band(self, heads: slice, queries: Positions) -> tuple[Float[Tensor, "head query key"], int]:
        """Return the weights of the run of keys that these queries can see, and its first key; other weights are 0."""
        band, low = self.layer.band(heads, queries)
        return self._scale(band, low, heads), low

    def _scale(self, weights: Float[Tensor, "head query key"], low: int, heads: slice) -> Tensor:
        if self.scale is not None:
            weights = weights * self.scale[heads, None, low : low + weights.shape[2]]
        if self.normalise:
            total = weights.sum(2, keepdim=True)
            weights = torch.where(total == 0, weights, weights / total)
        return weights
