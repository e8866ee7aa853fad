"""A batch that grows between the blocks of a model: rows that differ only from a layer on share the layers before it.

A row in which a head of layer 7 is switched off is the untouched row up to layer 7. So the pass begins with one row,
and each block first adds its own rows, copies of the first one. The shared model is not changed: its blocks are wrapped
in a shallow copy, which shares the weights.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from models.capture.forward import forward_options
from models.capture.head import replace_at
from models.capture.turns import calling_between_layers

log = logging.getLogger("headlight.models")

# The largest difference of a hidden state from that of the pass of one row, as a share of the largest one.
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4}
_HALF = 2e-2
_grows: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


class _Block(nn.Module):
    """A block that adds rows to what it reads, and is the block in everything else that is asked of it."""

    def __init__(self, block: nn.Module, n_added: int) -> None:
        super().__init__()
        self.__dict__.update(block=block, n_added=n_added)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the block on the rows so far and on the added ones."""
        block, n_added = self.__dict__["block"], self.__dict__["n_added"]
        if not args:
            return block(**{**kwargs, "hidden_states": _grow(kwargs["hidden_states"], n_added)})
        return block(_grow(args[0], n_added), *args[1:], **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["block"], name)


def _grow(states: Tensor, n_added: int) -> Tensor:
    return torch.cat([states, states[:1].expand(n_added, *states.shape[1:])]) if n_added else states


def growing(module: PreTrainedModel, n_added: Sequence[int]) -> PreTrainedModel | None:
    """Return a copy of which block `n` adds `n_added[n]` rows; None if the model has not one list of as many blocks."""
    paths = [name for name, part in module.named_modules() if isinstance(part, nn.ModuleList)]
    paths = [one for one in paths if not any(one.startswith(f"{other}.") for other in paths)]
    if len(paths) != 1:
        return None
    blocks = module.get_submodule(paths[0])
    assert isinstance(blocks, nn.ModuleList)
    if len(blocks) != len(n_added):
        return None
    wrapped = nn.ModuleList([_Block(block, n) for block, n in zip(blocks, n_added, strict=True)])
    return replace_at(module, tuple(paths[0].split(".")), wrapped)


def grows(module: PreTrainedModel, inputs: Mapping[str, Tensor], given: ModelOutput, n_layers: int) -> bool:
    """Return whether a growing batch computes what single rows compute, tried once for each model.

    `given` is what the module gave for `inputs`, one row. Some models fix the number of rows before their blocks.
    """
    if module not in _grows:
        try:
            with calling_between_layers(lambda: None):
                _grows[module] = _try(module, inputs, given, n_layers)
        except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
            log.info("%s does not run with a growing batch: %r", type(module).__name__, error)
            _grows[module] = False
    return _grows[module]


def _try(module: PreTrainedModel, inputs: Mapping[str, Tensor], given: ModelOutput, n_layers: int) -> bool:
    grown = growing(module, [1] * n_layers)
    states = given.get("last_hidden_state")
    if grown is None or states is None:
        return False
    found = grown(**inputs, **forward_options(module)).get("last_hidden_state")
    if found is None or found.shape != (1 + n_layers, *states.shape[1:]):
        return False
    most = _TOLERANCE.get(states.dtype, _HALF) * max(1.0, float(states.float().abs().max()))
    return torch.allclose(found.float(), states.float().expand_as(found), rtol=0, atol=most)
