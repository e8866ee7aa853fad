"""The sums over queries that all measures are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from analysis.measures.chance import SINK_QUERIES
from analysis.measures.definitions import NUMBERS
from analysis.measures.positions import Positions
from analysis.measures.reading import Strip
from analysis.measures.stacked import StackedPositions, StackedStrip

# A row whose sum is further from 1 is no distribution. Rows of half precision sum to 1 to 0.004.
OFF = 0.01
# The sum over the rows of a strip and the number of these rows, of each text and head.
Sum = tuple[Float[Tensor, "text head"], Float[Tensor, "text head"]]


@dataclass(frozen=True)
class Means:
    """The numbers of some heads, `[head, NUMBERS]`, and the mean weight on the first key over the first 64 queries."""

    numbers: Float[np.ndarray, "head number"]
    first_of_64: Float[np.ndarray, " head"]

    @classmethod
    def join(cls, parts: Sequence[Means]) -> Means:
        """Return the means of all heads of some parts."""
        return cls(np.concatenate([one.numbers for one in parts]), np.concatenate([one.first_of_64 for one in parts]))


def average(positions: Positions, strips: Iterable[Strip], n_heads: int) -> Means:
    """Return the means over the queries that count: those that are not hidden and whose rows are not empty."""
    return average_texts(StackedPositions.of([positions]), (strip.stacked() for strip in strips), n_heads)[0]


def average_texts(positions: StackedPositions, strips: Iterable[StackedStrip], n_heads: int) -> list[Means]:
    """Return the means of each text, computed with the precision of the weights in the strips, and added in float64."""
    shape = (len(NUMBERS) + 1, positions.n_texts, n_heads)
    sums, counts = (torch.zeros(shape, dtype=torch.float64, device="cpu") for _ in range(2))
    broken = torch.zeros(shape[1:], dtype=torch.bool, device="cpu")
    for strip in strips:
        exact = strip.weights
        totals = exact @ _ones(exact, -1)  # a product is several times as fast as a sum over short rows
        counted = strip.count_rows(totals, positions.hidden)
        if not counted.all():
            exact, totals = exact.where(counted[..., None], 0), totals.where(counted, 0)
        few = counted & (totals < 1 - OFF)
        broken |= (totals > 1 + OFF).any(-1) | (exact.amin((-1, -2)) < 0)
        broken |= few.any(-1) & ~positions.partial[:, None]
        # Which rows are divided must not depend on the strip that they are read in.
        divided = few | positions.hides[:, None, None]
        whole = totals.where(divided & (totals != 0), 1) if divided.any() else None
        for number, (total, n_rows) in enumerate(_sum_strip(strip, exact, counted, positions, whole)):
            sums[number] += total
            counts[number] += n_rows
    means = (sums / counts).masked_fill_(broken, torch.nan).permute(1, 2, 0).numpy()
    return [Means(of_text[:, :-1], of_text[:, -1]) for of_text in means]


def _sum_strip(
    strip: StackedStrip,
    exact: Float[Tensor, "text head query key"],
    counted: Bool[Tensor, "text head query"],
    positions: StackedPositions,
    totals: Float[Tensor, "text head query"] | None,
) -> Iterator[Sum]:
    """Yield the sums of `NUMBERS`, in their order, and that of the first key over the first 64 queries.

    Entropy and distance are those of rows that are divided by `totals`, None if all of them are 1.
    """
    start, stop = strip.start, strip.start + exact.shape[2]
    n_rows, columns = counted.sum(-1), _ones(exact, -2) @ exact
    shares = exact if totals is None else exact / totals[..., None]
    # The logarithm of 0 is never needed: 0 times it is 0.
    products = shares.clamp_min(torch.finfo(shares.dtype).tiny).log2_().mul_(shares)
    yield -(products @ _ones(products, -1)).sum(-1, dtype=torch.float64), n_rows
    distances = shares.flatten(2) @ positions.distances(start, stop).flatten().to(shares.dtype)
    yield positions.of_one_text(distances), n_rows
    yield exact.amax(-1).sum(-1, dtype=torch.float64), n_rows
    for keys in (positions.first, positions.separators, positions.punctuation):
        found = columns.where(keys[:, None], 0).sum(-1, dtype=torch.float64)
        yield found.where(keys.any(-1)[:, None], torch.nan), n_rows
    for step in (-1, 1, 0):
        total, n_reaching = _sum_diagonal(exact, start, step, counted, positions.there)
        yield positions.of_one_text(total), n_reaching
    if positions.repeats:
        same = positions.same(start, stop)
        reached = (same[:, None] if strip.allowed is None else same[:, None] & strip.allowed).any(-1) & counted
        to_same = (exact * same[:, None]).flatten(2)  # an einsum of both takes four times as long
        found = to_same @ _ones(to_same, -1)
        yield found, reached.sum(-1)
    else:
        yield torch.zeros_like(distances), torch.zeros_like(n_rows)
    n_sink = max(0, SINK_QUERIES - start)
    first = exact[:, :, :n_sink, 0].sum(-1, dtype=torch.float64)
    yield first.where(positions.first.any(-1)[:, None], torch.nan), counted[:, :, :n_sink].sum(-1)


def _ones(like: Tensor, axis: int) -> Float[Tensor, " n"]:
    """Return as many ones as an axis is long."""
    return like.new_ones(like.shape[axis])


def _sum_diagonal(
    exact: Float[Tensor, "text head query key"],
    start: int,
    step: int,
    counted: Bool[Tensor, "text head query"],
    there: Bool[Tensor, "text key"],
) -> Sum:
    """Return the sum of the weights from each query to the position `step` after it, where there is one."""
    _, _, n_query, n_key = exact.shape
    first, last = max(0, -start - step), min(n_query, n_key - start - step)
    if first >= last:
        return exact.new_zeros(exact.shape[:2]), counted.new_zeros(exact.shape[:2], dtype=torch.long)
    rows = there[:, None, first + start + step : last + start + step]
    weights = exact.diagonal(start + step, -2, -1).where(rows, 0)
    return weights.sum(-1, dtype=torch.float64), (counted[:, :, first:last] & rows).sum(-1)
