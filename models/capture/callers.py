"""Which module calls a function of torch: read from the stack of this thread, so that no hook is needed."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

# Arguments of a forward that are no sequence to attend to.
_NO_SEQUENCE = re.compile(r"mask|bias|pos|rope|rotary|freq|cos|sin|cache|past|scale|shift|gate|cond|time|edge", re.I)


@dataclass(frozen=True)
class Caller:
    """A module on the stack, its name in the whole module, and the tensors that its running function was given."""

    name: str
    module: nn.Module
    given: dict[str, Tensor]


class Callers:
    """Finds the callers among the parts of one module."""

    def __init__(self, module: nn.Module) -> None:
        self._names = {id(part): name for name, part in module.named_modules()}

    def find(self) -> Iterator[Caller]:
        """Yield the modules whose functions run now in this thread, the innermost first."""
        frame = sys._getframe(1)
        while frame is not None:
            found = frame.f_locals.get("self") if "self" in frame.f_code.co_varnames else None
            if isinstance(found, nn.Module) and id(found) in self._names:
                yield Caller(self._names[id(found)], found, _given_tensors(frame))
            frame = frame.f_back  # type: ignore[assignment]

    def innermost(self) -> Caller | None:
        """Return the module that calls, None if no part of the module does."""
        return next(self.find(), None)

    def attend_elsewhere(self, query: Tensor, key: Tensor) -> bool:
        """Return whether the module that computes attention was given another sequence for its keys.

        Functions that were given the queries themselves, already projected, are passed over.
        """
        for caller in self.find():
            given = [(name, one) for name, one in caller.given.items() if one.is_floating_point() and one.dim() > 1]
            if not given or any(one is query or one is key or one.shape == query.shape for _, one in given):
                continue
            (_, first), *others = given
            n_key = key.shape[-2]
            return any(
                one is not first
                and one.dim() == first.dim()
                and n_key in one.shape[:-1]
                and not _NO_SEQUENCE.search(name)
                and not (one.shape == first.shape and torch.equal(one, first))
                for name, one in others
            )
        return False


def _given_tensors(frame: Any) -> dict[str, Tensor]:
    code, values = frame.f_code, frame.f_locals
    n_named = code.co_argcount + code.co_kwonlyargcount
    found = {name: values.get(name) for name in code.co_varnames[:n_named]}
    more = code.co_varnames[n_named : n_named + 2]
    if code.co_flags & inspect.CO_VARARGS:
        found.update({f"{more[0]}{n}": one for n, one in enumerate(values.get(more[0]) or ())})
    if code.co_flags & inspect.CO_VARKEYWORDS:
        found.update(values.get(more[1 if code.co_flags & inspect.CO_VARARGS else 0]) or {})
    return {name: one for name, one in found.items() if isinstance(one, Tensor)}
