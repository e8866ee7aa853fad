"""Names under which a visitor's browser requests more of an attention: unguessable, and other for each visitor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_urlsafe
from weakref import WeakKeyDictionary, ref

from models import Attention

# A name takes some hundred bytes. A visitor whose name was dropped gets another one with the next run of the page.
MOST_NAMES = 4096


@dataclass(frozen=True)
class _Entry:
    attention: Callable[[], Attention | None]
    visitor: str


class TraceNames:
    """At most `most` names; the least recently used is dropped. A name does not keep its attention in memory."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: dict[str, _Entry] = {}
        self._names: WeakKeyDictionary[Attention, dict[str, str]] = WeakKeyDictionary()
        # Reentrant: the garbage collector may call `_forget` in any line of the other methods.
        self._lock = threading.RLock()

    def name_of(self, att: Attention, visitor: str) -> str:
        """Return the name of an attention for a visitor, the same one as long as it is known."""
        with self._lock:
            names = self._names.setdefault(att, {})
            name = names.get(visitor)
            if name is None or name not in self._entries:
                name = names[visitor] = token_urlsafe(16)
                self._entries[name] = _Entry(ref(att, lambda _: self._forget(name)), visitor)
            self._use(name)
            while len(self._entries) > self._most:
                self._drop(next(iter(self._entries)))
            return name

    def find(self, name: str) -> Attention | None:
        """Return the attention of a name; None if there is no such name, or the attention is no longer in memory."""
        with self._lock:
            return self._entries[name].attention() if self._use(name) else None

    def visitor_of(self, name: str) -> str | None:
        """Return whose name it is, None if there is no such name."""
        entry = self._entries.get(name)
        return entry.visitor if entry else None

    def __len__(self) -> int:
        return len(self._entries)

    def _use(self, name: str) -> bool:
        """Make a name the latest used one; return whether there is such a name."""
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._entries[name] = entry
        return entry is not None

    def _drop(self, name: str) -> None:
        entry = self._entries.pop(name)
        att = entry.attention()
        if att is not None:
            self._names.get(att, {}).pop(entry.visitor, None)

    def _forget(self, name: str) -> None:
        with self._lock:
            self._entries.pop(name, None)


_NAMES = TraceNames(MOST_NAMES)


def name_of(att: Attention, visitor: str) -> str:
    """Return the name of an attention for a visitor, the same one as long as it is known."""
    return _NAMES.name_of(att, visitor)


def find(name: str) -> Attention | None:
    """Return the attention of a name; None if there is no such name, or the attention is no longer in memory."""
    return _NAMES.find(name)


def visitor_of(name: str) -> str | None:
    """Return whose name it is, None if there is no such name."""
    return _NAMES.visitor_of(name)
