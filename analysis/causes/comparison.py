"""How far changed answers are from the untouched one, in the model's own terms."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from models.terms import Answered, ReadsRows, Terms, read_terms

COLUMNS = {
    "embedding": ("effect", "cosine"),
    "probabilities": ("effect", "before", "probability", "divergence_bits"),
    "numbers": ("effect", "before", "value"),
}


class Comparison:
    """Compares the answers of batches with those of the untouched pass, which come first."""

    def __init__(self, n_values: int = 0) -> None:
        self._n_values = n_values
        self._reader: ReadsRows | None = None
        self._before: np.ndarray = np.empty(0)
        self._rows: list[np.ndarray] = []

    def __call__(self, answered: Answered) -> None:
        """Take the answers of some rows."""
        if self._reader is None:
            self._reader = read_terms(answered.outputs[0], answered.given, self._n_values)
            self._before = self._reader.rows(answered)[0]
            return
        for start in range(0, len(answered.outputs), self._reader.n_together):
            self._rows.append(
                compare(self.terms, self._before, self._reader.rows(answered.part(start, self._reader.n_together)))
            )

    @property
    def terms(self) -> Terms:
        """What is compared."""
        assert self._reader is not None
        return self._reader.terms

    def columns(self, n_rows: int) -> dict[str, Float[np.ndarray, " row"]]:
        """Return the columns of all rows that were taken; NaN in `n_rows` rows if there are none."""
        names = COLUMNS[self.terms.kind]
        found = np.concatenate(self._rows, axis=1) if self._rows else np.full((len(names), n_rows), np.nan)
        return dict(zip(names, found, strict=True))

    def attrs(self) -> dict[str, Any]:
        """Return what a table says of its terms."""
        terms = self.terms
        return {"terms": terms.name, "task": terms.task, "answer": terms.answer, "positions": terms.positions}


def compare(
    terms: Terms, before: Float[np.ndarray, ...], after: Float[np.ndarray, "row ..."]
) -> Float[np.ndarray, "column row"]:
    """Return the columns of `COLUMNS` for some rows."""
    if terms.kind == "embedding":
        cosine = _cosine(before, after)
        return np.stack([1 - cosine, cosine])
    if terms.kind == "numbers":
        change = np.abs(after - before).mean(-1)
        return np.stack([change, np.full(len(after), before.mean()), after.mean(-1)])
    assert terms.answers is not None
    kept, probability = (_probability(each, terms.answers, terms.joint) for each in (before[None], after))
    return np.stack(
        [kept - probability, np.broadcast_to(kept, probability.shape), probability, _bits(before, after, terms)]
    )


def _cosine(
    before: Float[np.ndarray, " d_model"], after: Float[np.ndarray, "row d_model"]
) -> Float[np.ndarray, " row"]:
    lengths = np.linalg.norm(after, axis=1) * np.linalg.norm(before)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (after @ before) / lengths


def _probability(
    logs: Float[np.ndarray, "row place option"], answers: Int[np.ndarray, " place"], joint: bool
) -> Float[np.ndarray, " row"]:
    """Return the probability of the answer: the mean of all places, or of all places together."""
    of_answers = logs[:, np.arange(len(answers)), answers]
    return np.exp(of_answers.sum(1)) if joint else np.exp(of_answers).mean(1)


def _bits(
    before: Float[np.ndarray, "place option"], after: Float[np.ndarray, "row place option"], terms: Terms
) -> Float[np.ndarray, " row"]:
    """Return the Kullback-Leibler divergence of the changed from the untouched probabilities in bits.

    It is the mean of all places; of joint places, the sum.
    """
    share = np.exp(before)
    with np.errstate(invalid="ignore"):
        parts = np.where(share > 0, share * (before - after), 0.0).sum(-1) / np.log(2)
    parts[np.isnan(after).any(-1)] = np.nan
    return parts.sum(1) if terms.joint else parts.mean(1)
