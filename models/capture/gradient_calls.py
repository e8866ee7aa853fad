"""Attention calls whose weights have a gradient, and the context in which a pass computes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from models.capture.interventions import Intervention, Place, Unchanged
from models.capture.replay import ALL, Replay
from models.errors import NoAttention


class WithGradients(Unchanged):
    """Computes the output of each call from weights that have a gradient; `own` is what else changes the pass."""

    def __init__(self, own: Intervention | None, name: str) -> None:
        self.weights: dict[Place, Tensor] = {}
        self._own = own or Unchanged()
        self._name = name

    def hidden_keys(self, place: Place, n_key: int) -> Tensor | None:
        """Return those of the other change."""
        return self._own.hidden_keys(place, n_key)

    def change_output(self, place: Place, replays: Sequence[Replay], value: Tensor, output: Tensor) -> Tensor:
        """Return the output of the same weights, now with a gradient, and with the other change."""
        if not torch.is_grad_enabled():
            raise NoAttention(f"{self._name} computes its layers without gradients: choose another model.")
        (replay,) = replays
        weights = replay.rows(ALL, ALL)[None]
        if not weights.requires_grad:  # nothing before it has a gradient: the weights of the model need none
            weights.requires_grad_()
        self.weights[place] = weights
        value = value.repeat_interleave(weights.shape[1] // value.shape[1], dim=1)
        output = (weights.to(value.dtype) @ value).transpose(1, 2).contiguous()
        return self._own.change_output(place, replays, value, output)


@contextmanager
def computing_gradients() -> Iterator[None]:
    """Compute with gradients in a turn, whose own context forbids them."""
    with torch.inference_mode(False), torch.enable_grad(), _NormalTensors():
        yield


class _NormalTensors(TorchFunctionMode):
    """Reads tensors of inference mode as normal ones, which a gradient may pass: tables that an earlier pass left."""

    def __init__(self) -> None:
        super().__init__()
        self._copies: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tree_map_only(Tensor, self._read, (args, kwargs or {}))
        return func(*args, **kwargs)

    def _read(self, tensor: Tensor) -> Tensor:
        if not tensor.is_inference():
            return tensor
        if id(tensor) not in self._copies:
            # The tensor is kept too, so that no other one can take its id.
            self._copies[id(tensor)] = (tensor, tensor.clone())
        return self._copies[id(tensor)][1]
