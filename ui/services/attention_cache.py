"""What was computed from each attention: the maps of all heads, and numbers and tables of single heads.

All visitors who see the same trace share it. It is not in Streamlit's caches, which any visitor may clear for
everybody (ui/services/shared.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from analysis.received import Received
from models import Attention
from ui.services.jobs import Job, Progress
from ui.services.shared import Shared
from viz.head_maps import HeadMaps

Value = TypeVar("Value")
VALUES_IN_MEMORY = 64
# The sums of all keys are made together where that takes less than about a second, else those of one key, which take a
# tenth of the time.
MOST_WEIGHTS_AT_ONCE = 40_000_000
SUMS_IN_MEMORY = 16


class AttentionCache:
    """What was computed from one attention; dropped together with it."""

    def __init__(self, att: Attention) -> None:
        self.maps = HeadMaps.empty(att)
        self.job: Job[bool] | None = None
        # Pages and requests of browsers ask at the same time, but only one job may fill the maps.
        self.lock = threading.Lock()
        self.values: Shared[Any] = Shared(VALUES_IN_MEMORY)
        self.received: Shared[Received] = Shared(SUMS_IN_MEMORY)


_CACHES: WeakKeyDictionary[Attention, AttentionCache] = WeakKeyDictionary()


def _cache_of(att: Attention) -> AttentionCache:
    if att not in _CACHES:
        _CACHES.setdefault(att, AttentionCache(att))
    return _CACHES[att]


def maps_of(att: Attention) -> HeadMaps:
    """Return the maps of all heads, as far as they are computed."""
    return _cache_of(att).maps


def request_maps(att: Attention, visitor: str) -> Job[bool]:
    """Return the job that fills the maps, watched by the visitor; after a stopped one, a new job resumes."""
    cache = _cache_of(att)
    with cache.lock:
        if cache.job is None or cache.job.stopped:
            maps, previous = cache.maps, cache.job

            def work(progress: Progress) -> bool:
                # A stopped job still finishes its current layer, and only one thread may fill the maps.
                if previous is not None:
                    previous.wait()
                maps.fill(att, progress)
                return True

            cache.job = Job(work)
        cache.job.watch(visitor)
        return cache.job


def leave_maps(att: Attention, visitor: str) -> None:
    """Note that a visitor no longer watches the maps; their job ends when nobody does."""
    cache = _cache_of(att)
    with cache.lock:
        if cache.job is not None:
            cache.job.leave(visitor)


def received_of(att: Attention, key: int) -> Received:
    """Return what a key receives from all queries, computed once: with all keys, or alone in a long text."""
    n_weights = att.n_layers * att.n_heads * att.n_query * att.n_key
    keys = range(att.n_key) if n_weights <= MOST_WEIGHTS_AT_ONCE else range(key, key + 1)
    return _cache_of(att).received.get(keys, lambda: Received.empty(att, keys).fill(att))


def cached(att: Attention, key: Hashable, compute: Callable[[], Value]) -> Value:
    """Return a number or table of one attention, computed once, also if several visitors ask at the same time."""
    return _cache_of(att).values.get(key, compute)
