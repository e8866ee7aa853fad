"""What uniform attention would get: in a short text it looks like a sink or a pattern, so neither is said there."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from analysis.measures.positions import Positions

# Gu et al. (2024) average over the first 64 queries.
SINK_QUERIES = 64


class Chance(NamedTuple):
    """The shares of uniform attention: of the first token over the first 64 queries, and of the two directions."""

    first_of_64: float
    vertical: float
    diagonal: float


def by_chance(positions: Positions) -> Chance:
    """Return the shares of attention that is uniform over the keys that a query sees: all, or those up to itself."""
    seen = _count_seen(positions.n_query, positions.n_key, positions.causal)
    at_columns = np.zeros(positions.n_key)
    at_columns[[0, *positions.separators, *positions.punctuation]] = 1
    vertical = float((np.cumsum(at_columns)[seen - 1] / seen).mean())
    return Chance(first_by_chance(positions), vertical, _diagonal(positions.n_query, positions.n_key, positions.causal))


def first_by_chance(positions: Positions) -> float:
    """Return the share of the first token over the first 64 queries alone."""
    return _first(positions.n_query, positions.n_key, positions.causal)


# Many texts have the same lengths.
@lru_cache(1024)
def _first(n_query: int, n_key: int, causal: bool) -> float:
    return float((1 / _count_seen(n_query, n_key, causal))[:SINK_QUERIES].mean())


@lru_cache(1024)
def _diagonal(n_query: int, n_key: int, causal: bool) -> float:
    queries, seen = np.arange(n_query), _count_seen(n_query, n_key, causal)
    diagonal = 0.0
    for step in (-1, 0, 1):
        # As in the measures, only queries with such a position count.
        inside = (queries + step >= 0) & (queries + step < n_key)
        diagonal += float(((queries + step < seen) / seen)[inside].sum() / max(1, inside.sum()))
    return diagonal


def _count_seen(n_query: int, n_key: int, causal: bool) -> Int[np.ndarray, " query"]:
    """Return how many keys each query sees."""
    return np.minimum(np.arange(1, n_query + 1), n_key) if causal else np.full(n_query, n_key)
