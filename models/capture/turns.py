"""Forward passes take turns: one computes at a time, and between two layers it lets a shorter one go first.

Two passes at once on a small machine only slow each other down. A visitor with a short text waits for one layer of
another's long text, not for all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic
from typing import Any

from torch import nn

# A pass that has waited so long since its last layer goes first, however long it is: none waits for ever.
PATIENCE_SECONDS = 2.0

_between: ContextVar[Callable[[], None] | None] = ContextVar("headlight_between_layers", default=None)


@contextmanager
def calling_between_layers(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` before each layer that this context (thread or task) computes; what it raises ends the pass."""
    token = _between.set(act)
    try:
        yield
    finally:
        _between.reset(token)


def between_layers() -> None:
    """Do what the running pass does between layers; to be called where a layer begins."""
    act = _between.get()
    if act is not None:
        act()


def announce_layers(module: nn.Module) -> None:
    """Let each layer of a model call `between_layers`, for models that do not call our attention function."""
    announced: set[str] = set()
    for name, part in module.named_modules():
        # Lists within a layer (experts) are no layers.
        if isinstance(part, nn.ModuleList) and not any(name.startswith(f"{outer}.") for outer in announced):
            announced.add(name)
            for layer in part:
                layer.register_forward_pre_hook(_announce)


def _announce(module: nn.Module, given: Any) -> None:
    del module, given
    between_layers()


@dataclass(eq=False)
class _Pass:
    seconds: float
    since: float


class Turns:
    """Who computes: the shortest of those who wait, and first of all who has waited for `PATIENCE_SECONDS`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[_Pass] = []  # in the order in which they came
        self._running: _Pass | None = None

    @contextmanager
    def turn(self, seconds: float) -> Iterator[Callable[[], None]]:
        """Wait for a turn of about so many seconds; give a function that lets shorter passes go first."""
        mine = _Pass(seconds, monotonic())
        with self._changed:
            self._take(mine)
        try:
            yield lambda: self._give_way(mine)
        finally:
            with self._changed:
                self._hand_over()

    def _give_way(self, mine: _Pass) -> None:
        with self._changed:
            if any(other.seconds < mine.seconds for other in self._waiting):
                self._hand_over()
                self._take(mine)

    def _take(self, mine: _Pass) -> None:
        if self._running is None:
            self._running = mine
            return
        mine.since = monotonic()
        self._waiting.append(mine)
        try:
            self._changed.wait_for(lambda: self._running is mine)
        except BaseException:  # an interrupt of the program, while this pass waits or has just been given its turn
            if self._running is mine:
                self._hand_over()
            else:
                self._waiting.remove(mine)
            raise

    def _hand_over(self) -> None:
        """Give the turn to one who waits. It is decided here: who looked for itself could see another as the first."""
        now = monotonic()
        self._running = min(
            self._waiting, key=lambda one: (now - one.since < PATIENCE_SECONDS, one.seconds), default=None
        )
        if self._running is not None:
            self._waiting.remove(self._running)
            self._changed.notify_all()
