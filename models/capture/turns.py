"""Forward passes take turns: one pass computes at a time, and between two layers a shorter pass may run first.

Two passes at once on a small machine only slow each other down. A visitor with a short text waits for one layer of
another visitor's long text, not for all of its layers.
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
from torch.utils.hooks import RemovableHandle

# A pass that has waited this long since its last layer runs next, whatever its length, so that no pass waits forever.
MAX_WAIT_SECONDS = 2.0

_between: ContextVar[Callable[[], None] | None] = ContextVar("headlight_between_layers", default=None)


@contextmanager
def calling_between_layers(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` before each layer that this context (thread or task) computes. An exception of `act` ends the pass."""
    token = _between.set(act)
    try:
        yield
    finally:
        _between.reset(token)


def between_layers() -> None:
    """Call the running pass's function for `calling_between_layers`. A layer calls this when it begins."""
    act = _between.get()
    if act is not None:
        act()


def announce_layers(module: nn.Module) -> list[RemovableHandle]:
    """Let each layer of a model call `between_layers`, for models that do not call Headlight's attention function.

    Returns the handles of the hooks, whose `remove` ends it.
    """
    announced, handles = set[str](), []
    for name, part in module.named_modules():
        # Lists inside a layer (experts) are not layers.
        if isinstance(part, nn.ModuleList) and not any(name.startswith(f"{outer}.") for outer in announced):
            announced.add(name)
            handles += [layer.register_forward_pre_hook(_announce) for layer in part]
    return handles


def _announce(module: nn.Module, inputs: Any) -> None:
    del module, inputs
    between_layers()


@dataclass(eq=False)
class _Pass:
    seconds: float
    since: float


class Turns:
    """The order of passes: first those that have waited for `MAX_WAIT_SECONDS`, then the shortest one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[_Pass] = []  # in the order in which they came
        self._running: _Pass | None = None

    @contextmanager
    def turn(self, seconds: float) -> Iterator[Callable[[], None]]:
        """Wait for a turn of about `seconds`; give a function that lets shorter passes run first."""
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
        except BaseException:  # an interrupt of the program, while this pass waits or has just got its turn
            if self._running is mine:
                self._hand_over()
            else:
                self._waiting.remove(mine)
            raise

    def _hand_over(self) -> None:
        """Give the turn to a waiting pass. The pass that ends decides, because waiting passes could disagree."""
        now = monotonic()
        self._running = min(
            self._waiting, key=lambda one: (now - one.since < MAX_WAIT_SECONDS, one.seconds), default=None
        )
        if self._running is not None:
            self._waiting.remove(self._running)
            self._changed.notify_all()


# The turns of this process: its models share the processor.
TURNS = Turns()
