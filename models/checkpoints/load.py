"""A name to a `Model`: find its folder, refuse what is unsafe, load it, prove it."""

from __future__ import annotations

import logging
import os
import threading

import torch
from torch import nn
from transformers import MODEL_MAPPING, AutoImageProcessor, PreTrainedConfig

from models.checkpoints.config import read_config
from models.checkpoints.health import weight_notices
from models.checkpoints.limits import refuse_absurd_pictures
from models.checkpoints.locate import ModelFolder, locate, refuse_unsafe_weights
from models.checkpoints.tokenizer import load_tokenizer, tokenizer_notices
from models.checkpoints.verify import TOLERANCE, InputProcessors, proven
from models.checkpoints.weights import admit_checkpoint, load_module
from models.errors import BrokenModel, NotEnoughMemory, NoTokenizer
from models.model import Model

log = logging.getLogger("headlight.models")
# Two models that are loaded at once take the memory of both at their peak, after each was admitted alone. A thread
# that loads a model while it loads another would wait for itself with a plain lock.
_one_at_a_time = threading.RLock()


def load_model(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    device: str | int | torch.device = "auto",
    dtype: str | torch.dtype = "float32",
) -> Model:
    """Load a model by bundled name ("minilm"), local `save_pretrained` folder, or Hugging Face hub id.

    `device` is "auto" (cuda, then mps, then cpu), a torch device or the number of a GPU; `dtype` a torch dtype or its
    name. Loading ends with a proof: replayed weights are compared with the model's own eager ones on a short text, and
    a family for which they differ is captured from `output_attentions` instead (`model.card.proof` has the worst
    difference). One model is loaded at a time; those that are loaded do not wait.

    Raises:
        HeadlightError: one of its kinds, each with a sentence that says what to do.
    """
    place = locate(name, revision)
    with _one_at_a_time:
        return _loaded(place, _dtype(dtype), _device(device))


def _loaded(place: ModelFolder, torch_dtype: torch.dtype, torch_device: torch.device) -> Model:
    config = read_config(place)
    refuse_unsafe_weights(place)
    admit_checkpoint(place, config, torch_dtype)
    senses = _load_senses(place, config)
    module, notices = load_module(place, config, torch_dtype)
    try:
        nn.Module.to(module, torch_device)
        module.eval().requires_grad_(False)
    except RuntimeError as error:
        log.exception("moving %s to %s", place.name, torch_device)
        raise NotEnoughMemory(f"{place.name} does not fit on {torch_device}: load it with device='cpu'.") from error
    notices = (*notices, *weight_notices(module))
    if senses.tokenizer is not None:
        notices = (*notices, *tokenizer_notices(senses.tokenizer, module))
    return proven(module, senses, place, notices)


def _load_senses(place: ModelFolder, config: PreTrainedConfig) -> InputProcessors:
    """Return the processor of a model that reads pictures, else the tokenizer."""
    kind = MODEL_MAPPING.get(type(config), None)
    if getattr(kind, "main_input_name", "") != "pixel_values" or not hasattr(config, "patch_size"):
        return InputProcessors(load_tokenizer(place, config))
    refuse_absurd_pictures(place.folder, place.name)
    try:
        return InputProcessors(
            images=AutoImageProcessor.from_pretrained(place.folder, config=config, local_files_only=True)
        )
    except Exception as error:
        log.exception("image processor of %s", place.name)
        raise NoTokenizer(
            f"{place.name} reads pictures and has no image processor that loads: save the one it was trained with "
            "into the same folder (processor.save_pretrained)."
        ) from error


def _device(device: str | int | torch.device) -> torch.device:
    n_devices = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if n_devices[name]))
    try:
        wanted = torch.device(device)
    except (RuntimeError, TypeError, ValueError):
        wanted = None
    if wanted is None or (wanted.index or 0) >= n_devices.get(wanted.type, 0):
        here = ", ".join(name for name, n_found in n_devices.items() if n_found)
        raise BrokenModel(f"There is no device {str(device)[:40]!r} on this machine: give auto or one of {here}.")
    return wanted


def _dtype(dtype: str | torch.dtype) -> torch.dtype:
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or found not in TOLERANCE:
        names = ", ".join(str(known).removeprefix("torch.") for known in TOLERANCE)
        raise BrokenModel(f"There is no dtype {str(dtype)[:40]!r} for models: give one of {names}.")
    return found
