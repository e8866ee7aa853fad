"""Traces of all visitors, shared by those who request the same text and model, and read-only.

They are not in Streamlit's caches, which any visitor may clear for everybody (ui/services/shared.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from analysis.causes.changes import HeadChanges
from models import AttentionTrace, Model
from models.capture.cost import Estimate
from models.conversation import parse_messages
from models.sound import Sound
from ui.services.jobs import Job, Jobs, Progress
from ui.services.settings import TRACES_IN_MEMORY, budget, cache_bytes

READINGS_IN_MEMORY = 8
_TRACES: Jobs[AttentionTrace] = Jobs(TRACES_IN_MEMORY, cache_bytes)
_READINGS: Jobs[Estimate] = Jobs(READINGS_IN_MEMORY, lambda: float("inf"))
# A model resizes every picture to its own size, some hundred patches. `Model.trace` checks the budget for it.
_PICTURE_ESTIMATE = Estimate(0, 100_000_000, 0.0)


@dataclass(frozen=True)
class TraceRequest:
    """A text, a picture or a sound, and what to do with it. Visitors whose requests are equal share one trace.

    `model` is the `model_id`. `messages` is a conversation in JSON, which is read instead of the text. `picture` names
    the `image` for a model that reads pictures: equal names are equal pictures; `reads_both` says that the model reads
    the text with it. `sound` names the `audio` likewise. `ablate` and `mask` are the changes of heads and
    the positions of struck tokens.
    """

    model: str
    text: str = ""
    pair: str = ""
    target: str = ""
    generate: int = 0
    messages: str = ""
    add_special_tokens: bool = True
    src_lang: str = ""
    tgt_lang: str = ""
    picture: str = ""
    reads_both: bool = False
    image: Image.Image | None = field(default=None, compare=False, repr=False)
    sound: str = ""
    audio: Sound | None = field(default=None, compare=False, repr=False)
    ablate: HeadChanges = ()
    mask: tuple[int, ...] = ()

    @property
    def untouched(self) -> TraceRequest:
        """The same request without changes."""
        return replace(self, ablate=(), mask=())

    def estimate(self, model: Model) -> Estimate:
        """Return the bytes and seconds of the trace, after checking them against this server's budget.

        Raises:
            HeadlightError: the text cannot be read, or would take more than the budget, in one sentence.
        """
        if self.image is not None and not self.reads_both:
            return _PICTURE_ESTIMATE
        estimate = model.estimate(**self.given())
        budget().admit(estimate)
        return estimate

    def start(self, model: Model, estimate: Estimate) -> Job[AttentionTrace]:
        """Start the trace in its own thread."""
        allowed = budget()

        def work(progress: Progress) -> AttentionTrace:
            return model.trace(**self.given(), progress=progress, budget=allowed)

        return Job(work, n_bytes=estimate.n_bytes, seconds=estimate.seconds)

    def _changes(self) -> dict[str, Any]:
        """Return the changes, as arguments of `Model.trace`."""
        heads = {place if place[0] else place[1:]: how for place, how in self.ablate}
        return {**({"ablate": heads} if heads else {}), **({"mask_tokens": list(self.mask)} if self.mask else {})}

    def given(self) -> dict[str, Any]:
        """Return what the model reads and what is changed, as arguments of `Model.trace`."""
        return {**self._read(), **self._changes()}

    def _read(self) -> dict[str, Any]:
        """Return what the model reads, as arguments of `Model.trace`."""
        if self.image is not None:
            return {"image": self.image, **({"text": self.text, "generate": self.generate} if self.reads_both else {})}
        pair, target = self.pair or None, self.target or None
        if self.audio is not None:
            return {"audio": self.audio, "target": target}
        if self.messages:
            return {"messages": parse_messages(self.messages), "target": target, "generate": self.generate}
        return {
            "text": self.text,
            "text_pair": pair,
            "target": target,
            "generate": self.generate,
            "add_special_tokens": self.add_special_tokens,
            "src_lang": self.src_lang or None,
            "tgt_lang": self.tgt_lang or None,
        }


def traces() -> Jobs[AttentionTrace]:
    """Return the traces of all visitors."""
    return _TRACES


def readings() -> Jobs[Estimate]:
    """Return the estimates of long texts, kept because tokenizing a megabyte takes a second."""
    return _READINGS
