"""What visitors share: loaded models, traces, maps of all heads and a head's numbers, all read-only.

Nothing of it is in Streamlit's caches, which any visitor may empty for everybody (ui/services/shared.py).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4
from weakref import WeakKeyDictionary

from huggingface_hub.utils import disable_progress_bars
from PIL import Image
from transformers.utils import logging as transformers_logging

from models import Attention, AttentionTrace, Model, load_model
from models.capture.cost import Estimate
from ui.services.jobs import Job, Jobs, Progress
from ui.services.settings import MODELS_IN_MEMORY, TRACES_IN_MEMORY, allowed_revision, budget, cache_bytes
from viz.head_maps import HeadMaps

log = logging.getLogger("headlight.ui")
transformers_logging.disable_progress_bar()
disable_progress_bars()
Value = TypeVar("Value")
NUMBERS_IN_MEMORY = 64
READINGS_IN_MEMORY = 8
_MODELS: Jobs[Model] = Jobs(MODELS_IN_MEMORY, lambda: float("inf"))
_TRACES: Jobs[AttentionTrace] = Jobs(TRACES_IN_MEMORY, cache_bytes)
_READINGS: Jobs[Estimate] = Jobs(READINGS_IN_MEMORY, lambda: float("inf"))
# What tells loaded models apart.
_LOADED: WeakKeyDictionary[Model, str] = WeakKeyDictionary()
# A model reads every picture at its own size: some hundred patches, known only to the trace, which admits them.
_OF_A_PICTURE = Estimate(0, 100_000_000, 0.0)


def model_job(name: str, revision: str, visitor: str) -> Job[Model]:
    """Return the loading of a model that this server may open, watched by the visitor; done if it is in memory.

    Raises:
        HeadlightError: this server may not open it, in one sentence.
    """
    revision = allowed_revision(name, revision)
    key = (name, revision, _files(name))  # a folder that was saved into again is another model
    job = _MODELS.ask(key, lambda: Job(lambda progress: load_model(name, revision=revision or None)), visitor)
    if job.finished and job.failed:
        _MODELS.forget(key)  # another try may succeed
    return job


def _files(name: str) -> tuple[tuple[str, int, int], ...]:
    """Return the name, size and time of every file in a model's folder; nothing for what is no folder."""
    try:
        stats = [(file.name, file.stat()) for file in os.scandir(Path(name.strip()).expanduser())]
    except (OSError, RuntimeError, ValueError):
        return ()
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))


def loaded_as(model: Model) -> str:
    """Return what tells a loaded model from every other: two folders may have one name, and one first shard."""
    return _LOADED.setdefault(model, uuid4().hex)


@dataclass(frozen=True)
class Request:
    """A text or a picture and what is done with it: what two visitors have to agree on to share a trace.

    `model` is what it is `loaded_as`; `picture` names the `image` of a model that reads pictures; equal names are equal
    pictures.
    """

    model: str
    text: str = ""
    pair: str = ""
    target: str = ""
    generate: int = 0
    picture: str = ""
    image: Image.Image | None = field(default=None, compare=False, repr=False)

    def estimate(self, model: Model) -> Estimate:
        """Return what the trace takes, let through by this server's budget.

        Raises:
            HeadlightError: the text cannot be read, or would take more than the budget, in one sentence.
        """
        if self.image is not None:
            return _OF_A_PICTURE
        estimate = model.estimate(
            self.text, text_pair=self.pair or None, target=self.target or None, generate=self.generate
        )
        budget().admit(estimate)
        return estimate

    def start(self, model: Model, estimate: Estimate) -> Job[AttentionTrace]:
        """Start the trace in a thread of its own."""
        allowed = budget()

        def work(progress: Progress) -> AttentionTrace:
            if self.image is not None:
                return model.trace(image=self.image, progress=progress, budget=allowed)
            return model.trace(
                self.text,
                text_pair=self.pair or None,
                target=self.target or None,
                generate=self.generate,
                progress=progress,
                budget=allowed,
            )

        return Job(work, n_bytes=estimate.n_bytes, seconds=estimate.seconds)


def traces() -> Jobs[AttentionTrace]:
    """Return the traces of all visitors."""
    return _TRACES


def readings() -> Jobs[Estimate]:
    """Return what long texts were found to take: reading a megabyte takes a second."""
    return _READINGS


class _Kept:
    """What is known of an attention, dropped with it."""

    def __init__(self, att: Attention) -> None:
        self.maps = HeadMaps.empty(att)
        self.job: Job[bool] | None = None
        self.numbers: dict[Hashable, Any] = {}


_EVERYTHING: WeakKeyDictionary[Attention, _Kept] = WeakKeyDictionary()


def _kept(att: Attention) -> _Kept:
    if att not in _EVERYTHING:
        _EVERYTHING.setdefault(att, _Kept(att))
    return _EVERYTHING[att]


def maps_of(att: Attention) -> HeadMaps:
    """Return the maps of all heads, as far as they are computed."""
    return _kept(att).maps


def maps_job(att: Attention, visitor: str) -> Job[bool]:
    """Return the work that fills the maps, watched by the visitor; one that was stopped goes on where it was."""
    kept = _kept(att)
    if kept.job is None or kept.job.stopped:
        maps, before = kept.maps, kept.job

        def work(progress: Progress) -> bool:
            # One that was stopped ends with the layer that it is at; the maps have room for one worker.
            if before is not None:
                before.wait()
            maps.fill(att, progress)
            return True

        kept.job = Job(work)
    kept.job.watch(visitor)
    return kept.job


def remembered(att: Attention, key: Hashable, compute: Callable[[], Value]) -> Value:
    """Return a number or table of one attention, computed once."""
    numbers = _kept(att).numbers
    if key not in numbers:
        value = compute()
        while len(numbers) >= NUMBERS_IN_MEMORY:
            numbers.pop(next(iter(numbers)), None)
        numbers[key] = value
    return numbers[key]
