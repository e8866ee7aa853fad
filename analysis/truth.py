"""How often a head looks where the right answer is: the truth score of models that were trained on a known task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float

from models import Attention, Model, Token
from models.model import MAX_BATCH
from models.scratch.tasks import TASKS, Solution, Task

SAMPLES = 128
# A head that looks at the right place this often solves the task by itself.
SOLVES = 0.9
# A text is solved once: every picture of it asks again.
_TRUTHS: WeakKeyDictionary[Attention, Truth | None] = WeakKeyDictionary()


@dataclass(frozen=True)
class Truth:
    """The solution of one text by a model's task: `mask[query, key]` is True where the right answer stands."""

    task: Task
    solution: Solution
    mask: Bool[np.ndarray, "query key"]

    @property
    def n_asked(self) -> int:
        """How many queries have a key that is known to be right."""
        return int(self.mask.any(1).sum())


@dataclass(frozen=True)
class TruthScores:
    """The truth scores of all heads over the same unseen texts.

    `scores[layer, head]` is the share of queries whose strongest key is a true one; `chance` what a head that looks
    anywhere would reach; `accuracy` the share of the texts that the model as a whole answers rightly.
    """

    scores: Float[np.ndarray, "layer head"]
    chance: float
    accuracy: float
    n_samples: int


def truth_of(att: Attention) -> Truth | None:
    """Return where the right answers of an attention stand: as annotated, or as the model's task says of the tokens.

    None where nothing is known: no task, another kind of attention than the task's, or a text that is none of the task.
    """
    if att not in _TRUTHS:
        _TRUTHS[att] = att.annotations.get("truth") or _solve(att)
    return _TRUTHS[att]


def _solve(att: Attention) -> Truth | None:
    task = TASKS.get(att.annotations.get("task", ""))
    return truth_of_tokens(task.name, att.query_tokens, att.key_tokens) if task and task.kind == att.kind else None


def truth_of_tokens(task_name: str, query_tokens: Sequence[Token], key_tokens: Sequence[Token]) -> Truth | None:
    """Return what a model's task says of the tokens that it read; None if that is no text of the task.

    A decoder that reads another text than the right answer asks for something else at each place, so nothing is known.
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
    """Return the truth scores of a model's heads, None if the model was trained on no task with a known truth."""
    task = task_of(model)
    if task is None or not task.has_truth:
        return None
    samples = task.samples(Random("truth"), n_samples, held_out=True)
    scores = np.zeros((0, 0))
    n_asked, by_chance, n_right = 0, 0.0, 0
    for start in range(0, n_samples, MAX_BATCH):
        part = samples[start : start + MAX_BATCH]
        targets = [target(solution) for _, solution in part] if task.kind == "cross" else None
        for trace, (_, solution) in zip(
            model.trace_batch([text for text, _ in part], targets=targets), part, strict=True
        ):
            att = trace[task.kind]
            truth = solution.mask(att.n_key)
            found = np.stack([hits(att.layer(layer), truth) for layer in range(att.n_layers)])
            scores = scores + found if scores.size else found
            n_asked += int(truth.any(1).sum())
            by_chance += chance(truth, causal=task.kind == "decoder")
        n_right += int(task.judge(model.module, task.batch(part)).sum())
    return TruthScores(scores / n_asked, by_chance / n_asked, n_right / n_samples, n_samples)


def truth_scores_of_text(att: Attention) -> Float[np.ndarray, "layer head"] | None:
    """Return the truth scores of all heads on one text; NaN for heads that a layer lacks; None without a truth."""
    truth = truth_of(att)
    if truth is None or not truth.n_asked:
        return None
    scores = np.full((att.n_layers, att.n_heads), np.nan)
    for layer in range(att.n_layers):
        scores[layer, : att.heads_in(layer)] = hits(att.layer(layer), truth.mask) / truth.n_asked
    return scores


def target(solution: Solution) -> str:
    """Return the right answer as the text that an encoder-decoder's decoder reads."""
    return "".join(solution.answers[:-1])


def task_of(model: Model) -> Task | None:
    """Return the task that a model was trained on, None if it is none of ours."""
    return TASKS.get(model.card.task)


def hits(
    weights: Float[np.ndarray, "*layer head query key"], truth: Bool[np.ndarray, "query key"]
) -> Float[np.ndarray, "*layer head"]:
    """Return how many queries, of those with a truth, have a true key as their strongest."""
    strongest = weights.argmax(-1)
    right = truth[np.arange(truth.shape[0]), strongest]
    return right.sum(-1).astype(float)


def chance(truth: Bool[np.ndarray, "query key"], *, causal: bool) -> float:
    """Return how many queries would hit by looking anywhere that they can see."""
    n_visible = np.arange(1, len(truth) + 1) if causal else np.full(len(truth), truth.shape[1])
    return float((truth.sum(1) / n_visible).sum())


def mean_score(pairs: Sequence[tuple[np.ndarray, Solution]]) -> Float[np.ndarray, "layer head"]:
    """Return the truth score of every head over texts, `[layer, head, query, key]` each with its solution."""
    n_right = sum(hits(weights, solution.mask(weights.shape[-1])) for weights, solution in pairs)
    n_asked = sum(int(solution.mask(weights.shape[-1]).any(1).sum()) for weights, solution in pairs)
    return np.asarray(n_right) / n_asked
