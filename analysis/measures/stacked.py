"""Several texts at once, each padded to the longest: their weights, their masks and what their tokens say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from analysis.measures.positions import Positions

# Ids of padding, which are those of no token.
NO_QUERY, NO_KEY = -1, -2


class StackedStrip(NamedTuple):
    """Some rows of some heads of several texts; `allowed` says which pairs may attend; None: all."""

    start: int
    weights: Float[Tensor, "text head query key"]
    allowed: Bool[Tensor, "text head_or_1 query key"] | None

    def count_rows(
        self, totals: Float[Tensor, "text head query"], hidden: Bool[Tensor, "text all_queries"]
    ) -> Bool[Tensor, "text head query"]:
        """Return which rows count, as `analysis.measures.reading.Strip.count_rows`."""
        counted = (totals != 0) & ~hidden[:, None, self.start : self.start + totals.shape[2]]
        return counted if self.allowed is None else counted & self.allowed.any(-1)


@dataclass(frozen=True, eq=False)
class StackedPositions:
    """The `Positions` of several texts. Padding is hidden, and no key of it is there.

    `first`, `separators` and `punctuation` say which keys are these; `hides` where a view hides keys, `there` which
    keys are neither hidden nor padding; `repeats` is True if a token of any text comes twice.
    """

    first: Bool[Tensor, "text key"]
    separators: Bool[Tensor, "text key"]
    punctuation: Bool[Tensor, "text key"]
    query_ids: Int[Tensor, "text query"]
    key_ids: Int[Tensor, "text key"]
    hidden: Bool[Tensor, "text query"]
    there: Bool[Tensor, "text key"]
    hides: Bool[Tensor, " text"]
    partial: Bool[Tensor, " text"]
    two_texts: bool
    repeats: bool

    @classmethod
    def of(cls, texts: Sequence[Positions], n_query: int | None = None, n_key: int | None = None) -> StackedPositions:
        """Return the positions of texts of one kind, padded to a number of queries and keys."""
        n_query = n_query or max(one.n_query for one in texts)
        n_key = n_key or max(one.n_key for one in texts)
        marks = np.zeros((4, len(texts), n_key), bool)
        query_ids, key_ids = np.full((len(texts), n_query), NO_QUERY), np.full((len(texts), n_key), NO_KEY)
        hidden = np.ones((len(texts), n_query), bool)
        for row, one in enumerate(texts):
            marks[0, row, 0] = not one.hidden_keys[0]
            marks[1, row, one.separators] = True
            marks[2, row, one.punctuation] = True
            marks[3, row, : one.n_key] = ~one.hidden_keys
            query_ids[row, : one.n_query], key_ids[row, : one.n_key] = one.query_ids, one.key_ids
            hidden[row, : one.n_query] = one.hidden
        first, separators, punctuation, there = torch.from_numpy(marks)
        return cls(
            first,
            separators,
            punctuation,
            torch.from_numpy(query_ids),
            torch.from_numpy(key_ids),
            torch.from_numpy(hidden),
            there,
            torch.tensor([bool(one.hidden_keys.any()) for one in texts], device="cpu"),
            torch.tensor([one.partial for one in texts], device="cpu"),
            texts[0].two_texts,
            any(one.repeats for one in texts),
        )

    @property
    def n_texts(self) -> int:
        """How many texts there are."""
        return len(self.key_ids)

    @property
    def n_key(self) -> int:
        """The number of keys with padding."""
        return self.key_ids.shape[1]

    def of_one_text(self, found: Float[Tensor, "text head"]) -> Float[Tensor, "text head"]:
        """Return what was found of distances between positions, NaN if queries and keys are of different texts."""
        return torch.full_like(found, torch.nan) if self.two_texts else found

    def distances(self, start: int, stop: int) -> Float[Tensor, "query key"]:
        """Return how far each key is from each query of a strip, in tokens."""
        queries, keys = torch.arange(start, stop, device="cpu"), torch.arange(self.n_key, device="cpu")
        return (queries[:, None] - keys).abs().double()

    def same(self, start: int, stop: int) -> Bool[Tensor, "text query key"]:
        """Return True where another position of the text has the query's token."""
        found = self.query_ids[:, start:stop, None] == self.key_ids[:, None]
        found.diagonal(start, -2, -1).fill_(False)
        return found
