"""A name to a `Model`: find its folder, refuse what is unsafe, load it, prove it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_MAPPING,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from models.capture import IMPLEMENTATION
from models.errors import (
    BrokenModel,
    NotEnoughMemory,
    NoTokenizer,
)
from models.memory import admit
from models.model import (
    Model,
)
from models.places import Place, brief, locate, read_config, refuse_unsafe, weight_files
from models.proof import TOLERANCE, Senses, proven

log = logging.getLogger("headlight.models")


def load_model(
    name: str, *, revision: str | None = None, device: str = "auto", dtype: str | torch.dtype = "float32"
) -> Model:
    """Load a model by bundled name ("minilm"), local `save_pretrained` folder, or Hugging Face hub id.

    `device` is "auto" (cuda, then mps, then cpu) or a torch device; `dtype` a torch dtype or its name. Loading ends
    with a proof: replayed weights are compared with the model's own eager ones on a short text, and a family for
    which they differ is captured from `output_attentions` instead (`model.card.proof` has the worst difference).

    Raises:
        HeadlightError: one of its kinds, each with a sentence that says what to do.
    """
    place = locate(name, revision)
    config = read_config(place)
    refuse_unsafe(place)
    torch_dtype, torch_device = _dtype(dtype), _device(device)
    _admit(place, torch_dtype)
    senses = _load_senses(place, config)
    module, notices = _load_module(place, config, torch_dtype)
    try:
        nn.Module.to(module, torch_device)
        module.eval().requires_grad_(False)
    except RuntimeError as error:
        log.exception("moving %s to %s", place.name, torch_device)
        raise NotEnoughMemory(f"{place.name} does not fit on {torch_device}: load it with device='cpu'.") from error
    return proven(module, senses, place, notices)


def _admit(place: Place, dtype: torch.dtype) -> None:
    n_bytes = 0
    for path in weight_files(place):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                    n_bytes += torch.Size(file.get_slice(name).get_shape()).numel() * dtype.itemsize
        except FileNotFoundError as error:
            raise BrokenModel(f"{path.name} of {place.name} is missing: fetch the model again.") from error
        except (OSError, SafetensorError) as error:
            raise BrokenModel(
                f"{path.name} of {place.name} is no whole safetensors file ({brief(error)}): fetch it again."
            ) from error
    admit(int(1.2 * n_bytes), f"Loading {place.name}", "choose a smaller model, a half dtype, or close other programs")


def _load_senses(place: Place, config: PreTrainedConfig) -> Senses:
    """Return the processor of a model that reads pictures, else the tokenizer."""
    kind = MODEL_MAPPING.get(type(config), None)
    if getattr(kind, "main_input_name", "") != "pixel_values" or not hasattr(config, "patch_size"):
        return Senses(_load_tokenizer(place))
    try:
        return Senses(images=AutoImageProcessor.from_pretrained(place.folder, local_files_only=True))
    except Exception as error:
        log.exception("image processor of %s", place.name)
        raise NoTokenizer(
            f"{place.name} reads pictures and has no image processor that loads: save the one it was trained with "
            "into the same folder (processor.save_pretrained)."
        ) from error


def _load_tokenizer(place: Place) -> PreTrainedTokenizerBase:
    refusal = (
        f"{place.name} has no tokenizer that loads: save the one it was trained with into the same folder "
        "(tokenizer.save_pretrained)."
    )
    try:
        tokenizer = AutoTokenizer.from_pretrained(place.folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        log.exception("tokenizer of %s", place.name)
        raise NoTokenizer(refusal) from error
    # transformers builds an empty tokenizer where a folder has no vocabulary at all.
    names = {"tokenizer.json", *tokenizer.vocab_files_names.values()}
    if not any((place.folder / name).exists() for name in names if isinstance(name, str)):
        raise NoTokenizer(refusal)
    return tokenizer


def _load_module(place: Place, config: PreTrainedConfig, dtype: torch.dtype) -> tuple[PreTrainedModel, tuple[str, ...]]:
    auto = _auto_class(config)
    options: dict[str, Any] = {
        "config": config,
        "dtype": dtype,
        "use_safetensors": True,
        "local_files_only": True,
        "trust_remote_code": False,
        "output_loading_info": True,
        "ignore_mismatched_sizes": True,  # to name them, below
    }
    try:
        try:
            module, info = auto.from_pretrained(place.folder, attn_implementation=IMPLEMENTATION, **options)
            on_interface = _switches(module)
        except (ValueError, ImportError, KeyError) as error:
            log.info("%s is not on the attention interface: %s", place.name, error)
            on_interface = False
        if not on_interface:
            module, info = auto.from_pretrained(place.folder, attn_implementation="eager", **options)
    except Exception as error:
        log.exception("loading %s", place.name)
        raise BrokenModel(f"{place.name} does not load ({brief(error)}): save or fetch it again.") from error
    for name, found, expected in sorted(info["mismatched_keys"]):
        raise BrokenModel(
            f"The config.json of {place.name} does not belong to its weights: {name} has the shape {tuple(found)}, "
            f"expected {tuple(expected)}; save or fetch both again."
        )
    return module, _loading_notices(module, info["missing_keys"], info["unexpected_keys"])


def _auto_class(config: PreTrainedConfig) -> Any:
    """Return what loads the model: with its head where that head lets it write."""
    if config.is_encoder_decoder:
        return AutoModelForSeq2SeqLM
    head = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type)
    writes = head in (config.architectures or ()) and not _is_bidirectional(config)
    return AutoModelForCausalLM if writes else AutoModel


def _is_bidirectional(config: PreTrainedConfig) -> bool:
    # BERT and its kin have a causal head as well, for use as a decoder.
    return getattr(config, "is_decoder", None) is False and type(config) in MODEL_FOR_MASKED_LM_MAPPING


def _switches(module: PreTrainedModel) -> bool:
    """Return whether a model is on the attention interface: only then its implementation can be switched.

    Other families may take any name and then build the masks of that name for attention that expects eager's:
    Bloom would attend to what comes later.
    """
    module.set_attn_implementation("eager")
    switched = module.config._attn_implementation == "eager"
    if switched:
        module.set_attn_implementation(IMPLEMENTATION)
    return switched


def _loading_notices(module: nn.Module, missing: Iterable[str], unexpected: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for weights that the checkpoint lacks, and one for layers of it that are not in the model."""
    notices = []
    lacking = sorted(name for name in missing if "pooler" not in name and not name.endswith("position_ids"))
    if lacking:
        shown = ", ".join(lacking[:3]) + (", …" if len(lacking) > 3 else "")
        were = (
            "weight is not in the checkpoint and was"
            if len(lacking) == 1
            else "weights are not in the checkpoint and were"
        )
        notices.append(
            f"{len(lacking)} {were} initialised at random ({shown}): "
            "do not trust pictures of the layers that they belong to."
        )
    # A head on top (a classifier) may be left out; a layer of the same build as those that were loaded may not.
    builds = {re.sub(r"\d+", "#", name) for name in module.state_dict()}
    left_out = sorted(name for name in unexpected if re.sub(r"\d+", "#", name) in builds)
    if left_out:
        notices.append(
            f"The checkpoint has layers that config.json does not count ({left_out[0]}, …): "
            "the model shown is shorter than the one that was trained."
        )
    return tuple(notices)


def _device(device: str) -> torch.device:
    n_devices = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if n_devices[name]))
    try:
        wanted = torch.device(device)
    except (RuntimeError, ValueError):
        wanted = None
    if wanted is None or (wanted.index or 0) >= n_devices.get(wanted.type, 0):
        here = ", ".join(name for name, n_found in n_devices.items() if n_found)
        raise BrokenModel(f"There is no device {device[:40]!r} on this machine: give auto or one of {here}.")
    return wanted


def _dtype(dtype: str | torch.dtype) -> torch.dtype:
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or found not in TOLERANCE:
        names = ", ".join(str(known).removeprefix("torch.") for known in TOLERANCE)
        raise BrokenModel(f"There is no dtype {str(dtype)[:40]!r} for models: give one of {names}.")
    return found
