"""Truth scores: how often a head attends to the right answer, for models that were trained on a known task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float

from models import Attention, Model, Token
from models.request import MAX_BATCH
from models.scratch.tasks import TASKS, Solution, Task

SAMPLES = 128
# A head whose strongest key is a true one this often solves the task without the other heads.
SOLVES = 0.9
# The task solves a text once, because every picture of the text needs its truth.
_TRUTHS: WeakKeyDictionary[Attention, Truth | None] = WeakKeyDictionary()


@dataclass(frozen=True)
class Truth:
    """The solution of one text by a model's task: `mask[query, key]` is True if the key holds the right answer."""

    task: Task
    solution: Solution
    mask: Bool[np.ndarray, "query key"]

    @property
    def n_asked(self) -> int:
        """How many queries have at least one true key."""
        return int(self.mask.any(1).sum())


@dataclass(frozen=True)
class TruthScores:
    """The truth scores of all heads over the same unseen texts.

    All are shares from 0 to 1. `scores[layer, head]` counts the queries with a truth whose strongest key is a true one.
    `chance` is the expected score of a head whose strongest key is random. `accuracy` counts the texts that the whole
    model answers correctly.
    """

    scores: Float[np.ndarray, "layer head"]
    chance: float
    accuracy: float
    n_samples: int


def truth_of(att: Attention) -> Truth | None:
    """Return which keys hold the right answers: from the annotations, or computed by the model's task from the tokens.

    None if that is not known: no task, a kind of attention other than the task's, or a text that is not of the task.
    """
    if att not in _TRUTHS:
        _TRUTHS[att] = att.annotations.get("truth") or _solve(att)
    return _TRUTHS[att]


def _solve(att: Attention) -> Truth | None:
    task = TASKS.get(att.annotations.get("task", ""))
    return truth_of_tokens(task.name, att.query_tokens, att.key_tokens) if task and task.kind == att.kind else None


def truth_of_tokens(task_name: str, query_tokens: Sequence[Token], key_tokens: Sequence[Token]) -> Truth | None:
    """Return the truth of the tokens that a model read, computed by its task; None if they are not a text of the task.

    A decoder of an encoder-decoder must read the right answer. After another text, each position would need a
    different key, and the task does not know which.
    """
    task = TASKS.get(task_name)
    if task is None or not task.has_truth:
        return None
    solution = task.solve(task.join([token.text for token in key_tokens if not token.special]))
    if solution is None or len(solution.truth) != len(query_tokens):
        return None
    if task.kind == "cross" and [token.text for token in query_tokens[1:]] != list(solution.answers[:-1]):
        return None
    mask = solution.mask(len(key_tokens))
    mask.flags.writeable = False
    return Truth(task, solution, mask)


def truth_scores(model: Model, n_samples: int = SAMPLES) -> TruthScores | None:
    """Return the truth scores of a model's heads; None if the model was not trained on a task with a known truth."""
    task = task_of(model)
    if task is None or not task.has_truth:
        return None
    samples = task.samples(Random("truth"), n_samples, held_out=True)
    scores = np.zeros((0, 0))
    n_asked, by_chance, n_right = 0, 0.0, 0
    for start in range(0, n_samples, MAX_BATCH):
        part = samples[start : start + MAX_BATCH]
        targets = [join_answers(solution) for _, solution in part] if task.kind == "cross" else None
        for trace, (_, solution) in zip(
            model.trace_batch([text for text, _ in part], targets=targets), part, strict=True
        ):
            att = trace[task.kind]
            truth = solution.mask(att.n_key)
            found = np.stack([count_hits(att.layer(layer), truth) for layer in range(att.n_layers)])
            scores = scores + found if scores.size else found
            n_asked += int(truth.any(1).sum())
            by_chance += count_chance_hits(truth, causal=task.kind == "decoder")
        n_right += int(task.judge(model.module, task.batch(part)).sum())
    return TruthScores(scores / n_asked, by_chance / n_asked, n_right / n_samples, n_samples)


def truth_scores_of_text(att: Attention) -> Float[np.ndarray, "layer head"] | None:
    """Return the truth scores of all heads on one text; NaN for heads that a layer lacks; None if no truth is known."""
    truth = truth_of(att)
    if truth is None or not truth.n_asked:
        return None
    scores = np.full((att.n_layers, att.n_heads), np.nan)
    for layer in range(att.n_layers):
        scores[layer, : att.heads_in(layer)] = count_hits(att.layer(layer), truth.mask) / truth.n_asked
    return scores


def join_answers(solution: Solution) -> str:
    """Return the right answer as one text, for the decoder of an encoder-decoder to read."""
    return "".join(solution.answers[:-1])


def task_of(model: Model) -> Task | None:
    """Return the task that a model was trained on; None if it is not a task of models/scratch."""
    return TASKS.get(model.card.task)


def count_hits(
    weights: Float[np.ndarray, "*layer head query key"], truth: Bool[np.ndarray, "query key"]
) -> Float[np.ndarray, "*layer head"]:
    """Return how many of the queries with a truth have a true key as their strongest key."""
    strongest = weights.argmax(-1)
    right = truth[np.arange(truth.shape[0]), strongest]
    return right.sum(-1).astype(float)


def count_chance_hits(truth: Bool[np.ndarray, "query key"], *, causal: bool) -> float:
    """Return the expected hits of a head whose strongest key is random among the keys that the query may attend to."""
    n_visible = np.arange(1, len(truth) + 1) if causal else np.full(len(truth), truth.shape[1])
    return float((truth.sum(1) / n_visible).sum())


def average_scores(pairs: Sequence[tuple[np.ndarray, Solution]]) -> Float[np.ndarray, "layer head"]:
    """Return the truth score of every head over texts: pairs of weights `[layer, head, query, key]` and a solution."""
    n_right = sum(count_hits(weights, solution.mask(weights.shape[-1])) for weights, solution in pairs)
    n_asked = sum(int(solution.mask(weights.shape[-1]).any(1).sum()) for weights, solution in pairs)
    return np.asarray(n_right) / n_asked
