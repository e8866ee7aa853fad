"""A noisy periodic signal, continued: the truth is the same phase of the earlier periods.

The network is an encoder with a causal mask. From each position it predicts the next value without noise, so it can
continue the signal from its own values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import PreTrainedModel

from models.scratch.networks import ScratchEncoder, ScratchEncoderConfig
from models.scratch.tasks.settings import Settings
from models.scratch.tasks.task import SPECIAL, Batch, Solution, Task, frame_solution

TOP = 99
PERIODS = range(5, 13)
# The noise's standard deviation, in the signal's units of 0 to 99.
NOISE = 4.0
_SHORTEST, _LONGEST = 36, 48
# Room for a continuation behind the longest window.
_ROOM = 16


class Series(Task):
    """Predict from each position the next value, without its noise."""

    def text(self, random: Random) -> str:
        """Return 36 to 48 numbers of a signal."""
        return self._draw_signal(random)[0]

    def _draw_signal(self, random: Random) -> tuple[str, list[float], int]:
        """Return a text, the signal without noise and one value further, and its period."""
        period, n_given = random.choice(PERIODS), random.randint(_SHORTEST, _LONGEST)
        waves = [(random.gauss(0, 1) / harmonic, random.uniform(0, math.tau), harmonic) for harmonic in (1, 2, 3)]
        one = [
            sum(height * math.sin(math.tau * harmonic * time / period + phase) for height, phase, harmonic in waves)
            for time in range(period)
        ]
        low, high = min(one), max(one)
        bottom, size = random.uniform(10, 30), random.uniform(40, 60)
        one = [bottom + size * (value - low) / (high - low) for value in one]
        clean = [one[time % period] for time in range(n_given + 1)]
        noisy = [min(TOP, max(0, round(value + random.gauss(0, NOISE)))) for value in clean[:n_given]]
        return " ".join(map(str, noisy)), clean, period

    def samples(self, random: Random, n_samples: int, *, held_out: bool = False) -> list[tuple[str, Solution]]:
        """Return texts with the signals that they were made from; no text repeats, so none has to be held out."""
        del held_out
        drawn = (self._draw_signal(random) for _ in range(n_samples))
        return [(text, _solution(clean, period)) for text, clean, period in drawn]

    def solve(self, text: str) -> Solution | None:
        """Find the period that describes the numbers best, and continue with its means."""
        pieces = self.pieces(text)
        if not set(pieces) <= set(self.alphabet) or not 2 * PERIODS[0] <= len(pieces) < self.longest:
            return None
        values = np.array([float(piece) for piece in pieces])
        period = estimate_period(values)
        means = [float(values[phase::period].mean()) for phase in range(period)]
        return _solution([means[time % period] for time in range(len(pieces) + 1)], period)

    # --- numbers instead of labels -----------------------------------------------------------------------------------

    def network(self, settings: Settings) -> PreTrainedModel:
        """Return a new encoder that reads numbers as numbers and has one output, the next value."""
        sizes = {**self.sizes(settings), "n_outputs": 1}
        return ScratchEncoder(ScratchEncoderConfig(**sizes, first_value=len(SPECIAL), n_values=TOP + 1, is_causal=True))

    def batch(self, samples: Sequence[tuple[str, Solution]]) -> Batch:
        """Return texts, and the values to predict in units of the whole range, NaN where no value is asked for."""
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

    def judge(self, network: PreTrainedModel, batch: Batch) -> Bool[Tensor, " row"]:
        """Return which signals are predicted within 1.5 times the noise (root mean square, second half)."""
        labels = batch["labels"]
        asked = ~labels.isnan() & (torch.arange(labels.shape[1]) >= _SHORTEST // 2)
        errors = torch.where(asked, self.outputs(network, batch)[..., 0] - labels, 0.0)
        return (errors.square().sum(-1) / asked.sum(-1)).sqrt() * TOP < 1.5 * NOISE

    def accepts(self, given: str, answer: str) -> bool:
        """Return whether a value is within two standard deviations of the noise."""
        return abs(float(given) - float(answer)) < 2 * NOISE

    def answer(self, network: PreTrainedModel, text: str) -> tuple[str, ...] | None:
        """Return the value that a network predicts from each position, "" where nothing can be known yet."""
        solution = self.solve(text)
        if solution is None:
            return None
        with torch.inference_mode():
            values = self.outputs(network, self.batch([(text, solution)]))[0, :, 0] * TOP
        return tuple(
            f"{value:.1f}" if asked else "" for value, asked in zip(values.tolist(), solution.answers, strict=True)
        )


def _solution(clean: Sequence[float], period: int) -> Solution:
    """Return the answer at each position: the next value, after the first whole period."""
    times = range(1, len(clean))
    answers = [f"{clean[time]:.2f}" if time >= period else "" for time in times]
    return frame_solution(answers, [frozenset(range(time % period, time, period)) for time in times], end=False)


def estimate_period(values: Float[np.ndarray, " time"]) -> int:
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
    rule="From each position, predict the next value of the signal without its noise.",
    looks="At the positions with the phase of the next value, one, two and three periods before it.",
    kind="decoder",
    alphabet=tuple(str(value) for value in range(TOP + 1)),
    labels=(),
    examples=(
        "51 78 82 58 32 17 27 46 81 83 60 29 22 21 56 75 80 65 28 15 30 49 72 85 61 33 20 24 52 80 84 55 27 19 25",
        "20 71 44 60 31 24 66 48 63 29 17 73 41 58 35 22 68 47 66 30 19 70 45 57 34 25 67 43 61 28 21 72 46 62 33 18",
    ),
    settings=Settings(n_layers=3, positions="rotary", steps=6000, batch_size=32, learning_rate=1.5e-3),
    longest=_LONGEST + _ROOM + 1,
    by_word=True,
)
