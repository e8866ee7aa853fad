"""Loaded models, shared by all visitors and read-only.

They are not in Streamlit's caches, which any visitor may clear for everybody (ui/services/shared.py).
"""

from __future__ import annotations

import os
from uuid import uuid4
from weakref import WeakKeyDictionary

from models import Model, load_model
from models.checkpoints.access import Access
from models.checkpoints.names import clean_name, find_path
from ui.services.jobs import Job, Jobs
from ui.services.settings import MODELS_IN_MEMORY, admit_base, allowed_revision, shows_folders

_MODELS: Jobs[Model] = Jobs(MODELS_IN_MEMORY, lambda: float("inf"))
_IDS: WeakKeyDictionary[Model, str] = WeakKeyDictionary()


def request_model(name: str, revision: str, visitor: str) -> Job[Model]:
    """Return the job that loads a model, watched by the visitor; it is finished if the model is in memory.

    Raises:
        HeadlightError: this server may not open the model, in one sentence.
    """
    name, stated = clean_name(name, revision or None)
    revision = allowed_revision(name, stated or "")
    key = (name, revision, _list_files(name))  # a folder that was saved into again is another model
    access = Access(admit=admit_base, shows_folders=shows_folders())
    job = _MODELS.find_or_start(
        key, lambda: Job(lambda progress: load_model(name, revision=revision or None, access=access)), visitor
    )
    if job.finished and job.failed:
        _MODELS.forget(key)  # another try may succeed
    return job


def _list_files(name: str) -> tuple[tuple[str, int, int], ...]:
    """Return the name, size and modification time of every file in a model's folder, or of a file; () for a hub id."""
    try:
        path = find_path(name)
        stats = [(file.name, file.stat()) for file in ([path] if path.is_file() else os.scandir(path))]
    except (OSError, RuntimeError, ValueError):
        return ()
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


def model_id(model: Model) -> str:
    """Return an id of a loaded model. Names do not identify it: two folders may share a name and a first shard."""
    return _IDS.setdefault(model, uuid4().hex)
