"""Maps that were derived from the attentions of traces, shared by all visitors, and the jobs that make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from analysis.maps import METHODS, derive
from models import Attention, Model
from models.capture.cost import Estimate
from ui.services.jobs import Job, Jobs, Progress
from ui.services.settings import budget, cache_bytes

MAPS_IN_MEMORY = 24
# Of the bytes of all traces together, so much may be taken by the maps that are made of them.
SHARE_OF_CACHE = 0.3
_MAPS: Jobs[Attention] = Jobs(MAPS_IN_MEMORY, lambda: SHARE_OF_CACHE * cache_bytes())
# A number for each attention: the attention itself, as a part of a key, would stay in memory with its maps.
_NUMBERS: WeakKeyDictionary[Attention, int] = WeakKeyDictionary()
_next_number = count()


@dataclass(frozen=True)
class MapRequest:
    """A method, and what it is made of. Visitors whose requests are equal share one map.

    `model` and `inputs` (the arguments of `Model.trace`) are there for a method that needs the model, and `target` is
    what a gradient is of.
    """

    method: str
    att: Attention = field(repr=False)
    model: Model | None = field(default=None, compare=False, repr=False)
    inputs: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    target: str = ""

    @property
    def key(self) -> tuple[int, str, str]:
        """The request without its attention."""
        if self.att not in _NUMBERS:
            _NUMBERS.setdefault(self.att, next(_next_number))
        return _NUMBERS[self.att], self.method, self.target

    def refusal(self) -> str:
        """Return why the method does not fit, in one sentence with the remedy, "" if it fits."""
        return METHODS[self.method].refusal(self.att, self.model)

    def estimate(self) -> Estimate:
        """Return the bytes and seconds of the map."""
        return METHODS[self.method].estimate(self.att, self.model)

    def start(self, estimate: Estimate) -> Job[Attention]:
        """Start the map in its own thread."""
        # Copied here: the job must not keep the request, which a visitor's session drops.
        name, att, model, inputs, target = self.method, self.att, self.model, dict(self.inputs), self.target
        allowed = budget()

        def work(progress: Progress) -> Attention:
            return derive(name, att, model, inputs, target, progress=progress, budget=allowed)

        return Job(work, n_bytes=estimate.n_bytes, seconds=estimate.seconds)


def maps() -> Jobs[Attention]:
    """Return the derived maps of all visitors."""
    return _MAPS
