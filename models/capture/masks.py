"""Masks as runs of keys: in nearly every mask, each query may attend to one run of keys.

That holds for causal masks, sliding windows, packed texts and padding. `Spans` keeps two numbers for each query instead
of one for each pair, so a block of weights costs only the keys that its queries can see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

Positions = slice | Sequence[int] | np.ndarray
# How many cells of a mask are checked together: 64 MB.
MASK_CELLS = 2**26


@dataclass(frozen=True)
class Spans:
    """A mask for all heads: query `q` may attend to the keys `first[q]` to `end[q] - 1`."""

    first: Int[Tensor, " query"]
    end: Int[Tensor, " query"]

    @classmethod
    def causal(cls, n_query: int, n_key: int, device: torch.device) -> Spans:
        """Return the mask of a decoder: a query may attend to the keys up to its own position."""
        order = torch.arange(n_query, device=device)
        return cls(torch.zeros_like(order), (order + 1).clamp(max=n_key))

    def __and__(self, other: Spans) -> Spans:
        first = torch.maximum(self.first, other.first)
        return Spans(first, torch.maximum(torch.minimum(self.end, other.end), first))

    def reach(self, queries: Positions, n_key: int) -> tuple[int, int]:
        """Return the first key that any of the queries may attend to, and one more than the last.

        A query that may attend to no key gets equal weights on all keys, as in eager attention, so it reaches all keys.
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
        """Return the mask of the first queries and keys, None if every pair may attend."""
        first, end = self.first[:n_query].clamp(max=n_key), self.end[:n_query].clamp(max=n_key)
        spans = Spans(first, end)
        return None if spans.n_pairs == n_query * n_key else spans

    @property
    def n_pairs(self) -> int:
        """How many pairs of positions may attend."""
        return int((self.end - self.first).sum())

    def blocks(self, high: int, wide: int, n_key: int) -> Bool[Tensor, "1 query_block key_block"]:
        """Return which blocks of `high` queries and `wide` keys contain a pair that may attend.

        No value is made for each pair, only for each block.
        """
        not_empty = self.end > self.first
        rows = torch.arange(len(self.first), device=self.first.device)[not_empty] // high
        # +1 in the first block of each run, -1 after its last block: the cumulative sum counts the runs in a block.
        # The dtype is explicit, because a default dtype of 16 bits counts only to 256.
        edges = torch.zeros(-(-len(self.first) // high), -(-n_key // wide) + 1, dtype=torch.float32, device=rows.device)
        one = torch.ones((), dtype=torch.float32, device=rows.device)
        edges.index_put_((rows, self.first[not_empty] // wide), one, accumulate=True)
        edges.index_put_((rows, (self.end[not_empty] - 1) // wide + 1), -one, accumulate=True)
        return (edges.cumsum(1)[:, :-1] > 0)[None]


def compact(mask: Tensor) -> Tensor | Spans | None:
    """Return a mask `[1 or head, query, key]`, boolean or additive, as `Spans` if possible, None if it allows all.

    A mask of another kind (different for each head, with holes, or with a bias in it) is returned unchanged.
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
            if not bool((allowed | is_forbidden(part)).all()):
                return mask
        first = allowed.contiguous().view(torch.uint8).argmax(-1)
        end = first + allowed.sum(-1)
        if not torch.equal((keys >= first[:, None]) & (keys < end[:, None]), allowed):
            return mask
        firsts.append(first)
        ends.append(end)
    spans = Spans(torch.cat(firsts), torch.cat(ends))
    return None if spans.n_pairs == mask[0].numel() else spans


def is_forbidden(additive: Tensor) -> Tensor:
    """Return where an additive mask forbids a pair: `-inf`, or the most negative number of its dtype."""
    return additive <= torch.finfo(additive.dtype).min / 2
