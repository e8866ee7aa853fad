"""A layer whose weights are multiplied by their gradients: it has the mask of the layer that it is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.capture.masks import Positions, Spans
from models.capture.replay import MaterialisedLayer, Replay


@dataclass(frozen=True)
class GradientLayer(MaterialisedLayer):
    """Weights `[head, query, key]` on the CPU, and the layer without queries and keys that says which are masked."""

    masked: Replay | None = None

    @classmethod
    def of(cls, weights: Float[Tensor, "1 head query key"], layer: Replay) -> GradientLayer:
        """Return the layer of weights that a pass has computed; on the CPU it shares their memory."""
        return cls(weights.detach()[0].cpu(), _is_causal(layer), _without_states(layer))

    def multiply(self, gradient: Float[Tensor, "1 head query key"] | None) -> None:
        """Multiply the weights by their gradients, and set negative products to 0; without a gradient, all."""
        if gradient is None:
            self.weights.zero_()
        else:
            self.weights.mul_(gradient[0].to(self.weights.device)).clamp_(min=0).add_(0.0)  # which makes -0.0 a plain 0

    def part(self, n_query: int, n_key: int) -> GradientLayer:
        """Return the first queries and keys alone; they share the memory of the weights."""
        assert self.masked is not None
        found = super().part(n_query, n_key)
        return GradientLayer(found.weights, self.causal, self.masked.part(n_query, n_key))

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return the keys that each query may attend to, None if all of them."""
        assert self.masked is not None
        return self.masked.allowed(heads, queries)

    def spans(self) -> Spans | None:
        """Return the run of keys that each query may attend to, None if there is no mask or another kind of mask."""
        assert self.masked is not None
        return self.masked.spans()

    def allowed_blocks(self, high: int, wide: int) -> Bool[Tensor, "head query_block key_block"] | None:
        """Return which blocks contain a pair that may attend, for each head or once for all; None: every block does."""
        assert self.masked is not None
        return self.masked.allowed_blocks(high, wide)


def _without_states(layer: Replay) -> Replay:
    """Return a layer of the same shape and mask whose queries and keys have no dimensions."""
    empty = (torch.empty_like(states[..., :0]) for states in (layer.query.detach(), layer.key.detach()))
    query, key = empty
    return replace(layer, query=query, key=key, bias=None, sinks=None)


def _is_causal(layer: Replay) -> bool:
    """Return whether the mask is that of a decoder, which a file of the weights keeps."""
    spans, (_, n_query, n_key) = layer.spans(), layer.shape
    if spans is None or n_query < 2:
        return False
    causal = Spans.causal(n_query, n_key, spans.end.device)
    return torch.equal(spans.first, causal.first) and torch.equal(spans.end, causal.end)
