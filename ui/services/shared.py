"""Values that all visitors share. They are not in Streamlit's caches, which any visitor may clear for everybody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass
class _Entry(Generic[Value]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    values: list[Value] = field(default_factory=list)  # empty until it is computed, then one


class Shared(Generic[Value]):
    """At most `most` values by key; the least recently used is dropped. Visitors share the computation."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: dict[Hashable, _Entry[Value]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of a key, computed if there is none. An error of `compute` is raised and not stored."""
        with self._lock:
            entry = self._entries.pop(key, None) or _Entry()
            self._entries[key] = entry  # the dictionary's order is that of the uses
            while len(self._entries) > self._most:
                del self._entries[next(iter(self._entries))]
        with entry.lock:
            if not entry.values:
                entry.values.append(compute())
            return entry.values[0]
