"""Patterns that a head is forced into, within its mask, and the layer that shows them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.capture.devices import Copies
from models.capture.masks import Positions
from models.capture.replay import Replay
from models.capture.same_mask import SameMask

PATTERNS = ("uniform", "first", "previous", "self")


def pattern_weights(
    pattern: str, allowed: Bool[Tensor, "query key"], queries: Int[Tensor, " query"]
) -> Float[Tensor, "query key"]:
    """Return the weights of a forced pattern for the queries at some positions, in float32; each row sums to 1.

    "uniform" attends to all keys that a query may attend to, alike; "first" to the first of them; "previous" to the
    position before the query, and "self" to the query's own position. If the mask forbids that position, the query
    attends to the nearest key before it that it may attend to, and else to the first one. A query that may attend to no
    key attends to all alike, as in eager attention.
    """
    weights = allowed.float()
    blind = ~allowed.any(-1, keepdim=True)
    if pattern != "uniform":
        order = torch.arange(allowed.shape[1], device=allowed.device)
        wanted = {"first": torch.full_like(queries, -1), "previous": queries - 1, "self": queries}[pattern]
        before = torch.where(allowed & (order <= wanted[:, None]), order, -1).amax(-1)
        first = allowed.to(torch.uint8).argmax(-1)
        weights = (order == torch.where(before >= 0, before, first)[:, None]).float()
    weights = weights.masked_fill(blind, 1.0)
    return weights / weights.sum(-1, keepdim=True)


@dataclass(frozen=True)
class ForcedLayer(SameMask):
    """A layer of which some heads were forced: `patterns` has the number and the pattern of each of them.

    The weights of these heads are computed within the mask, those of the others replayed from `layer`.
    """

    layer: Replay
    patterns: tuple[tuple[int, str], ...]

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""
        return self._force(self.layer.rows(heads, queries), 0, heads, queries)

    def band(self, heads: slice, queries: Positions) -> tuple[Float[Tensor, "head query key"], int]:
        """Return the weights of the run of keys that these queries can see, and its first key; other weights are 0."""
        weights, low = self.layer.band(heads, queries)
        return self._force(weights, low, heads, queries), low

    def _force(self, weights: Tensor, low: int, heads: slice, queries: Positions) -> Tensor:
        places = {number: place for place, number in enumerate(range(self.shape[0])[heads])}
        for head, pattern in self.patterns:
            if head in places:
                forced = self.forced_rows(head, pattern, queries)
                weights[places[head]] = forced[:, low : low + weights.shape[2]]
        return weights

    def forced_rows(self, head: int, pattern: str, queries: Positions) -> Float[Tensor, "query key"]:
        """Return whole rows of weights of a head that is forced into a pattern."""
        device = self.layer.query.device
        places = torch.from_numpy(np.arange(self.shape[1])[queries].copy()).to(device)
        allowed = self.layer.allowed(slice(head, head + 1), queries)
        if allowed is None:
            allowed = torch.ones(1, len(places), self.shape[2], dtype=torch.bool, device=device)
        return pattern_weights(pattern, allowed[0], places)

    def part(self, n_query: int, n_key: int) -> ForcedLayer:
        """Return the first queries and keys alone, without the padding after them."""
        return replace(self, layer=self.layer.part(n_query, n_key))

    def cpu(self, copies: Copies) -> ForcedLayer:
        """Return a copy on the CPU; for `copies` see `Replay.to`."""
        return replace(self, layer=self.layer.cpu(copies))
