"""A name to a `Model`: find its folder, refuse what is unsafe, load it, verify it."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from models.arguments import checked
from models.checkpoints.access import ANYTHING, Access
from models.checkpoints.build import build_model
from models.checkpoints.config import read_config
from models.checkpoints.files import refuse_unsafe_weights, revision_of
from models.checkpoints.gguf_files import alone
from models.checkpoints.health import weight_notices
from models.checkpoints.in_memory import load_in_memory
from models.checkpoints.locate import ModelFolder, locate
from models.checkpoints.processors import load_processors
from models.checkpoints.sentence_pooling import read_pooling
from models.checkpoints.tokenizer import tokenizer_notices
from models.checkpoints.verify import TOLERANCE, verify_capture
from models.checkpoints.weights import admit_checkpoint, load_module
from models.errors import BrokenModel, NotEnoughMemory, NoTokenizer
from models.model import Model

log = logging.getLogger("headlight.models")
# Two models that are loaded at once take the memory of both at their peak, although each was admitted alone. With a
# plain lock, a thread that loads a model while it loads another would wait for itself. And while transformers loads a
# model, `tie_weights` of all models does nothing: whoever builds a model holds this lock as well.
one_at_a_time = threading.RLock()


@checked
def load_model(
    name: str | os.PathLike[str] | Any,
    tokenizer: Any = None,
    *,
    images: Any = None,
    revision: str | None = None,
    device: str | int | torch.device = "auto",
    dtype: str | torch.dtype = "float32",
    access: Access = ANYTHING,
) -> Model:
    """Load a model by bundled name ("minilm"), local `save_pretrained` folder, or Hugging Face hub id.

    A model of transformers in memory is given as `load_model(module, tokenizer)`, or `load_model(module,
    images=processor)` if it reads pictures. It may be compiled, in `nn.DataParallel`, with an adapter of peft, or in a
    pipeline, a `Trainer` or a `SentenceTransformer`, which have a tokenizer. It is used as it is: on its device, in its
    dtype, with its hooks. It does not change: only during a pass, its attention function is another one and compiled
    parts run as they were written. Its weights are read anew in each trace. Between traces it may be trained.

    `device` is "auto" (cuda, then mps, then cpu), a torch device or the number of a GPU; `dtype` a torch dtype or its
    name. Loading ends with a proof: replayed weights are compared with the model's own eager ones on a short text. A
    family for which they differ is captured from `output_attentions` instead. `model.card.proof` is the largest
    difference. `access` is what a server lets its visitors open. One model is loaded at a time; traces of loaded models
    do not wait.

    Raises:
        HeadlightError: one of its kinds, each with a sentence that gives the remedy.
    """
    if not isinstance(name, str | os.PathLike):
        if (revision, device, dtype) != (None, "auto", "float32"):
            raise BrokenModel(
                "A model in memory is read on its device and in its dtype: leave out revision, device and dtype, and "
                "call its to(...) before."
            )
        with one_at_a_time:
            return load_in_memory(name, tokenizer, images)
    if tokenizer is not None or images is not None:
        raise NoTokenizer(
            "A tokenizer or an image processor is given together with a model in memory; a folder has its own: save it "
            "into the folder (save_pretrained), or give the module."
        )
    folder = locate(name, revision, access)
    with one_at_a_time:
        wanted = _find_dtype(dtype), _find_device(device)
        with alone(folder) as folder:
            return _load(folder, *wanted)


def _load(folder: ModelFolder, dtype: torch.dtype, device: torch.device) -> Model:
    config = read_config(folder)
    refuse_unsafe_weights(folder)
    admit_checkpoint(folder, config, dtype)
    processors = load_processors(folder, config)
    module, notices = load_module(folder, config, dtype)
    _move(module, device, folder.name)
    notices = (*folder.notices, *notices, *weight_notices(module))
    if processors.tokenizer is not None:
        notices = (*notices, *tokenizer_notices(processors.tokenizer, module))
    verified = verify_capture(module, processors, folder.name)
    if processors.pictures is not None and verified.unread_picture:
        processors = replace(processors, pictures=None, notices=(verified.unread_picture,))
    pooling, of_pooling = read_pooling(folder)
    processors = replace(processors, pooling=pooling)
    notices = (*notices, *processors.notices, *of_pooling)
    return build_model(module, processors, (folder.name, revision_of(folder)), verified, notices)


def _move(module: PreTrainedModel, device: torch.device, name: str) -> None:
    try:
        nn.Module.to(module, device)
        module.eval().requires_grad_(False)
    except RuntimeError as error:
        log.exception("moving %s to %s", name, device)
        raise NotEnoughMemory(f"{name} does not fit on {device}: load it with device='cpu'.") from error


def _find_device(device: str | int | torch.device) -> torch.device:
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


def _find_dtype(dtype: str | torch.dtype) -> torch.dtype:
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or found not in TOLERANCE:
        names = ", ".join(str(known).removeprefix("torch.") for known in TOLERANCE)
        raise BrokenModel(f"There is no dtype {str(dtype)[:40]!r} for models: give one of {names}.")
    return found
