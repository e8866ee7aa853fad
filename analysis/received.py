"""What each key receives from all queries, in every head: sums from which any pair and any key can be judged at once.

A pair is compared with what the other queries give the same key, so every head has to be read to its last query. The
sums are made once, layer by layer, in strips of rows: at 8,192 tokens they take 0.2 MB for each head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from models import Attention

# How many weights are read at once: 8 MB.
STRIP_WEIGHTS = 2**21


@dataclass
class Received:
    """Sums over the queries that may attend to a key, `[layer, head, key]`, for a run of keys.

    Weights that are not finite are counted in `n_bad` and are in no sum. `largest` is the largest weight, `-inf` where
    there is none, and `giver` the query that gives it, the first of equal ones. `rest` is the sum of the other weights:
    without the largest in it, no digits of small weights are lost. `information` is the sum of w log2 w. `n_done`
    counts the layers that are read. Heads that a layer lacks have no queries.
    """

    keys: range
    n_queries: Int[np.ndarray, "layer head key"]
    n_bad: Int[np.ndarray, "layer head key"]
    largest: Float[np.ndarray, "layer head key"]
    giver: Int[np.ndarray, "layer head key"]
    rest: Float[np.ndarray, "layer head key"]
    information: Float[np.ndarray, "layer head key"]
    n_done: int = 0

    @classmethod
    def empty(cls, att: Attention, keys: range | None = None) -> Received:
        """Return sums of some keys, by default all, without any layer."""
        keys = range(att.n_key) if keys is None else keys
        shape = (att.n_layers, att.n_heads, len(keys))
        counts = [np.zeros(shape, np.int32) for _ in range(3)]
        return cls(
            keys,
            counts[0],
            counts[1],
            np.full(shape, -np.inf, np.float32),
            counts[2],
            np.zeros(shape, np.float64),
            np.zeros(shape, np.float64),
        )

    def fill(self, att: Attention) -> Received:
        """Read the layers that are missing."""
        keys = slice(self.keys.start, self.keys.stop)
        for layer in range(self.n_done, att.n_layers):
            n_heads = att.heads_in(layer)
            rows = max(1, STRIP_WEIGHTS // (n_heads * att.n_key))
            for start in range(0, att.n_query, rows):
                strip = slice(start, min(start + rows, att.n_query))
                allowed = np.stack([att.mask(layer, head, strip, keys) for head in range(n_heads)])
                self._add(layer, start, att.layer(layer, strip, keys), allowed)
            self.n_done = layer + 1
        return self

    def _add(
        self,
        layer: int,
        start: int,
        weights: Float[np.ndarray, "head query key"],
        allowed: Bool[np.ndarray, "head query key"],
    ) -> None:
        place = (layer, slice(0, len(weights)))
        finite = np.isfinite(weights) & allowed
        self.n_queries[place] += allowed.sum(1, dtype=np.int32)
        self.n_bad[place] += (allowed & ~finite).sum(1, dtype=np.int32)
        exact = np.where(finite, weights, 0).astype(np.float64)
        logarithm = np.log2(exact, where=exact > 0, out=np.zeros_like(exact))
        self.information[place] += np.einsum("hqk,hqk->hk", exact, logarithm)
        first = np.where(finite, weights, np.float32(-np.inf)).argmax(1, keepdims=True)
        there = np.take_along_axis(finite, first, 1)[:, 0]
        largest = np.where(there, np.take_along_axis(weights, first, 1)[:, 0], np.float32(-np.inf))
        np.put_along_axis(exact, first, 0, 1)
        known = self.largest[place]
        larger = largest > known
        smaller = np.where(larger, known, largest)
        self.rest[place] += exact.sum(1) + np.where(np.isfinite(smaller), smaller, 0)
        self.largest[place] = np.where(larger, largest, known)
        self.giver[place] = np.where(larger, first[:, 0] + start, self.giver[place])

    def others(
        self, query: int, key: int, weights: Float[np.ndarray, "layer head"], allowed: Bool[np.ndarray, "layer head"]
    ) -> Float[np.ndarray, "layer head"]:
        """Return the mean of what the queries other than `query` give to a key; NaN if one of them is not finite.

        `weights` and `allowed` are the weight and the mask of the pair in every head.
        """
        at = key - self.keys.start
        largest, rest, giver = self.largest[..., at].astype(np.float64), self.rest[..., at], self.giver[..., at]
        counted = allowed & np.isfinite(weights)
        n_others = self.n_queries[..., at] - allowed
        n_bad = self.n_bad[..., at] - (allowed & ~counted)
        with np.errstate(invalid="ignore"):
            without = rest + (np.where(np.isfinite(largest), largest, 0) - np.where(counted, weights, 0))
        total = np.where(counted & (giver == query), rest, without)
        return np.where((n_others > 0) & (n_bad == 0), total / np.maximum(n_others, 1), np.nan)

    def entropy(self, key: int) -> Float[np.ndarray, "layer head"]:
        """Return the entropy in bits of a key's column, normalised over the queries; NaN where it is not defined."""
        at = key - self.keys.start
        largest = self.largest[..., at].astype(np.float64)
        total = self.rest[..., at] + np.where(np.isfinite(largest), largest, 0)
        known = (total > 0) & (self.n_bad[..., at] == 0)
        total = np.where(known, total, 1)
        bits = np.log2(total) - self.information[..., at] / total
        return np.where(known, np.maximum(bits, 0), np.nan)
