"""One layer's weights, made again from what the model made them of, for the heads, queries and keys that are asked for.

`Replay` holds queries and keys, O(position), and computes weights, O(position^2), a block at a time. Masks in which
each query sees one run of keys (causal, sliding window, packed, padded: nearly all there are) are held as `Spans`,
and a block costs only the keys that its queries can see: a sliding window costs its band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Positions = slice | Sequence[int] | np.ndarray
ALL = slice(None)
# How many cells of a mask are looked at together: 64 MB of its bytes.
MASK_CELLS = 2**26


@dataclass(frozen=True)
class Spans:
    """A mask of all heads in which query `q` may attend to the keys from `first[q]` to `end[q]`, `end` left out."""

    first: Int[Tensor, " query"]
    end: Int[Tensor, " query"]

    @classmethod
    def causal(cls, n_query: int, n_key: int, device: torch.device) -> Spans:
        """Return the mask of a decoder: a query sees the keys up to its own position."""
        order = torch.arange(n_query, device=device)
        return cls(torch.zeros_like(order), (order + 1).clamp(max=n_key))

    def __and__(self, other: Spans) -> Spans:
        first = torch.maximum(self.first, other.first)
        return Spans(first, torch.maximum(torch.minimum(self.end, other.end), first))

    def reach(self, queries: Positions, n_key: int) -> tuple[int, int]:
        """Return the first key that any of the queries sees, and the end of the last.

        A query that sees nothing gets equal weights on all keys, as in eager attention, so it reaches all of them.
        """
        first, end = self.first[queries], self.end[queries]
        if not len(first) or bool((first == end).any()):
            return 0, n_key
        return int(first.min()), int(end.max())

    def allowed(self, queries: Positions, low: int, high: int) -> Bool[Tensor, "1 query key"]:
        """Return which of the keys from `low` to `high` each query may attend to."""
        keys = torch.arange(low, high, device=self.first.device)
        return ((keys >= self.first[queries][:, None]) & (keys < self.end[queries][:, None]))[None]

    def part(self, n_query: int, n_key: int) -> Spans | None:
        """Return the mask of the first queries and keys, None if it hides none of them."""
        first, end = self.first[:n_query].clamp(max=n_key), self.end[:n_query].clamp(max=n_key)
        spans = Spans(first, end)
        return None if spans.n_pairs == n_query * n_key else spans

    @property
    def n_pairs(self) -> int:
        """How many pairs of positions may have weight."""
        return int((self.end - self.first).sum())

    def blocks(self, high: int, wide: int, n_key: int) -> Bool[Tensor, "1 query_block key_block"]:
        """Return which blocks of `high` queries and `wide` keys have a pair that may attend, without making pairs."""
        seeing = self.end > self.first
        rows = torch.arange(len(self.first), device=self.first.device)[seeing] // high
        # Each run opens its first block and closes the one after its last; the sum counts the runs in a block.
        # Named, since a default dtype of half as many bits counts no further than 256.
        edges = torch.zeros(-(-len(self.first) // high), -(-n_key // wide) + 1, dtype=torch.float32, device=rows.device)
        one = torch.ones((), dtype=torch.float32, device=rows.device)
        edges.index_put_((rows, self.first[seeing] // wide), one, accumulate=True)
        edges.index_put_((rows, (self.end[seeing] - 1) // wide + 1), -one, accumulate=True)
        return (edges.cumsum(1)[:, :-1] > 0)[None]


def compact(mask: Tensor) -> Tensor | Spans | None:
    """Return a mask `[1 or head, query, key]`, boolean or additive, as `Spans` if it is one, None if it hides nothing.

    A mask that is neither (of each head its own, with holes, or with a bias in it) is returned as it is.
    """
    if mask.shape[0] != 1 or not mask.shape[2]:
        return mask
    n_key = mask.shape[2]
    keys = torch.arange(n_key, device=mask.device)
    firsts, ends = [], []
    for part in mask[0].split(max(1, MASK_CELLS // n_key)):
        allowed = part
        if part.dtype != torch.bool:
            allowed = part == 0
            if not bool((allowed | _forbidden(part)).all()):
                return mask
        first = allowed.contiguous().view(torch.uint8).argmax(-1)
        end = first + allowed.sum(-1)
        if not torch.equal((keys >= first[:, None]) & (keys < end[:, None]), allowed):
            return mask
        firsts.append(first)
        ends.append(end)
    spans = Spans(torch.cat(firsts), torch.cat(ends))
    return None if spans.n_pairs == mask[0].numel() else spans


def _forbidden(additive: Tensor) -> Tensor:
    return additive <= torch.finfo(additive.dtype).min / 2


@dataclass(frozen=True)
class Replay:
    """What one layer's weights depend on; weights = softmax(scaling * q k^T, softcap, + bias, masked).

    Shapes: `query` [n_heads, n_query, d_head]; `key` [n_kv_heads, n_key, d_head]; `mask` `Spans`, or boolean (True =
    may attend) or additive [1 or n_heads, n_query, n_key]; `bias` likewise; `sinks` [n_heads], extra logits that take
    attention mass without being a key.
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

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""
        band, low = self.band(heads, queries)
        n_key = self.shape[2]
        if band.shape[2] == n_key:
            return band
        return torch.nn.functional.pad(band, (low, n_key - low - band.shape[2]))

    def band(self, heads: slice, queries: Positions) -> tuple[Float[Tensor, "head query key"], int]:
        """Return the weights of the run of keys that these queries can see, and its first key; all others are 0."""
        spans = self._spans()
        low, high = (0, self.shape[2]) if spans is None else spans.reach(queries, self.shape[2])
        weights = self._scores(heads, queries, low, high)
        if self.sinks is not None:
            sinks = self.sinks[heads].float()[:, None, None].expand(-1, weights.shape[1], 1)
            return torch.cat([weights, sinks], dim=-1).softmax(-1)[..., :-1], low
        return weights.softmax(-1), low

    def reach(self, queries: Positions) -> int:
        """Return how many keys lie in the run that these queries can see."""
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
        for added in self._additive():
            scores = scores + _of_heads(added, heads)[:, queries, low:high].float()
        allowed = self._allowed(heads, queries, low, high)
        return scores if allowed is None else scores.masked_fill_(~allowed, torch.finfo(scores.dtype).min)

    def _additive(self) -> list[Tensor]:
        return [each for each in (self.bias, self.mask) if isinstance(each, Tensor) and each.dtype != torch.bool]

    def added(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"] | None:
        """Return what is added to the scaled scores, a bias or an additive mask, None where nothing is."""
        parts = [_of_heads(each, heads)[:, queries].float() for each in self._additive()]
        return sum(parts[1:], parts[0]) if parts else None

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return which key each query may attend to, None where it is all of them."""
        return self._allowed(heads, queries, 0, self.shape[2])

    def _allowed(self, heads: slice, queries: Positions, low: int, high: int) -> Bool[Tensor, "head query key"] | None:
        allowed = None
        if isinstance(self.mask, Tensor):
            part = _of_heads(self.mask, heads)[:, queries, low:high]
            allowed = part if part.dtype == torch.bool else ~_forbidden(part)
        spans = self._spans(of_tensor=True)
        if spans is not None:
            inside = spans.allowed(queries, low, high)
            allowed = inside if allowed is None else allowed & inside
        return allowed

    def _spans(self, *, of_tensor: bool = False) -> Spans | None:
        """Return the run of keys that each query sees, None where a mask of another kind may hide a whole run."""
        if isinstance(self.mask, Tensor) and not of_tensor:
            return None
        spans = self.mask if isinstance(self.mask, Spans) else None
        if self.causal:
            causal = Spans.causal(self.shape[1], self.shape[2], self.query.device)
            spans = causal if spans is None else spans & causal
        return spans

    def allowed_blocks(self, high: int, wide: int) -> Bool[Tensor, "head query_block key_block"] | None:
        """Return which blocks of pairs have one that may attend, of all heads (or 1 for all), None if all have one."""
        spans = self._spans()
        if spans is not None:
            return spans.blocks(high, wide, self.shape[2])
        if not isinstance(self.mask, Tensor):
            return None
        _, n_query, n_key = self.shape
        strip = max(1, MASK_CELLS // (self.mask.shape[0] * n_key) // high) * high
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

    def cpu(self) -> Replay:
        """Return the same on the CPU, so that a trace holds no accelerator memory."""
        if self.query.device.type == "cpu":
            return self
        moved: dict[str, Any] = {
            name: value.cpu() if isinstance(value, Tensor) else value for name, value in vars(self).items()
        }
        if isinstance(self.mask, Spans):
            moved["mask"] = Spans(self.mask.first.cpu(), self.mask.end.cpu())
        return Replay(**moved)


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

    def part(self, n_query: int, n_key: int) -> MaterialisedLayer:
        """Return the first queries and keys alone, without the padding after them."""
        return MaterialisedLayer(self.weights[:, :n_query, :n_key], self.causal)

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""
        return self.weights[heads][:, queries].float()

    def reach(self, queries: Positions) -> int:
        """Return the number of keys: weights that are held are looked at whole."""
        return self.shape[2]

    def band(self, heads: slice, queries: Positions) -> tuple[Float[Tensor, "head query key"], int]:
        """Return whole rows, and 0: the first key."""
        return self.rows(heads, queries), 0

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return which key each query may attend to, None where it is all of them."""
        if not self.causal:
            return None
        _, n_query, n_key = self.shape
        return Spans.causal(n_query, n_key, self.weights.device).allowed(queries, 0, n_key)

    def allowed_blocks(self, high: int, wide: int) -> Bool[Tensor, "head query_block key_block"] | None:
        """Return which blocks of pairs have one that may attend (1 for all heads), None if all have one."""
        if not self.causal:
            return None
        _, n_query, n_key = self.shape
        return Spans.causal(n_query, n_key, self.weights.device).blocks(high, wide, n_key)


Layer = Replay | MaterialisedLayer
