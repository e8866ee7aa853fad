"""A layer of one head whose rows a function computes, when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.capture.masks import Positions, Spans

# Returns the weights `[query, key]` of these queries.
ComputeRows = Callable[[Int[np.ndarray, " query"]], Float[np.ndarray, "query key"]]


@dataclass(frozen=True, eq=False)
class ComputedLayer:
    """One head: `compute` returns whole rows, and keeps what it must not compute twice.

    `mask` is a run of keys for each query, or True where a query may attend `[query, key]`; None: to all keys.
    """

    n_query: int
    n_key: int
    compute: ComputeRows
    mask: Spans | Bool[Tensor, "query key"] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """1, n_query, n_key."""
        return 1, self.n_query, self.n_key

    @property
    def n_key_heads(self) -> int:
        """1."""
        return 1

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""
        found = self.compute(np.arange(self.n_query)[queries]).astype(np.float32)
        return torch.from_numpy(found)[None][heads]

    def band(self, heads: slice, queries: Positions) -> tuple[Float[Tensor, "head query key"], int]:
        """Return whole rows, and their first key, 0."""
        return self.rows(heads, queries), 0

    def reach(self, queries: Positions) -> int:
        """Return the number of keys: rows are whole."""
        return self.n_key

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return the keys that each query may attend to, None if all of them."""
        if isinstance(self.mask, Spans):
            return self.mask.allowed(queries, 0, self.n_key)
        return None if self.mask is None else self.mask[queries][None]

    def allowed_blocks(self, high: int, wide: int) -> Bool[Tensor, "head query_block key_block"] | None:
        """Return which blocks contain a pair that may attend; None: every block does."""
        if isinstance(self.mask, Spans):
            return self.mask.blocks(high, wide, self.n_key)
        if self.mask is None:
            return None
        rows = torch.stack([part.any(0) for part in self.mask.split(high)])
        return torch.stack([part.any(1) for part in rows.split(wide, dim=1)], dim=1)[None]

    def spans(self) -> Spans | None:
        """Return the run of keys that each query may attend to, None if the mask is of another kind."""
        return self.mask if isinstance(self.mask, Spans) else None
