"""What is known to be right about one text: where a head has to look, and what the model answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from models.scratch.tasks import TASKS, Solution, Task
from models.tokens import Token


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


def truth_of(task_name: str, query_tokens: Sequence[Token], key_tokens: Sequence[Token]) -> Truth | None:
    """Return what a model's task says of the tokens that it read; None if that is no text of the task.

    A decoder that reads another text than the right answer asks for something else at each place, so nothing is known.
    """
    task = TASKS.get(task_name)
    if task is None or not task.has_truth:
        return None
    solution = task.solve(task.joined([token.text for token in key_tokens if not token.special]))
    if solution is None or len(solution.truth) != len(query_tokens):
        return None
    if task.kind == "cross" and [token.text for token in query_tokens[1:]] != list(solution.answers[:-1]):
        return None
    mask = solution.mask(len(key_tokens))
    mask.flags.writeable = False
    return Truth(task, solution, mask)
