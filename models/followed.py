"""A model whose pass and answers somebody follows: a shallow copy that shares all else with the model."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Protocol, runtime_checkable

from transformers.utils import ModelOutput

from models.answers import Answers, Passed
from models.capture.cost import Costs
from models.capture.forward import Layers
from models.forward_pass import ForwardPass, PassCall
from models.model import Model
from models.outputs import Outputs

Read = Callable[[Passed], Outputs]


@runtime_checkable
class Follower(Protocol):
    """Stands around the pass of a model, and around the reading of its answers, which follows in the same turn."""

    def capture(self, own: ForwardPass, call: PassCall) -> tuple[list[Layers], ModelOutput]:
        """Run the pass, of which `own` is the usual one."""

    def answer(self, read: Read, passed: Passed) -> Outputs:
        """Return the answers of the pass; `read` is the usual way to read a row."""


def followed(model: Model, follower: Follower, costs: Costs) -> Model:
    """Return a copy of a model that a follower stands around, and whose passes have other costs."""
    copied = copy.copy(model)
    copied.costs = costs
    copied._pass = _Pass(model._pass, costs, follower)
    own = {each.name: getattr(model._answers, each.name) for each in fields(Answers)}
    copied._answers = _Answers(**own, follower=follower)
    return copied


class _Pass(ForwardPass):
    def __init__(self, own: ForwardPass, costs: Costs, follower: Follower) -> None:
        self.__dict__.update(vars(own))
        self._costs, self._own, self._follower = costs, own, follower

    def capture(self, call: PassCall) -> tuple[list[Layers], ModelOutput]:
        return self._follower.capture(self._own, call)


@dataclass(frozen=True)
class _Answers(Answers):
    follower: Follower | None = field(default=None, repr=False)

    def read(self, passed: Passed) -> Outputs:
        assert self.follower is not None  # `followed` gives it
        return self.follower.answer(super().read, passed)
