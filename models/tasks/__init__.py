"""The tasks whose right attention is known."""

from __future__ import annotations

from models.errors import UnknownModel
from models.tasks.agreement import AGREEMENT
from models.tasks.brackets import BRACKETS
from models.tasks.copying import PREVIOUS, REVERSAL, SORTING
from models.tasks.dates import DATES
from models.tasks.digits import DIGITS
from models.tasks.recall import RECALL
from models.tasks.series import SERIES
from models.tasks.settings import Settings
from models.tasks.task import Solution, Task

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
