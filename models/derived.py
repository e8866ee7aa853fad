"""Layers made of a layer: words, and hidden tokens, computed a strip at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from models.capture.masks import Positions, Spans
from models.capture.replay import ALL, LayerLike

# How many weights of pieces are computed at once: 16 MB.
STRIP_WEIGHTS = 2**22


@dataclass(frozen=True, eq=False)
class WordsLayer:
    """The weights of words: columns of a word's pieces are added, rows averaged; NaN stays NaN.

    `query_starts` and `key_starts` have the first piece of each word and, at the end, the number of pieces.
    """

    pieces: LayerLike
    query_starts: Int[np.ndarray, " query_ends"]
    key_starts: Int[np.ndarray, " key_ends"]

    @property
    def shape(self) -> tuple[int, int, int]:
        """n_heads, words that attend, words that are attended to."""
        return self.pieces.shape[0], len(self.query_starts) - 1, len(self.key_starts) - 1

    @property
    def n_key_heads(self) -> int:
        """How many heads have keys of their own."""
        return self.pieces.n_key_heads

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""
        band, low = self.band(heads, queries)
        n_after = self.shape[2] - low - band.shape[2]
        return torch.nn.functional.pad(band, (low, n_after)) if low or n_after else band

    def band(self, heads: slice, queries: Positions) -> tuple[Float[Tensor, "head query key"], int]:
        """Return the weights of the run of words that these words can see, and its first word; others are 0."""
        words = np.arange(self.shape[1])[queries]
        n_heads = len(range(self.shape[0])[heads])
        parts = []
        for places, pieces in self._strips(words, n_heads):
            band, first = self.pieces.band(heads, pieces)
            sums, low = self._add_columns(band, first)
            n_words = int(places[-1]) + 1 - int(places[0])
            if n_words < len(places):
                rows = sums.new_zeros((n_heads, n_words, sums.shape[2]))
                sums = rows.index_add_(1, torch.from_numpy(places - places[0]), sums)
            parts.append((int(places[0]), sums, low))
        if len(parts) == 1:
            _, total, low = parts[0]
        else:
            low = min((low for _, _, low in parts), default=0)
            high = max((low + sums.shape[2] for _, sums, low in parts), default=0)
            total = torch.zeros((n_heads, len(words), high - low), dtype=torch.float32, device="cpu")
            for place, sums, first in parts:  # the pieces of one word may be in two strips
                total[:, place : place + sums.shape[1], first - low : first - low + sums.shape[2]] += sums
        lengths = np.diff(self.query_starts)[words]
        if (lengths > 1).any():
            total = total / torch.from_numpy(lengths.astype(np.float32))[:, None]
        return total, low

    def reach(self, queries: Positions) -> int:
        """Return the length of the run of pieces that these words can see: no fewer than the words."""
        return self.pieces.reach(self._pieces_of(np.arange(self.shape[1])[queries])[1])

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return the words that each word may attend to: any of its pieces to any of theirs. None if all of them."""
        words = np.arange(self.shape[1])[queries]
        spans = self.spans()
        if spans is not None:
            return spans.allowed(words, 0, self.shape[2])
        found: Tensor | None = None
        for places, pieces in self._strips(words, len(range(self.shape[0])[heads])):
            allowed = self.pieces.allowed(heads, pieces)
            if allowed is None:
                return None
            if found is None:
                shape = (allowed.shape[0], len(words), self.shape[2])
                found = torch.zeros(shape, dtype=torch.bool, device="cpu")
            columns = self._add_columns(allowed.float(), 0)[0]
            counts = columns.new_zeros((len(columns), int(places[-1] - places[0]) + 1, columns.shape[2]))
            counts.index_add_(1, torch.from_numpy(places - places[0]), columns)
            found[:, places[0] : places[-1] + 1] |= counts > 0
        if found is None:  # no rows are asked for
            allowed = self.pieces.allowed(heads, words)
            return None if allowed is None else allowed.new_zeros((allowed.shape[0], 0, self.shape[2]))
        return found

    def allowed_blocks(self, high: int, wide: int) -> Bool[Tensor, "head query_block key_block"] | None:
        """Return which blocks of words contain a pair that may attend; None: every block does."""
        spans = self.spans()
        return spans.blocks(high, wide, self.shape[2]) if spans is not None else _blocks_of(self, high, wide)

    def spans(self) -> Spans | None:
        """Return the run of words that each word may attend to, None if it is not known that it is a run."""
        return self._spans

    @cached_property
    def _spans(self) -> Spans | None:
        spans = self.pieces.spans()
        if spans is None or not self.shape[1]:
            return None
        first, end = (each.cpu().numpy() for each in (spans.first, spans.end))
        starts = self.query_starts[:-1]
        apart = np.maximum(first[1:], first[:-1]) > np.minimum(end[1:], end[:-1])
        inside = np.ones(len(first), np.bool_)
        inside[starts] = False
        # The runs of a word's pieces are one run of words if each one touches the next.
        if (first >= end).any() or (apart & inside[1:]).any():
            return None
        first = self._key_words[np.minimum.reduceat(first, starts)]
        end = self._key_words[np.maximum.reduceat(end, starts) - 1] + 1
        return Spans(torch.from_numpy(first), torch.from_numpy(end))

    @cached_property
    def _key_words(self) -> Int[np.ndarray, " piece"]:
        """The word of each piece that is attended to."""
        return np.repeat(np.arange(self.shape[2]), np.diff(self.key_starts))

    def _pieces_of(self, words: Int[np.ndarray, " word"]) -> tuple[Int[np.ndarray, " piece"], Positions]:
        """Return the place in `words` of each of their pieces, and the pieces; a run of them is a slice."""
        starts, lengths = self.query_starts[words], np.diff(self.query_starts)[words]
        places = np.repeat(np.arange(len(words)), lengths)
        if len(words) and (np.diff(words) == 1).all():
            return places, slice(int(starts[0]), int(starts[0]) + len(places))
        before = np.cumsum(lengths) - lengths
        return places, np.arange(len(places)) - before[places] + starts[places]

    def _strips(self, words: Int[np.ndarray, " word"], n_heads: int) -> Iterator[tuple[np.ndarray, Positions]]:
        """Yield places in `words` and pieces, few enough for `STRIP_WEIGHTS`: a word may have thousands of pieces."""
        places, pieces = self._pieces_of(words)
        n_rows = max(1, STRIP_WEIGHTS // max(1, n_heads * self.pieces.shape[2]))
        for start in range(0, len(places), n_rows):
            stop = min(start + n_rows, len(places))
            some = slice(pieces.start + start, pieces.start + stop) if isinstance(pieces, slice) else pieces[start:stop]
            yield places[start:stop], some

    def _add_columns(self, band: Float[Tensor, "head query piece"], low: int) -> tuple[Tensor, int]:
        """Return the sums over the pieces of each word, and the first word; `low` is the first piece."""
        n_pieces = band.shape[2]
        if not n_pieces:
            return band, 0
        words = self._key_words[low : low + n_pieces]
        first, n_words = int(words[0]), int(words[-1] - words[0]) + 1
        if n_words == n_pieces:
            return band, first
        starts = np.maximum(self.key_starts[first : first + n_words] - low, 0)
        return torch.from_numpy(np.add.reduceat(band.numpy(), starts, axis=2)), first


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """A layer whose hidden queries and keys have rows and columns of 0, and are masked.

    With `renormalise` each row is divided by the sum of what is left; a row of which nothing is left stays 0.
    """

    shown: LayerLike
    hidden_queries: Bool[np.ndarray, " query"]
    hidden_keys: Bool[np.ndarray, " key"]
    renormalise: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """n_heads, n_query, n_key."""
        return self.shown.shape

    @property
    def n_key_heads(self) -> int:
        """How many heads have keys of their own."""
        return self.shown.n_key_heads

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""
        return self._hide(self.shown.rows(heads, queries), 0, queries)

    def band(self, heads: slice, queries: Positions) -> tuple[Float[Tensor, "head query key"], int]:
        """Return the weights of the run of keys that these queries can see, and its first key; other weights are 0."""
        band, low = self.shown.band(heads, queries)
        return self._hide(band, low, queries), low

    def _hide(self, weights: Float[Tensor, "head query key"], low: int, queries: Positions) -> Tensor:
        hidden = torch.from_numpy(self.hidden_keys[low : low + weights.shape[2]])
        weights = weights.masked_fill(hidden, 0)
        if self.renormalise:
            total = weights.sum(2, keepdim=True)
            # A hidden key stays 0, also where the sum is not a number.
            weights = torch.where((total == 0) | hidden, weights, weights / total)
        return weights.masked_fill_(torch.from_numpy(self.hidden_queries[queries])[:, None], 0)

    def reach(self, queries: Positions) -> int:
        """Return the length of the run of keys that these queries can see."""
        return self.shown.reach(queries)

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return the keys that each query may attend to, None if all of them."""
        shown = torch.from_numpy(~self.hidden_queries[queries][:, None] & ~self.hidden_keys)[None]
        allowed = self.shown.allowed(heads, queries)
        return shown if allowed is None else allowed.cpu() & shown

    def allowed_blocks(self, high: int, wide: int) -> Bool[Tensor, "head query_block key_block"] | None:
        """Return which blocks contain a pair that may attend; of a mask of runs, without a value for each pair."""
        spans = self.shown.spans()
        if spans is None:
            return _blocks_of(self, high, wide)
        # From the first shown key of a run to the last one. Between these, blocks of hidden keys alone are left out.
        first, end = (each.cpu().numpy() for each in (spans.first, spans.end))
        keys = np.flatnonzero(~self.hidden_keys)
        before, until = np.searchsorted(keys, first), np.searchsorted(keys, end)
        there = (before < until) & ~self.hidden_queries
        first = np.where(there, np.append(keys, 0)[before], 0)
        end = np.where(there, np.append(0, keys + 1)[until], 0)
        blocks = Spans(torch.from_numpy(first), torch.from_numpy(end)).blocks(high, wide, self.shape[2])
        blocks_with_keys = np.zeros(-(-self.shape[2] // wide), np.bool_)
        blocks_with_keys[keys // wide] = True
        return blocks & torch.from_numpy(blocks_with_keys)

    def spans(self) -> Spans | None:
        """Return None: hidden keys leave holes in a run."""
        return None


def _blocks_of(layer: WordsLayer | HiddenLayer, high: int, wide: int) -> Tensor | None:
    """Return which blocks contain a pair that may attend, from strips of the mask; None: every block does."""
    n_heads, n_query, n_key = layer.shape
    n_rows = max(1, STRIP_WEIGHTS // (n_heads * n_key) // high) * high
    found = []
    for start in range(0, n_query, n_rows):
        allowed = layer.allowed(ALL, slice(start, min(start + n_rows, n_query)))
        if allowed is None:
            return None
        rows = torch.stack([part.any(1) for part in allowed.split(high, dim=1)], dim=1)
        found.append(torch.stack([part.any(2) for part in rows.split(wide, dim=2)], dim=2))
    return torch.cat(found, dim=1)
