"""Tasks for which the right attention is known."""

from __future__ import annotations

from models.errors import UnknownModel
from models.scratch.tasks.agreement import AGREEMENT
from models.scratch.tasks.brackets import BRACKETS
from models.scratch.tasks.copying import PREVIOUS, REVERSAL, SORTING
from models.scratch.tasks.dates import DATES
from models.scratch.tasks.digits import DIGITS
from models.scratch.tasks.recall import RECALL
from models.scratch.tasks.series import SERIES
from models.scratch.tasks.settings import Settings
from models.scratch.tasks.task import Solution, Task

_ALL = (PREVIOUS, REVERSAL, SORTING, BRACKETS, RECALL, AGREEMENT, DATES, DIGITS, SERIES)
TASKS: dict[str, Task] = {task.name: task for task in _ALL}


def task_named(name: str) -> Task:
    """Return a task.

    Raises:
        UnknownModel: there is no such task.
    """
    if name not in TASKS:
        raise UnknownModel(f"There is no task {name[:40]!r}: choose one of {', '.join(TASKS)}.")
    return TASKS[name]


__all__ = ["TASKS", "Settings", "Solution", "Task", "task_named"]
