"""A lock that a map has in memory and does not keep in a file."""

from __future__ import annotations

from threading import Lock
from typing import Any


class Locked:
    """Has a `lock`; a copy or a pickled one has its own."""

    lock: Any

    def __post_init__(self) -> None:
        self.lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, lock=Lock())
