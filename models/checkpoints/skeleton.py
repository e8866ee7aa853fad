"""The model that a configuration describes, built without memory for weights and no larger than its files allow."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedConfig, PreTrainedModel

from models.checkpoints.config import settings
from models.checkpoints.locate import ModelFolder
from models.errors import BrokenModel, short_message

log = logging.getLogger("headlight.models")

# How many tensors a model may make for each tensor of its checkpoint: buffers, parts that the file joins, shared
# weights, a head. Measured: 1.5 at most (MPT, of all families in tests/zoo).
_MADE_PER_STORED, _MADE_IN_ADDITION = 4, 1_000
# The limit for any header: 165,000 tensors took more than 45 s. Most families keep the experts of a layer in one
# tensor. NLLB, whose experts are modules, has 13,000 tensors.
_MAX_MADE = 30_000
# A checkpoint that lacks a few layers is opened with a notice. One that lacks more than half belongs to another model.
_LAYERS_PER_STORED, _LAYERS_IN_ADDITION = 2, 4
_MAKERS = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.tensor}


class _TooMany(Exception):
    """The model has many more tensors than its files."""


class _Counter(TorchFunctionMode):
    """Counts the tensors that this thread makes."""

    def __init__(self, maximum: int) -> None:
        super().__init__()
        self._left = maximum

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _MAKERS:
            self._left -= 1
            if self._left < 0:
                raise _TooMany
        return func(*args, **(kwargs or {}))


def build_skeleton(
    folder: ModelFolder, config: PreTrainedConfig, build: Callable[[], PreTrainedModel], stored: Iterable[str]
) -> PreTrainedModel:
    """Return the model that `build` makes, on the meta device.

    `stored` are the names in the checkpoint. A configuration of a few bytes can describe millions of modules, which are
    Python objects, so building stops as soon as there are far more tensors than names.

    Raises:
        BrokenModel: no model can be built from it, or one with far more layers than the checkpoint has.
    """
    stored = set(stored)
    maximum = min(_MAX_MADE, _MADE_PER_STORED * len(stored) + _MADE_IN_ADDITION)
    unlike = f"The config.json of {folder.name} does not belong to its weights: it describes"
    try:
        with torch.device("meta"), _Counter(maximum):
            built = build()
    except _TooMany as error:
        raise BrokenModel(
            f"{unlike} more than {maximum:,} tensors, its files contain {len(stored):,}; save or fetch both again."
        ) from error
    except Exception as error:
        log.exception("building %s", folder.name)
        unknown = error.args[0] if isinstance(error, KeyError) and error.args else None
        names = [name for name, value in settings(config.to_dict()) if isinstance(value, str) and value == unknown]
        if names:
            raise BrokenModel(
                f"The config.json of {folder.name} says {names[0]} is {str(unknown)[:60]!r}, which this version of "
                "transformers does not know: save the model again or update transformers."
            ) from error
        raise BrokenModel(
            f"The config.json of {folder.name} does not make a model ({short_message(error)}): save or fetch the model "
            "again."
        ) from error
    n_built, n_stored = _count_layers(name for name, _ in built.named_parameters()), _count_layers(stored)
    if n_stored and n_built > _LAYERS_PER_STORED * n_stored + _LAYERS_IN_ADDITION:
        raise BrokenModel(f"{unlike} {n_built:,} layers, its files contain {n_stored:,}; save or fetch both again.")
    return built


def _count_layers(names: Iterable[str]) -> int:
    """Return the size of the largest group of names that differ in one number: `layer.0.weight`, `layer.1.weight`."""
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for found in re.finditer(r"(?<=\.)\d+(?=\.)|^\d+(?=\.)", name):
            groups[f"{name[: found.start()]}#{name[found.end() :]}"].add(found[0])
    return max(map(len, groups.values()), default=0)
