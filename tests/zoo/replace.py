"""Other weights in the place of captured ones: if the output stays, the captured attention is not the one in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from models.capture.interface import recording
from models.capture.replay import Replay

SOFTMAX = (torch.ops.aten._softmax.default, torch.ops.aten._safe_softmax.default)
# Reformer's weights are the exponential of a difference.
LIKE_SOFTMAX = (*SOFTMAX, torch.ops.aten.exp.default)


def changed_by_replay(run: Callable[[], Tensor]) -> float:
    """Return how far the output moves when every replayed weight that it is made of is the same."""
    with recording(through_weights=True):
        before = run()
    with (
        patch.object(Replay, "band", uniform),
        recording(through_weights=True),
    ):
        return float((before - run()).abs().max())


def uniform(replay: Replay, heads: slice, queries: slice) -> tuple[Tensor, int]:
    """Return the same weight for every pair in the place of `Replay.band`."""
    n_heads, n_query, n_key = replay.shape
    shape = (len(range(n_heads)[heads]), len(range(n_query)[queries]), n_key)
    return torch.full(shape, 1 / n_key), 0


def changed_by_softmax(run: Callable[[], Tensor], captured: list[Tensor]) -> float:
    """Return how far the output moves when the softmaxes that gave `captured` give uniform rows, `[head, query, key]`.

    Raises:
        LookupError: captured weights that no softmax of the pass gave.
    """
    with _Softmaxes(captured=captured) as found:
        before = run()
    if len(found.places) < len(captured):
        raise LookupError(f"{len(captured) - len(found.places)} layers of captured weights came from no softmax.")
    with _Softmaxes(replaced=set(found.places.values())):
        return float((before - run()).abs().max())


def counted_softmaxes(run: Callable[[], Any]) -> tuple[Any, int]:
    """Return what a pass gives, and how many softmaxes it took."""
    with _Softmaxes() as found:
        return run(), found.softmaxes


class _Softmaxes(TorchDispatchMode):
    """Counts the softmaxes of a pass: finds those whose result was captured, or replaces those of given numbers."""

    def __init__(self, *, captured: list[Tensor] | None = None, replaced: set[int] | None = None) -> None:
        super().__init__()
        self.captured, self.replaced = captured or [], replaced or set()
        self.places: dict[int, int] = {}
        self.count = self.softmaxes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func not in LIKE_SOFTMAX:
            return result
        self.count += 1
        self.softmaxes += func in SOFTMAX
        if self.count in self.replaced:
            return torch.full_like(result, 1 / result.shape[-1])
        for layer, weights in enumerate(self.captured):
            if layer not in self.places and _holds(result, weights):
                self.places[layer] = self.count
        return result


def _holds(result: Tensor, weights: Tensor) -> bool:
    """Return whether a softmax gave these weights, as a whole, or among prompts, sinks or other keys that are cut."""
    if result.numel() == weights.numel():
        return torch.equal(result.reshape(weights.shape), weights)
    n_query, n_key = weights.shape[-2:]
    if result.dim() < 3 or result.shape[-2] < n_query or result.shape[-1] < n_key or result.shape[-3] != len(weights):
        return False
    held = result.reshape(-1, *result.shape[-2:])[: len(weights)]
    rows = (held[:, :n_query], held[:, -n_query:])
    return any(torch.equal(part, weights) for some in rows for part in (some[..., :n_key], some[..., -n_key:]))
