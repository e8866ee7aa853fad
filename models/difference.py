"""A layer made of two layers of the same shape: how far each weight moved, computed a strip at a time."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from models.capture.masks import Positions
from models.capture.replay import LayerLike
from models.capture.same_mask import SameMask


@dataclass(frozen=True, eq=False)
class DifferenceLayer(SameMask):
    """The absolute difference of the weights of `layer` and `other`; the mask is that of `layer`. NaN stays NaN."""

    layer: LayerLike
    other: LayerLike

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of differences in float32."""
        return (self.other.rows(heads, queries) - self.layer.rows(heads, queries)).abs()

    def band(self, heads: slice, queries: Positions) -> tuple[Float[Tensor, "head query key"], int]:
        """Return the differences of the run of keys that these queries can see, and its first key; others are 0."""
        (first, low), (second, other_low) = (each.band(heads, queries) for each in (self.layer, self.other))
        start = min(low, other_low)
        end = max(low + first.shape[2], other_low + second.shape[2])
        found = first.new_zeros(*first.shape[:2], end - start)
        found[..., low - start : low - start + first.shape[2]] = first
        found[..., other_low - start : other_low - start + second.shape[2]] -= second
        return found.abs(), start

    def reach(self, queries: Positions) -> int:
        """Return the length of the run of keys that these queries can see, or more."""
        return max(self.layer.reach(queries), self.other.reach(queries))
