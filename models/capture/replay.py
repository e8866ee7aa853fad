"""One layer's weights, computed again for the heads, queries and keys that a caller asks for.

`Replay` keeps queries and keys, O(position), and computes weights, O(position^2), a block at a time. Where the mask is
`Spans` (models/capture/masks.py), a block costs only the keys that its queries can see: a sliding window costs its
band. `MaterialisedLayer` keeps the weights themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.capture import masks
from models.capture.devices import Copies, copy_once, copy_to
from models.capture.masks import Positions, Spans, is_forbidden

ALL = slice(None)


@dataclass(frozen=True)
class Replay:
    """What one layer's weights depend on: weights = softmax(scaling * q k^T, softcap, + bias, masked).

    Shapes: `query` [n_heads, n_query, d_head]; `key` [n_kv_heads, n_key, d_head]; `mask` `Spans`, or boolean (True =
    may attend) or additive [1 or n_heads, n_query, n_key]; `bias` likewise; `sinks` [n_heads], one more logit for each
    head, whose share of the attention goes to no key.
    """

    query: Float[Tensor, "head query d_head"]
    key: Float[Tensor, "kv_head key d_head"]
    scaling: float
    mask: Tensor | Spans | None = None
    bias: Tensor | None = None
    causal: bool = False
    softcap: float | None = None
    sinks: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """n_heads, n_query, n_key."""
        return self.query.shape[0], self.query.shape[1], self.key.shape[1]

    @property
    def n_key_heads(self) -> int:
        """How many heads have keys of their own: with grouped queries, several heads share the keys of one."""
        return self.key.shape[0]

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""
        band, low = self.band(heads, queries)
        n_key = self.shape[2]
        if band.shape[2] == n_key:
            return band
        return torch.nn.functional.pad(band, (low, n_key - low - band.shape[2]))

    def band(self, heads: slice, queries: Positions) -> tuple[Float[Tensor, "head query key"], int]:
        """Return the weights of the run of keys that these queries can see, and its first key; other weights are 0."""
        spans = self._spans()
        low, high = (0, self.shape[2]) if spans is None else spans.reach(queries, self.shape[2])
        weights = self._scores(heads, queries, low, high)
        if self.sinks is not None:
            sinks = self.sinks[heads].float()[:, None, None].expand(-1, weights.shape[1], 1)
            return torch.cat([weights, sinks], dim=-1).softmax(-1)[..., :-1], low
        return weights.softmax(-1), low

    def reach(self, queries: Positions) -> int:
        """Return the length of the run of keys that these queries can see."""
        spans = self._spans()
        low, high = (0, self.shape[2]) if spans is None else spans.reach(queries, self.shape[2])
        return max(1, high - low)

    def scores(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return the scaled, masked scores in float32, the argument of the softmax."""
        return self._scores(heads, queries, 0, self.shape[2])

    def _scores(self, heads: slice, queries: Positions, low: int, high: int) -> Float[Tensor, "head query key"]:
        numbers = range(self.query.shape[0])[heads]
        group = self.query.shape[0] // self.key.shape[0]
        query = self.query[heads][:, queries].float()
        key = self.key[[number // group for number in numbers]] if group > 1 else self.key[heads]
        scores = (query @ key[:, low:high].float().transpose(-1, -2)).mul_(self.scaling)
        if self.softcap is not None:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        for added in self._additive_parts():
            scores = scores + _of_heads(added, heads)[:, queries, low:high].float()
        allowed = self._allowed(heads, queries, low, high)
        return scores if allowed is None else scores.masked_fill_(~allowed, torch.finfo(scores.dtype).min)

    def _additive_parts(self) -> list[Tensor]:
        return [each for each in (self.bias, self.mask) if isinstance(each, Tensor) and each.dtype != torch.bool]

    def added(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"] | None:
        """Return the bias and the additive mask in the scaled scores, None if there are none."""
        parts = [_of_heads(each, heads)[:, queries].float() for each in self._additive_parts()]
        return sum(parts[1:], parts[0]) if parts else None

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return the keys that each query may attend to, None if all of them."""
        return self._allowed(heads, queries, 0, self.shape[2])

    def _allowed(self, heads: slice, queries: Positions, low: int, high: int) -> Bool[Tensor, "head query key"] | None:
        allowed = None
        if isinstance(self.mask, Tensor):
            part = _of_heads(self.mask, heads)[:, queries, low:high]
            allowed = part if part.dtype == torch.bool else ~is_forbidden(part)
        spans = self._spans(beside_tensor=True)
        if spans is not None:
            in_run = spans.allowed(queries, low, high)
            allowed = in_run if allowed is None else allowed & in_run
        return allowed

    def _spans(self, *, beside_tensor: bool = False) -> Spans | None:
        """Return the run of keys that each query may attend to, None if there is none or a tensor masks other pairs.

        With `beside_tensor` also the run that applies in addition to a tensor mask.
        """
        if isinstance(self.mask, Tensor) and not beside_tensor:
            return None
        spans = self.mask if isinstance(self.mask, Spans) else None
        if self.causal:
            causal = Spans.causal(self.shape[1], self.shape[2], self.query.device)
            spans = causal if spans is None else spans & causal
        return spans

    def spans(self) -> Spans | None:
        """Return the run of keys that each query may attend to, None if there is no mask or another kind of mask."""
        return self._spans()

    def allowed_blocks(self, high: int, wide: int) -> Bool[Tensor, "head query_block key_block"] | None:
        """Return which blocks contain a pair that may attend, for each head or once for all; None: every block does."""
        spans = self._spans()
        if spans is not None:
            return spans.blocks(high, wide, self.shape[2])
        if not isinstance(self.mask, Tensor):
            return None
        _, n_query, n_key = self.shape
        strip = max(1, masks.MASK_CELLS // (self.mask.shape[0] * n_key) // high) * high
        found = []
        for start in range(0, n_query, strip):
            allowed = self.allowed(ALL, slice(start, min(start + strip, n_query)))
            assert allowed is not None
            rows = torch.stack([part.any(1) for part in allowed.split(high, dim=1)], dim=1)
            found.append(torch.stack([part.any(2) for part in rows.split(wide, dim=2)], dim=2))
        return torch.cat(found, dim=1)

    def part(self, n_query: int, n_key: int) -> Replay:
        """Return the first queries and keys alone, without the padding after them."""
        if (n_query, n_key) == self.shape[1:]:
            return self
        mask = self.mask
        if isinstance(mask, Spans):
            mask = mask.part(n_query, n_key)
        elif mask is not None:
            mask = mask[:, :n_query, :n_key]
        bias = None if self.bias is None else self.bias[:, :n_query, :n_key]
        return replace(self, query=self.query[:, :n_query], key=self.key[:, :n_key], mask=mask, bias=bias)

    def cpu(self, copies: Copies) -> Replay:
        """Return a copy on the CPU, so that a trace uses no accelerator memory; for `copies` see `to`."""
        return self.to(torch.device("cpu"), copies)

    def to(self, device: torch.device, copies: Copies) -> Replay:
        """Return a copy on a device.

        `copies` has the masks and biases that were copied before: layers that share one also share its copy.
        """
        if self.query.device == device:
            return self
        mask: Tensor | Spans | None = self.mask
        if isinstance(mask, Spans):
            mask = Spans(copy_once(mask.first, device, copies), copy_once(mask.end, device, copies))
        elif mask is not None:
            mask = copy_once(mask, device, copies)
        return replace(
            self,
            query=copy_to(self.query, device),
            key=copy_to(self.key, device),
            mask=mask,
            bias=None if self.bias is None else copy_once(self.bias, device, copies),
            sinks=None if self.sinks is None else copy_to(self.sinks, device),
        )


def _of_heads(tensor: Tensor, heads: slice) -> Tensor:
    return tensor if tensor.shape[0] == 1 else tensor[heads]


@dataclass(frozen=True)
class MaterialisedLayer:
    """One layer whose weights themselves were captured, `[head, query, key]`."""

    weights: Float[Tensor, "head query key"]
    causal: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """n_heads, n_query, n_key."""
        n_heads, n_query, n_key = self.weights.shape
        return n_heads, n_query, n_key

    @property
    def n_key_heads(self) -> int:
        """The number of heads: which of them share keys is not known."""
        return self.weights.shape[0]

    def part(self, n_query: int, n_key: int) -> MaterialisedLayer:
        """Return the first queries and keys alone, without the padding after them."""
        return MaterialisedLayer(self.weights[:, :n_query, :n_key], self.causal)

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""
        return self.weights[heads][:, queries].float()

    def reach(self, queries: Positions) -> int:
        """Return the number of keys: materialised weights are read whole."""
        return self.shape[2]

    def band(self, heads: slice, queries: Positions) -> tuple[Float[Tensor, "head query key"], int]:
        """Return whole rows, and their first key, 0."""
        return self.rows(heads, queries), 0

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return the keys that each query may attend to, None if all of them."""
        spans = self.spans()
        return None if spans is None else spans.allowed(queries, 0, self.shape[2])

    def spans(self) -> Spans | None:
        """Return the run of keys that each query may attend to, None if all of them."""
        return Spans.causal(*self.shape[1:], self.weights.device) if self.causal else None

    def allowed_blocks(self, high: int, wide: int) -> Bool[Tensor, "head query_block key_block"] | None:
        """Return which blocks contain a pair that may attend, once for all heads, None if every block does."""
        spans = self.spans()
        return None if spans is None else spans.blocks(high, wide, self.shape[2])


Layer = Replay | MaterialisedLayer


@runtime_checkable
class LayerLike(Protocol):
    """What an `Attention` reads a layer's weights from: a captured layer, or one made of it (models/derived.py)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """n_heads, n_query, n_key."""

    @property
    def n_key_heads(self) -> int:
        """How many heads have keys of their own."""

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""

    def band(self, heads: slice, queries: Positions) -> tuple[Float[Tensor, "head query key"], int]:
        """Return the weights of the run of keys that these queries can see, and its first key; other weights are 0."""

    def reach(self, queries: Positions) -> int:
        """Return the length of the run of keys that these queries can see, or more."""

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return the keys that each query may attend to, for each head or once for all; None if all of them."""

    def allowed_blocks(self, high: int, wide: int) -> Bool[Tensor, "head query_block key_block"] | None:
        """Return which blocks contain a pair that may attend, for each head or once for all; None: every block does."""

    def spans(self) -> Spans | None:
        """Return the run of keys that each query may attend to, None if the mask is of another kind."""
