"""A noisy periodic signal, to be continued: the truth is the same phase of the earlier periods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import PreTrainedModel

from models.networks import ScratchEncoder, ScratchEncoderConfig
from models.tasks.settings import Settings
from models.tasks.task import SPECIAL, Batch, Solution, Task, framed

UNSEEN = "?"
TOP = 99
PERIODS = range(5, 13)
# The noise's standard deviation, in the signal's units of 0 to 99.
NOISE = 4.0
_SHORTEST, _LONGEST, _MOST_UNSEEN = 32, 44, 12


class Series(Task):
    """Say what the signal would be without its noise, at each place that is not given."""

    def text(self, random: Random) -> str:
        """Return 32 to 44 numbers of a signal and 4 to 12 places to be continued."""
        return self._drawn(random)[0]

    def _drawn(self, random: Random) -> tuple[str, list[float], int]:
        """Return a text, the signal without noise and its period."""
        period, n_given = random.choice(PERIODS), random.randint(_SHORTEST, _LONGEST)
        n_unseen = random.randint(4, _MOST_UNSEEN)
        waves = [(random.gauss(0, 1) / harmonic, random.uniform(0, math.tau), harmonic) for harmonic in (1, 2, 3)]
        one = [
            sum(height * math.sin(math.tau * harmonic * place / period + phase) for height, phase, harmonic in waves)
            for place in range(period)
        ]
        low, high = min(one), max(one)
        bottom, size = random.uniform(10, 30), random.uniform(40, 60)
        one = [bottom + size * (value - low) / (high - low) for value in one]
        clean = [one[place % period] for place in range(n_given + n_unseen)]
        noisy = [min(TOP, max(0, round(value + random.gauss(0, NOISE)))) for value in clean[:n_given]]
        return " ".join([*map(str, noisy), *[UNSEEN] * n_unseen]), clean, period

    def samples(self, random: Random, n_samples: int, *, held_out: bool = False) -> list[tuple[str, Solution]]:
        """Return texts with the truth that they were made from; none comes twice, so none has to be held out."""
        del held_out
        found = []
        for _ in range(n_samples):
            text, clean, period = self._drawn(random)
            found.append((text, _solution(text.split(), clean, period)))
        return found

    def solve(self, text: str) -> Solution | None:
        """Find the period whose mean explains most of the numbers, and continue with that mean."""
        pieces = self.pieces(text)
        n_given = sum(piece != UNSEEN for piece in pieces)
        if not set(pieces) <= set(self.alphabet) or UNSEEN in pieces[:n_given] or len(pieces) > self.longest - 2:
            return None
        if n_given < 2 * PERIODS[0] or n_given == len(pieces):
            return None
        period = estimated_period(np.array([float(piece) for piece in pieces[:n_given]]))
        means = [float(np.mean([float(piece) for piece in pieces[phase:n_given:period]])) for phase in range(period)]
        return _solution(pieces, [means[place % period] for place in range(len(pieces))], period)

    def watched_queries(self, text: str) -> list[int]:
        """Return the places to be continued: a map of all would hold mostly what nobody asks for."""
        solution = self.solve(text)
        assert solution is not None, text
        return [place for place, keys in enumerate(solution.truth) if keys]

    # --- numbers instead of labels -----------------------------------------------------------------------------------

    def network(self, settings: Settings) -> PreTrainedModel:
        """Return a new encoder that reads numbers as numbers and says one."""
        sizes = {**self.sizes(settings), "n_outputs": 1}
        return ScratchEncoder(ScratchEncoderConfig(**sizes, first_value=len(SPECIAL) + 1, n_values=TOP + 1))

    def batch(self, samples: Sequence[tuple[str, Solution]]) -> Batch:
        """Return texts, and the values to be said in units of the whole range, NaN where none is asked."""
        batch = super().batch([(text, Solution(("",) * len(one.answers), one.truth)) for text, one in samples])
        values = [[float(answer) if answer else float("nan") for answer in one.answers] for _, one in samples]
        longest = batch["input_ids"].shape[1]
        rows = [[*row, *[float("nan")] * (longest - len(row))] for row in values]
        return {**batch, "labels": torch.tensor(rows) / TOP}

    def loss(self, network: PreTrainedModel, batch: Batch) -> Float[Tensor, ""]:
        """Return the mean squared error, in units of the noise's variance."""
        asked = ~batch["labels"].isnan()
        errors = (self.outputs(network, batch)[..., 0] - batch["labels"])[asked]
        return errors.square().mean() * (TOP / NOISE) ** 2

    def right(self, network: PreTrainedModel, batch: Batch) -> Bool[Tensor, " row"]:
        """Return which continuations are closer to the signal (root mean square) than one measurement is."""
        asked = ~batch["labels"].isnan()
        errors = torch.where(asked, self.outputs(network, batch)[..., 0] - batch["labels"], 0.0)
        return (errors.square().sum(-1) / asked.sum(-1)).sqrt() * TOP < NOISE

    def says(self, network: PreTrainedModel, text: str) -> tuple[str, ...] | None:
        """Return the values that a network continues a signal with, empty where a number is given."""
        solution = self.solve(text)
        if solution is None:
            return None
        with torch.inference_mode():
            values = self.outputs(network, self.batch([(text, solution)]))[0, :, 0] * TOP
        return tuple(
            f"{value:.1f}" if asked else "" for value, asked in zip(values.tolist(), solution.answers, strict=True)
        )


def _solution(pieces: Sequence[str], clean: Sequence[float], period: int) -> Solution:
    n_given = sum(piece != UNSEEN for piece in pieces)
    truth = [
        frozenset(range(place % period, n_given, period)) if place >= n_given else frozenset[int]()
        for place in range(len(pieces))
    ]
    return framed([f"{value:.2f}" if place >= n_given else "" for place, value in enumerate(clean)], truth)


def estimated_period(values: Float[np.ndarray, " place"]) -> int:
    """Return the period whose phase means describe the values best, by Schwarz's criterion (1978): errors and means."""
    cost = {}
    for period in PERIODS:
        if len(values) >= 2 * period:
            errors = np.concatenate([part - part.mean() for part in (values[i::period] for i in range(period))])
            variance = max(float(errors @ errors) / len(values), 1e-9)
            cost[period] = len(values) * math.log(variance) + period * math.log(len(values))
    return min(cost, key=lambda period: cost[period])


SERIES = Series(
    name="series",
    title="Continuing a signal",
    rule="Continue the signal: say at each “?” what it would be without its noise.",
    looks="Each “?” at the same phase of the periods before.",
    kind="encoder",
    alphabet=(UNSEEN, *(str(value) for value in range(TOP + 1))),
    labels=(),
    examples=(
        Series._drawn(Series("", "", "", "", "encoder", (), (), ()), Random(3))[0],
        Series._drawn(Series("", "", "", "", "encoder", (), (), ()), Random(8))[0],
    ),
    settings=Settings(n_layers=3, steps=6000),
    longest=_LONGEST + _MOST_UNSEEN + 2,
    by_word=True,
)
