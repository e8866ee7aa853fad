"""Measures of heads over many texts: mean and spread, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import IOBase
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis.measures.chance import by_chance
from analysis.measures.definitions import NUMBERS
from analysis.measures.positions import Positions
from analysis.measures.sums import Means
from analysis.measures.tables import heads_of, measure_texts, sinks_of
from models import Attention, Model
from models.arguments import checked
from models.errors import BadArgument, HeadlightError
from models.padded import PaddedAttention
from models.request import MAX_BATCH

# So many batches are sorted by length together, so that texts of a batch need little padding.
WINDOW = 16
# A batch has fewer texts if they are long.
BATCH_CHARACTERS = 50_000
MEASURED = (*NUMBERS, "sink")


@dataclass
class Spread:
    """Welford's sums: of each value how often it was a number, its mean, and the sum of its squared deviations."""

    n: Float[np.ndarray, "head measure"]
    mean: Float[np.ndarray, "head measure"]
    squares: Float[np.ndarray, "head measure"]

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Spread:
        """Return the sums of no values."""
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(shape))

    def add(self, values: Float[np.ndarray, "head measure"]) -> None:
        """Add the values of one text; NaN counts in nothing."""
        known = ~np.isnan(values)
        self.n += known
        apart = np.where(known, values - self.mean, 0)
        self.mean += apart / np.maximum(self.n, 1)
        self.squares += np.where(known, apart * (values - self.mean), 0)

    def parts(self) -> dict[str, Float[np.ndarray, "head measure"]]:
        """Return the mean, the standard deviation between texts (divided by n - 1) and n; NaN without enough texts."""
        with np.errstate(invalid="ignore", divide="ignore"):
            deviation = np.sqrt(np.where(self.n > 1, self.squares / (self.n - 1), np.nan))
        return {"mean": np.where(self.n > 0, self.mean, np.nan), "spread": deviation, "n": self.n}


@dataclass
class TextSums:
    """The measures of several texts as sums: of all heads, and of the shares of uniform attention, by chance."""

    heads: list[tuple[int, int]]
    spread: Spread
    chance: Float[np.ndarray, 2]
    n_texts: int = 0

    @classmethod
    def empty(cls, att: Attention | PaddedAttention) -> TextSums:
        """Return the sums of no text, for the heads of an attention."""
        heads = heads_of(att)
        return cls(heads, Spread.empty((len(heads), len(MEASURED))), np.zeros(2))

    def add(self, means: Means, positions: Positions) -> None:
        """Add the measures of one text."""
        sinks = sinks_of(means, positions).to_numpy(np.float64, na_value=np.nan)
        self.spread.add(np.column_stack([means.numbers, sinks]))
        chance = by_chance(positions)
        self.chance += (chance.vertical, chance.diagonal)
        self.n_texts += 1

    def table(self) -> pd.DataFrame:
        """Return the table of `head_table_of_texts`."""
        parts = self.spread.parts()
        columns = pd.MultiIndex.from_product([MEASURED, parts], names=["measure", "part"])
        values = np.stack(list(parts.values()), axis=-1).reshape(len(self.heads), -1)
        table = pd.DataFrame(values, pd.MultiIndex.from_tuples(self.heads, names=["layer", "head"]), columns)
        vertical, diagonal = map(float, self.chance / self.n_texts)
        table.attrs.update(vertical_by_chance=vertical, diagonal_by_chance=diagonal)
        return table


@checked
def head_table_of_texts(
    model: Model,
    texts: Iterable[str | Sequence[str] | Sequence[int]],
    *,
    kind: str = "",
    batch: int = 32,
    progress: Callable[[int], object] | None = None,
) -> pd.DataFrame:
    """Return mean and spread of the measures over texts, indexed by `layer, head`; columns `(measure, part)`.

    `part` is "mean", "spread", the standard deviation between texts, or "n", the number of texts in which the measure
    is defined: a text in which it is NaN counts in none. The mean of `sink` is the share of texts in which the head is
    one. `attrs` has `vertical_by_chance` and `diagonal_by_chance`, means over the texts, for `label_patterns`.

    `kind` is by default the model's first. `texts` may be a generator, of which 16 batches are read at a time.
    `progress(done)` is called after each batch with the number of texts that are done.

    Raises:
        BadArgument: there is no text, or `texts` is one text.
        BadSelection: the model has no attention of that kind.
        HeadlightError: a text cannot be read; the sentence says which.
    """
    if isinstance(texts, str | IOBase):
        raise BadArgument("Measures of several texts take a list of texts, not one text or a file: give [text].")
    if not 1 <= batch <= MAX_BATCH:
        raise BadArgument(f"A batch has 1 to {MAX_BATCH} texts, not {batch}.")
    kind = model.card.kind(kind)
    sums: TextSums | None = None
    done = 0
    for numbered in in_batches(texts, batch):
        for padded in _attend(model, numbered, kind):
            sums = sums or TextSums.empty(padded)
            for means, positions in measure_texts(padded):
                sums.add(means, positions)
            del padded  # so that its queries and keys are free during the next pass
        done += len(numbered)
        if progress is not None:
            progress(done)
    if sums is None:
        raise BadArgument("There is no text to measure: give at least one.")
    return sums.table()


def in_batches(texts: Iterable[Any], batch: int) -> Iterator[list[tuple[int, Any]]]:
    """Yield texts with their numbers in batches of similar lengths."""
    numbered = enumerate(texts)
    while window := list(islice(numbered, WINDOW * batch)):
        for number, text in window:
            if not isinstance(text, Sequence):
                raise BadArgument(f"Text {number} is of the type {type(text).__name__}: give a text, words or ids.")
        window.sort(key=lambda one: len(one[1]))
        while window:
            longest = max(1, len(window[-1][1]))
            n_together = min(batch, max(1, BATCH_CHARACTERS // longest))
            yield window[-n_together:]
            del window[-n_together:]


def _attend(model: Model, numbered: Sequence[tuple[int, Any]], kind: str) -> Iterator[PaddedAttention]:
    try:
        padded = model.attend_batch([text for _, text in numbered], kind)
    except HeadlightError as error:
        if len(numbered) == 1:
            raise type(error)(f"Text {numbered[0][0]}: {error}") from error
    else:
        yield padded
        return
    # One at a time, to say which text it is, or because all of them together take too much memory.
    for one in numbered:
        yield from _attend(model, [one], kind)
