"""The base of layers whose weights are other ones than those of a layer, for the same pairs: they have its mask."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor

from models.capture.masks import Positions, Spans
from models.capture.replay import LayerLike


class SameMask:
    """Shape and mask of `layer`; a subclass has the weights."""

    layer: LayerLike

    @property
    def shape(self) -> tuple[int, int, int]:
        """n_heads, n_query, n_key."""
        return self.layer.shape

    @property
    def n_key_heads(self) -> int:
        """How many heads have keys of their own."""
        return self.layer.n_key_heads

    def reach(self, queries: Positions) -> int:
        """Return the length of the run of keys that these queries can see."""
        return self.layer.reach(queries)

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return the keys that each query may attend to, for each head or once for all; None if all of them."""
        return self.layer.allowed(heads, queries)

    def allowed_blocks(self, high: int, wide: int) -> Bool[Tensor, "head query_block key_block"] | None:
        """Return which blocks contain a pair that may attend, for each head or once for all; None: every block does."""
        return self.layer.allowed_blocks(high, wide)

    def spans(self) -> Spans | None:
        """Return the run of keys that each query may attend to, None if there is no mask or another kind of mask."""
        return self.layer.spans()
