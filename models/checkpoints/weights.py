"""A folder's weights: looked at before any memory is taken, loaded, and compared with what config.json describes."""

from __future__ import annotations

import copy
import logging
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_MAPPING,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from models.capture.interface import IMPLEMENTATION
from models.checkpoints.headers import Stored, read_headers
from models.checkpoints.locate import ModelFolder, weight_files, weight_map
from models.checkpoints.skeleton import build_skeleton
from models.errors import BrokenModel, ForeignFormat, NotEnoughMemory, short_message
from models.memory import admit, readable

log = logging.getLogger("headlight.models")

_FLOATS = {"F16", "BF16", "F32", "F64"}
# What config.json describes may exceed the files (shared weights, a head on top), but not by this and a gigabyte.
_MOST_ABSENT = 4


def admit_checkpoint(place: ModelFolder, config: PreTrainedConfig, dtype: torch.dtype) -> None:
    """Let a checkpoint through that is whole, holds exact weights and fits in memory, from its headers alone.

    Raises:
        BrokenModel: a file is missing or damaged, or config.json describes a far larger model.
        ForeignFormat: the weights are quantised.
        NotEnoughMemory: the estimate exceeds what is free.
    """
    stored = _stored(place)
    for name, tensor in sorted(stored.items()):
        # Position ids and masks are whole numbers in many checkpoints; matrices never are.
        if name.endswith(("weight", "blocks", "packed", "weight_scale_inv")) and tensor.dtype not in _FLOATS:
            raise ForeignFormat(
                f"{place.name} is quantised ({name[:120]} has the type {tensor.dtype}), expected float32, float16 or "
                "bfloat16: choose the model that it was made from."
            )
    built = build_skeleton(place, config, lambda: _untrained(config), stored)
    n_stored = sum(torch.Size(tensor.shape).numel() for tensor in stored.values())
    n_parameters = sum(parameter.numel() for parameter in built.parameters())
    n_described = n_parameters + sum(buffer.numel() for buffer in built.buffers())
    n_bytes, n_bytes_described = n_stored * dtype.itemsize, n_described * dtype.itemsize
    if n_bytes_described > _MOST_ABSENT * n_bytes + 10**9:
        raise BrokenModel(
            f"The config.json of {place.name} does not belong to its weights: it describes "
            f"{readable(n_bytes_described)}, its files hold {readable(n_bytes)}; save or fetch both again."
        )
    needed = int(1.2 * max(n_stored, n_parameters) * dtype.itemsize)
    admit(needed, f"Loading {place.name}", "choose a smaller model, a half dtype, or close other programs")


def _stored(place: ModelFolder) -> dict[str, Stored]:
    held = read_headers(weight_files(place), place.name)
    for weight, file in sorted(weight_map(place).items()):
        if weight not in held.get(place.folder / file, {}):
            raise BrokenModel(
                f"{Path(file).name[:80]} of {place.name} lacks {weight[:120]}, which the weight index expects in it: "
                "fetch or save the model again."
            )
    return {weight: tensor for found in held.values() for weight, tensor in found.items()}


def load_module(
    place: ModelFolder, config: PreTrainedConfig, dtype: torch.dtype
) -> tuple[PreTrainedModel, tuple[str, ...]]:
    """Return a model with its weights, and a sentence for each way in which the checkpoint is not its own.

    Raises:
        BrokenModel: it does not load, or its weights belong to another configuration.
        NotEnoughMemory: the system refuses the memory in spite of the estimate.
    """
    kind = _model_class(config)
    if _is_encoder_alone(kind):
        config.is_encoder_decoder = False  # older configs say what the whole was
    in_full: tuple[str, ...] = ()
    if getattr(config, "attention_type", None) == "block_sparse":
        # BigBird changes itself to this, for good, with the first short text: nothing may change on a shared model.
        config.attention_type = "original_full"
        in_full = (
            "This model's block-sparse attention is computed in full: in short texts it does so itself, in long "
            "ones it would see only some blocks, so what is shown there is more than it was trained with.",
        )
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
            module, info = kind.from_pretrained(place.folder, attn_implementation=IMPLEMENTATION, **options)
            on_interface = _switches(module)
        except (ValueError, ImportError, KeyError) as error:
            log.info("%s is not on the attention interface: %s", place.name, error)
            on_interface = False
        if not on_interface:
            module, info = kind.from_pretrained(place.folder, attn_implementation="eager", **options)
    except Exception as error:
        log.exception("loading %s", place.name)
        if isinstance(error, MemoryError) or "unable to mmap" in str(error) or "allocate memory" in str(error):
            raise NotEnoughMemory(
                f"{place.name} takes more memory than is free: choose a smaller model or close other programs."
            ) from error
        raise BrokenModel(f"{place.name} does not load ({short_message(error)}): save or fetch it again.") from error
    for name, found, expected in sorted(info["mismatched_keys"]):
        raise BrokenModel(
            f"The config.json of {place.name} does not belong to its weights: {name} has the shape {tuple(found)}, "
            f"expected {tuple(expected)}; save or fetch both again."
        )
    if not module._keep_in_fp32_modules and not module._keep_in_fp32_modules_strict:
        for parameter in module.parameters():  # XLNet and DeBERTa make some in float32 and then fail
            if parameter.is_floating_point():
                parameter.data = parameter.data.to(dtype)
    return module, (*_notices(module, place, info["missing_keys"], info["unexpected_keys"]), *in_full)


def _model_class(config: PreTrainedConfig) -> Any:
    """Return what loads the model: with its head where that head lets it write, an encoder saved alone as that."""
    alone = _encoder_alone(config)
    if alone is not None:
        return alone
    if config.is_encoder_decoder:
        return AutoModelForSeq2SeqLM
    head = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type)
    writes = head in (config.architectures or ()) and not _is_bidirectional(config)
    return AutoModelForCausalLM if writes else AutoModel


def _encoder_alone(config: PreTrainedConfig) -> type[PreTrainedModel] | None:
    """Return the class of an encoder of text that was saved without the rest of its family's model (sentence-T5).

    No auto class knows them all, so it is looked for beside the family's own, by the name that config.json gives.
    """
    family = MODEL_MAPPING.get(type(config), None)
    named = str(next(iter(config.architectures or ()), ""))
    if family is None or not re.fullmatch(r"\w+Encoder(Model)?", named):
        return None
    found = getattr(sys.modules[family.__module__], named, None)
    if not isinstance(found, type) or not issubclass(found, PreTrainedModel) or found.main_input_name != "input_ids":
        return None
    return found if found.config_class is type(config) else None


def _untrained(config: PreTrainedConfig) -> PreTrainedModel:
    own, kind = copy.deepcopy(config), _model_class(config)
    built: PreTrainedModel = kind(own) if _is_encoder_alone(kind) else kind.from_config(own, trust_remote_code=False)
    return built


def _is_encoder_alone(kind: Any) -> bool:
    return issubclass(kind, PreTrainedModel)


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


def _notices(
    module: PreTrainedModel, place: ModelFolder, missing: Iterable[str], unexpected: Iterable[str]
) -> tuple[str, ...]:
    """Return a sentence for weights that the checkpoint lacks, and one for layers of it that are not in the model.

    Raises:
        BrokenModel: no layer has weights of the checkpoint.
    """
    lacking = sorted(name for name in missing if "pooler" not in name and not name.endswith("position_ids"))
    layered = {name for name, _ in module.named_parameters() if re.search(r"\.\d+\.", name)}
    if layered and layered <= set(lacking):
        came = ", ".join(sorted(unexpected)[:2])
        raise BrokenModel(
            f"The weights of {place.name} are another architecture's: a {type(module).__name__} expects "
            f"{min(layered)[:120]}, the checkpoint has none of its layers{f' but {came[:160]}' if came else ''}; "
            "save or fetch config.json and weights again."
        )
    notices = []
    top = _output_layer(module)
    untold = [name for name in lacking if name not in top]
    if untold:
        count = "1 weight is" if len(untold) == 1 else f"{len(untold)} weights are"
        were = "was" if len(untold) == 1 else "were"
        notices.append(
            f"{count} not in the checkpoint and {were} initialised at random ({by_layer(untold)}): "
            "do not trust pictures of these layers or of any after them."
        )
    if len(untold) < len(lacking):
        notices.append(
            f"The checkpoint has no output layer ({', '.join(name for name in lacking if name in top)}), so it is "
            "random: what the model generates means nothing, the attention over a given text is not touched."
        )
    # A head on top (a classifier) may be left out; a layer of the same build as those that were loaded may not.
    builds = {re.sub(r"\d+", "#", name) for name in module.state_dict()}
    left_out = sorted(name for name in unexpected if re.sub(r"\d+", "#", name) in builds)
    if left_out:
        notices.append(
            f"The checkpoint has layers that config.json does not count ({by_layer(left_out)}): "
            "the model shown is shorter than the one that was trained."
        )
    return tuple(notices)


def _output_layer(module: PreTrainedModel) -> set[str]:
    output = module.get_output_embeddings()
    if output is None:
        return set()
    own = {id(parameter) for parameter in output.parameters()}
    return {name for name, parameter in nn.Module.named_parameters(module) if id(parameter) in own}


def by_layer(names: Iterable[str], most: int = 6) -> str:
    """Return names of weights in few words: those of one numbered layer as the layer and their count.

    `a.layer.2.key.weight`, `a.layer.2.key.bias` and `a.embed.weight` become "a.layer.2 (2), a.embed.weight".
    """
    grouped: dict[str, list[str]] = {}
    for name in names:
        layer = re.match(r".*?\.\d+(?=\.)", name)
        grouped.setdefault(layer[0] if layer else name, []).append(name)
    parts = sorted(grouped, key=lambda part: [int(n) if n.isdigit() else n for n in re.split(r"(\d+)", part)])
    shown = [grouped[part][0] if len(grouped[part]) == 1 else f"{part} ({len(grouped[part])})" for part in parts]
    return ", ".join(name[:120] for name in shown[:most]) + (
        f" and {len(shown) - most} more" if len(shown) > most else ""
    )
