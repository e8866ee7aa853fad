"""One look at all heads, or at an even sample of their rows, from which the quick checks read their numbers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from models import Attention, AttentionTrace, Model

Progress = Callable[[int, int], None]
# How many weights a quick look reads: about 10 ms.
QUICK_WEIGHTS = 300_000
# A look at every row reads so many of them at a time.
ROWS_AT_ONCE = 256
# The share by which two weights differ that were computed from the same queries and keys. A matrix product rounds a
# head's columns by the place that they have in it: 6e-6 seen.
SAME_WEIGHT = 1e-4
_GOLDEN_RATIO = 1.618034  # its multiples fill the interval evenly, so that no pattern of attention has a sum of 0


@dataclass(frozen=True)
class LayerSurvey:
    """What was seen of one layer's heads, `[head]` unless it says otherwise.

    `n_nan`, `n_infinite` and `n_negative` count weights. `low_sum` and `high_sum` are the sums of rows without these
    that are furthest from 1. `evenness` is the mean over rows of the entropy divided by its maximum, the logarithm of
    the number of keys that the query may attend to: 1 if all get the same. `surest` is the mean over rows of the
    largest weight. Rows of which nothing goes to a key count in neither, and both are NaN if no row is left. `received`
    [head, key] is what a key gets, the mean over rows; `later` the largest weight on a key after the query; `exact`
    whether all rows have one weight that is not 0, although the query may attend to more keys. `twin` is the first head
    of the layer with the same weights, but for rounding; it is the head itself if no other has them.
    """

    n_nan: Int[np.ndarray, " head"]
    n_infinite: Int[np.ndarray, " head"]
    n_negative: Int[np.ndarray, " head"]
    low_sum: Float[np.ndarray, " head"]
    high_sum: Float[np.ndarray, " head"]
    evenness: Float[np.ndarray, " head"]
    surest: Float[np.ndarray, " head"]
    received: Float[np.ndarray, "head key"]
    later: Float[np.ndarray, " head"]
    exact: Bool[np.ndarray, " head"]
    twin: Int[np.ndarray, " head"]


@dataclass(frozen=True)
class Survey:
    """What was seen of one attention: `layers`, and how many of its rows of each head were read."""

    layers: tuple[LayerSurvey, ...]
    n_rows: int
    n_read: int

    @property
    def is_whole(self) -> bool:
        """Whether every row was read."""
        return self.n_read == self.n_rows

    def of_heads(self, name: str) -> Float[np.ndarray, " head"]:
        """Return one field of all heads, layer by layer."""
        return np.concatenate([vars(layer)[name] for layer in self.layers])


@dataclass(frozen=True)
class Look:
    """What the checks of one trace read: the trace, its model if there is one, and a survey of each kind."""

    trace: AttentionTrace
    model: Model | None
    surveys: Mapping[str, Survey]

    @classmethod
    def of(
        cls, trace: AttentionTrace, model: Model | None, *, every_row: bool = False, progress: Progress | None = None
    ) -> Look:
        """Look at a trace; `progress(done, total)` is called after each layer."""
        total, done = sum(trace[kind].n_layers for kind in trace), 0

        def count() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, total)

        surveys = {kind: survey(trace[kind], every_row=every_row, after_layer=count) for kind in trace}
        return cls(trace, model, surveys)


def survey(att: Attention, *, every_row: bool = False, after_layer: Callable[[], None] = lambda: None) -> Survey:
    """Look at the rows of all heads, at all of them or at about `QUICK_WEIGHTS` weights."""
    n_read = att.n_query if every_row else _count_quick_rows(att)
    rows = np.unique(np.linspace(0, att.n_query - 1, n_read).round().astype(np.int64))
    layers = []
    for layer in range(att.n_layers):
        parts = [_look(att, layer, rows[at : at + ROWS_AT_ONCE]) for at in range(0, len(rows), ROWS_AT_ONCE)]
        layers.append(_join(parts))
        after_layer()
    return Survey(tuple(layers), att.n_query, len(rows))


def _count_quick_rows(att: Attention) -> int:
    """Return how many rows of each head a quick look reads."""
    n_heads = sum(att.heads_in(layer) for layer in range(att.n_layers))
    return min(att.n_query, max(2, QUICK_WEIGHTS // (n_heads * att.n_key)))


def is_sampled(trace: AttentionTrace) -> bool:
    """Return whether a quick look reads some of the rows only."""
    return any(_count_quick_rows(trace[kind]) < trace[kind].n_query for kind in trace)


@dataclass(frozen=True)
class _Part:
    """Sums over some rows, from which `_join` makes means."""

    counts: Int[np.ndarray, "3 head"]
    low: Float[np.ndarray, " head"]
    high: Float[np.ndarray, " head"]
    evenness: Float[np.ndarray, " head"]
    surest: Float[np.ndarray, " head"]
    n_free: Int[np.ndarray, " head"]
    received: Float[np.ndarray, "head key"]
    n_rows: int
    later: Float[np.ndarray, " head"]
    exact: Bool[np.ndarray, " head"]
    twin: Int[np.ndarray, " head"]


def _look(att: Attention, layer: int, rows: Int[np.ndarray, " row"]) -> _Part:
    weights = att.layer(layer, queries=rows)
    finite = np.isfinite(weights)
    nan = np.isnan(weights)
    counts = np.stack([nan.sum((1, 2)), (~finite & ~nan).sum((1, 2)), (weights < 0).sum((1, 2))])
    sums = weights.sum(-1, dtype=np.float64)
    usual = finite.all(-1) & (weights >= 0).all(-1)
    ordered = np.where(usual, sums, 1.0)
    # Heads of a layer may have masks of their own; which keys the first one may see says how many others may.
    allowed = att.mask(layer, 0, queries=rows).sum(-1)
    free = allowed > 1
    clean = np.where(finite, weights, 0)[:, free].clip(min=0)
    totals = clean.sum(-1, dtype=np.float64)
    present = totals > 0
    bad = ~finite.all((1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = clean / totals[..., None]
        entropy = -np.where(clean > 0, shares * np.log(shares), 0).sum(-1, dtype=np.float64)
        evenness = np.where(bad, np.nan, np.where(present, entropy / np.log(allowed[free]), 0).sum(-1))
    largest = clean.max(-1)
    return _Part(
        counts,
        ordered.min(-1, initial=1.0),
        ordered.max(-1, initial=1.0),
        evenness,
        np.where(bad, np.nan, largest.sum(-1, dtype=np.float64)),
        present.sum(-1),
        weights.sum(1, dtype=np.float64),
        len(rows),
        _later(att, weights, rows),
        ((clean > 0).sum(-1) == 1).all(-1) & bool(free.any()) & ~bad,
        _find_twins(weights.reshape(len(weights), -1)),
    )


def _later(
    att: Attention, weights: Float[np.ndarray, "head row key"], rows: Int[np.ndarray, " row"]
) -> Float[np.ndarray, " head"]:
    """Return each head's largest weight on a key after the query, 0 for queries of another text."""
    if att.kind == "cross" or att.n_query != att.n_key:
        return np.zeros(len(weights))
    after = np.arange(att.n_key)[None] > rows[:, None]
    return np.where(after & np.isfinite(weights), weights, 0).max((1, 2)).astype(np.float64)


def _find_twins(weights: Float[np.ndarray, "head weight"]) -> Int[np.ndarray, " head"]:
    """Return for each head the first one with the same weights, but for rounding; a head with NaN has none.

    Heads are compared whose sums with signs are near each other, so that the time grows with the heads, not the pairs.
    """
    signs = np.where(np.arange(weights.shape[1]) * _GOLDEN_RATIO % 1 < 0.5, -1, 1).astype(np.float32)
    with np.errstate(invalid="ignore"):
        sums, apart = weights @ signs, SAME_WEIGHT * np.abs(weights).sum(1)
    twins = np.arange(len(weights))
    for head in range(1, len(weights)):
        for first in np.flatnonzero(np.abs(sums[:head] - sums[head]) <= apart[:head] + apart[head]):
            if twins[first] == first and np.allclose(weights[head], weights[first], rtol=SAME_WEIGHT, atol=0):
                twins[head] = first
                break
    return twins


def _first_of(places: Sequence[Hashable]) -> Int[np.ndarray, " head"]:
    """Return for each place of a twin in all parts the first head that has the same."""
    return np.array([places.index(place) for place in places], np.int64)


def _join(parts: list[_Part]) -> LayerSurvey:
    n_free, n_rows = np.sum([part.n_free for part in parts], 0), sum(part.n_rows for part in parts)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN if there is no such row
        evenness = np.sum([part.evenness for part in parts], 0) / n_free
        surest = np.sum([part.surest for part in parts], 0) / n_free
    n_nan, n_infinite, n_negative = np.sum([part.counts for part in parts], 0)
    return LayerSurvey(
        n_nan,
        n_infinite,
        n_negative,
        np.min([part.low for part in parts], 0),
        np.max([part.high for part in parts], 0),
        evenness,
        surest,
        np.sum([part.received for part in parts], 0) / n_rows,
        np.max([part.later for part in parts], 0),
        np.all([part.exact for part in parts], 0),
        _first_of(list(zip(*(part.twin.tolist() for part in parts), strict=True))),
    )


def name_heads(att: Attention, heads: list[tuple[int, int]], most: int = 4) -> str:
    """Return heads `(layer, head)` as a short list of their numbers in the model: `layer 2 head 5 and 7 more`."""
    numbers = [att.head_number(*place) for place in heads[:most]]
    shown = ", ".join(f"layer {layer} head {head}" for layer, head in numbers)
    return shown + (f" and {len(heads) - most:,} more" if len(heads) > most else "")
