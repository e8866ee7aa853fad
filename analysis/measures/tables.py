"""One row of measures for each head of an attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from analysis.measures.chance import by_chance, first_by_chance
from analysis.measures.definitions import MEASURES, NUMBERS
from analysis.measures.patterns import label_patterns
from analysis.measures.positions import Positions
from analysis.measures.reading import STRIP_WEIGHTS, Progress, read_head, read_layers, reporting
from analysis.measures.stacked import StackedPositions, StackedStrip
from analysis.measures.sums import Means, average, average_texts
from models import Attention
from models.arguments import checked
from models.errors import BadArgument
from models.padded import PaddedAttention

# A head is a sink above this mean weight on the first token (Gu et al. 2024).
SINK_WEIGHT = 0.3


@checked
def head_table(att: Attention, *, progress: Progress | None = None) -> pd.DataFrame:
    """Return one row for each head, indexed by `layer, head`, with the columns of `MEASURES`.

    What is not defined is NaN, never 0: positions and patterns in cross attention, a share of tokens that the text does
    not have or a view hides, and everything of a head whose rows are all empty or are no distribution (a negative
    weight, a sum that differs from 1 by more than 0.01). So make a derived map with `normalise=True` first. Rows may
    sum to less than 1 where the rest goes to hidden tokens or to a model's own sink: the shares are then those of the
    whole, and entropy and distance those of the row divided by its sum. `sink` is a nullable boolean. The weights are
    read in strips, so that long texts take constant memory. `progress(done, total)` is called with the number of rows
    of all layers that are read.
    """
    positions = Positions.of(att)
    return _as_table(measure_heads(att, positions, progress), positions, heads_of(att))


@checked
def head_row(att: Attention, layer: int, head: int, *, rows: int | None = None) -> pd.Series:
    """Return the row of one head in `head_table`, without reading other heads; `rows` queries are read at a time.

    Raises:
        BadSelection: no such layer or head.
        BadArgument: strips of no row.
    """
    if rows is not None and rows < 1:
        raise BadArgument(f"Weights are read 1 row at a time or more, not {rows}: give another number of rows.")
    positions = Positions.of(att)
    found = average(positions, read_head(att, layer, head, rows), 1)
    return _as_table(found, positions, [(layer, head)]).iloc[0]


def heads_of(att: Attention | PaddedAttention) -> list[tuple[int, int]]:
    """Return layer and head of all heads, in the order of the tables."""
    return [(layer, head) for layer in range(att.n_layers) for head in range(att.heads_in(layer))]


def measure_heads(att: Attention, positions: Positions, progress: Progress | None = None) -> Means:
    """Return the means of all heads; the layers of a short text are read together."""
    n_together = max(1, STRIP_WEIGHTS // (att.n_heads * att.n_query * att.n_key))
    groups = [range(att.n_layers)[first : first + n_together] for first in range(0, att.n_layers, n_together)]
    total = att.n_layers * att.n_query
    found = []
    for layers in groups:
        strips = reporting(read_layers(att, layers), progress, layers.start * att.n_query, total, len(layers))
        found.append(average(positions, strips, sum(map(att.heads_in, layers))))
    return Means.join(found)


def measure_texts(padded: PaddedAttention) -> Iterator[tuple[Means, Positions]]:
    """Yield the means of all heads for each text of a batch, with its positions.

    The weights of short texts are computed together.
    """
    n_texts, n_query, n_key = padded.shape
    n_together = max(1, STRIP_WEIGHTS // (max(map(padded.heads_in, range(padded.n_layers))) * n_query * n_key))
    for first in range(0, n_texts, n_together):
        part = padded.part(slice(first, first + n_together))
        if part.is_joint:
            yield from _measure_joint(part)
        else:
            for att in map(part.attention, range(len(part))):
                positions = Positions.of(att)
                yield measure_heads(att, positions), positions


def _measure_joint(padded: PaddedAttention) -> Iterator[tuple[Means, Positions]]:
    sides = zip(padded.query_tokens, padded.key_tokens, strict=True)
    positions = [Positions.of_tokens(padded.kind, side) for side in sides]
    stacked = StackedPositions.of(positions, *padded.shape[1:])
    found = [
        average_texts(stacked, [StackedStrip(0, padded.weights(layer), padded.allowed(layer))], padded.heads_in(layer))
        for layer in range(padded.n_layers)
    ]
    yield from zip(map(Means.join, zip(*found, strict=True)), positions, strict=True)


def sinks_of(means: Means, positions: Positions) -> pd.arrays.BooleanArray:
    """Return whether heads are sinks (Gu et al. 2024); NA where uniform attention would be one too.

    The first query of a decoder sees one key, the second two: uniform attention gives the first token more than 0.3 of
    texts of up to 9 tokens.
    """
    known = ~np.isnan(means.first_of_64) & (first_by_chance(positions) <= SINK_WEIGHT)
    return pd.arrays.BooleanArray(means.first_of_64 > SINK_WEIGHT, ~known | positions.two_texts)


def _as_table(means: Means, positions: Positions, heads: Sequence[tuple[int, int]]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(heads, names=["layer", "head"])
    table = pd.DataFrame(means.numbers, index, list(NUMBERS))
    chance = by_chance(positions)
    patterns = label_patterns(table, vertical_by_chance=chance.vertical, diagonal_by_chance=chance.diagonal)
    return table.assign(sink=sinks_of(means, positions), pattern=patterns)[list(MEASURES)]
