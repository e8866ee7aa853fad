"""The model that a configuration describes, built without memory for weights and no further than its files allow."""

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

# What a model may make for each tensor of its checkpoint: buffers, parts that the file joins, shared weights, a head.
# Measured: 1.5 at most (MPT, of all families in tests/zoo).
_MADE_FOR_EACH, _MADE_BESIDE = 4, 1_000
# However many names a header holds: 165,000 took more than 45 s. Most families keep the experts of a layer in one
# tensor; NLLB, whose experts are modules, has 13,000 tensors.
_MOST_MADE = 30_000
# A checkpoint that lacks a few layers is opened with a notice; one that lacks more than half is another model's.
_LAYERS_FOR_EACH, _LAYERS_BESIDE = 2, 4
_MAKERS = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.tensor}


class _TooMany(Exception):
    """More tensors are made than the files account for."""


class _Counter(TorchFunctionMode):
    """Counts tensors while they are made, in this thread alone."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._left = most

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _MAKERS:
            self._left -= 1
            if self._left < 0:
                raise _TooMany
        return func(*args, **(kwargs or {}))


def build_skeleton(
    place: ModelFolder, config: PreTrainedConfig, build: Callable[[], PreTrainedModel], stored: Iterable[str]
) -> PreTrainedModel:
    """Return the model that `build` makes, on the meta device.

    Modules are Python objects, of which a configuration of a few bytes can describe millions: building stops as soon
    as there are far more tensors than `stored`, the names in the checkpoint, accounts for.

    Raises:
        BrokenModel: no model can be built of it, or one with far more layers than the checkpoint has.
    """
    stored = set(stored)
    most = min(_MOST_MADE, _MADE_FOR_EACH * len(stored) + _MADE_BESIDE)
    unlike = f"The config.json of {place.name} does not belong to its weights: it describes"
    try:
        with torch.device("meta"), _Counter(most):
            built = build()
    except _TooMany as error:
        raise BrokenModel(
            f"{unlike} more than {most:,} tensors, its files hold {len(stored):,}; save or fetch both again."
        ) from error
    except Exception as error:
        log.exception("building %s", place.name)
        unknown = error.args[0] if isinstance(error, KeyError) and error.args else None
        names = [name for name, value in settings(config.to_dict()) if isinstance(value, str) and value == unknown]
        if names:
            raise BrokenModel(
                f"The config.json of {place.name} says {names[0]} is {str(unknown)[:60]!r}, which this version of "
                "transformers does not know: save the model again or update transformers."
            ) from error
        raise BrokenModel(
            f"The config.json of {place.name} makes no model ({short_message(error)}): save or fetch the model again."
        ) from error
    n_built, n_stored = _n_layers(name for name, _ in built.named_parameters()), _n_layers(stored)
    if n_stored and n_built > _LAYERS_FOR_EACH * n_stored + _LAYERS_BESIDE:
        raise BrokenModel(f"{unlike} {n_built:,} layers, its files hold {n_stored:,}; save or fetch both again.")
    return built


def _n_layers(names: Iterable[str]) -> int:
    """Return the size of the largest group of names that differ in one number: `layer.0.weight`, `layer.1.weight`."""
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for found in re.finditer(r"(?<=\.)\d+(?=\.)|^\d+(?=\.)", name):
            groups[f"{name[: found.start()]}#{name[found.end() :]}"].add(found[0])
    return max(map(len, groups.values()), default=0)
