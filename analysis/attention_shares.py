"""How much of a head's attention goes to special tokens and to the first token, the usual sinks."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from analysis.strips import ROWS, head_strips
from models import Attention
from models.arguments import checked


class Shares(NamedTuple):
    """Shares of a head's attention, 0 to 1: to all special keys and to the first key; NaN if a weight is NaN.

    Rows of which nothing goes to a key are left out.
    """

    special: float
    first: float


@checked
def shares(
    att: Attention, layer: int, head: int, *, without: Collection[int] | None = None, rows: int = ROWS
) -> Shares:
    """Return which part of its attention to keys a head gives to special keys and to the first key: means over queries.

    `without` are the queries that are not shown, by default those that `att` hides. The weights are read `rows` queries
    at a time. NaN if no query is shown.

    Raises:
        BadSelection: no such layer or head.
    """
    special = [position for position, token in enumerate(att.key_tokens) if token.special]
    hidden = np.array(sorted(att.hidden_queries if without is None else without), np.int64)
    totals, n_shown, whole = np.zeros(2), 0, True
    for start, weights in head_strips(att, layer, head, rows=rows):
        queries = slice(start, start + len(weights))
        weights = np.where(att.mask(layer, head, queries), weights, 0)
        given = weights.sum(1, dtype=np.float64)
        shown = ~np.isin(np.arange(start, start + len(weights)), hidden) & (given != 0)
        with np.errstate(invalid="ignore"):
            rows_shown = weights[shown].astype(np.float64) / given[shown, None]
        totals += rows_shown[:, special].sum(), rows_shown[:, :1].sum()
        whole = whole and not np.isnan(rows_shown).any()
        n_shown += int(shown.sum())
    return Shares(*(totals / n_shown).tolist()) if n_shown and whole else Shares(np.nan, np.nan)
