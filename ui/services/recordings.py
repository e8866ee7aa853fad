"""Recordings that come with Headlight, and scenes of tasks, shared by all visitors of "Watch it train"."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from analysis.recording import Recording
from models.scratch.tasks import TASKS
from viz.wire.training import scene


def shipped_recording(path: Path) -> Recording:
    """Return a recording that comes with Headlight; its file is read again if it has changed."""
    return _load(path, path.stat().st_mtime_ns)


@lru_cache(len(TASKS))
def _load(path: Path, changed: int) -> Recording:
    del changed
    return Recording.load(path)


@lru_cache(50)
def scene_over(task: str, text: str, n_key: int) -> dict[str, Any]:
    """Return the scene of a task and a text, with maps of `n_key` columns. Callers share it and must not change it."""
    return scene(TASKS[task], text, n_key)
