"""What was computed from each attention: the maps of all heads, and numbers and tables of single heads.

All visitors who see the same trace share it. It is not in Streamlit's caches, which any visitor may clear for
everybody (ui/services/shared.py).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from models import Attention
from ui.services.jobs import Job, Progress
from viz.head_maps import HeadMaps

Value = TypeVar("Value")
VALUES_IN_MEMORY = 64


class AttentionCache:
    """What was computed from one attention; dropped together with it."""

    def __init__(self, att: Attention) -> None:
        self.maps = HeadMaps.empty(att)
        self.job: Job[bool] | None = None
        self.values: dict[Hashable, Any] = {}


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


def cached(att: Attention, key: Hashable, compute: Callable[[], Value]) -> Value:
    """Return a number or table of one attention, computed once."""
    values = _cache_of(att).values
    if key not in values:
        value = compute()
        while len(values) >= VALUES_IN_MEMORY:
            values.pop(next(iter(values)), None)
        values[key] = value
    return values[key]
