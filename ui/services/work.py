"""A piece of work that the page offers, starts, watches and stops (ui/panels/on_demand.py)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ui.services.jobs import Jobs, Progress

Result = TypeVar("Result")


@dataclass(frozen=True)
class Work(Generic[Result]):
    """One piece of work: `key` names what it computes, `button` what the visitor presses, `note` how long it takes.

    `unit` is what its parts are, and `doing` what the page says meanwhile, by default the words of the button. Work
    that does not ask starts by itself.
    """

    jobs: Jobs[Result]
    key: Hashable
    compute: Callable[[Progress], Result]
    button: str
    note: str
    unit: str
    seconds: float | None = None
    doing: str = ""
    asks: bool = True
