"""A folder's weights: admitted by their headers before they take memory, loaded, and compared with config.json."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils.quantization_config import GgufConfig

from models.capture.interface import IMPLEMENTATION
from models.checkpoints.adapters import refuse_unmerged
from models.checkpoints.architectures import build_untrained, explain_unloaded_heads, find_class, is_encoder_alone
from models.checkpoints.files import weight_files, weight_map
from models.checkpoints.gguf_files import gguf_notice
from models.checkpoints.gguf_headers import read_gguf_header
from models.checkpoints.headers import Stored, read_headers
from models.checkpoints.locate import ModelFolder
from models.checkpoints.merge import merge_adapter, supplied_names
from models.checkpoints.skeleton import build_skeleton
from models.errors import BrokenModel, ForeignFormat, NotEnoughMemory, short_message
from models.memory import admit, readable
from models.tasks import find_task

log = logging.getLogger("headlight.models")

_FLOATS = {"F16", "BF16", "F32", "F64"}
# The model that config.json describes may be larger than its files (shared weights, a head on top), up to this factor
# and a gigabyte.
_MAX_FACTOR = 4
IN_FULL = (
    "This model's block-sparse attention is computed in full. The model does so itself in short texts. In long texts "
    "it would see only some blocks, so pictures of long texts show more attention than it was trained with."
)


def admit_checkpoint(folder: ModelFolder, config: PreTrainedConfig, dtype: torch.dtype) -> None:
    """Let a checkpoint through if its headers show that it is whole, has exact weights and fits in memory.

    Raises:
        BrokenModel: a file is missing or damaged, or config.json describes a far larger model.
        ForeignFormat: the weights are quantised, or there are those of an adapter that is not merged.
        NotEnoughMemory: the estimate exceeds what is free.
    """
    stored = _read_stored(folder)
    for name, tensor in sorted(stored.items()):
        # Position ids and masks are whole numbers in many checkpoints, matrices are not.
        if folder.gguf:
            break  # transformers dequantises it
        if name.endswith(("weight", "blocks", "packed", "weight_scale_inv")) and tensor.dtype not in _FLOATS:
            raise ForeignFormat(
                f"{folder.name} is quantised ({name[:120]} has the type {tensor.dtype}), expected float32, float16 or "
                "bfloat16: choose the model that it was made from."
            )
    built = build_skeleton(folder, config, lambda: build_untrained(config), stored)
    refuse_unmerged(stored, {name for name, _ in built.named_parameters()}, folder.name)
    n_stored = sum(torch.Size(tensor.shape).numel() for tensor in stored.values())
    n_parameters = sum(parameter.numel() for parameter in built.parameters())
    n_described = n_parameters + sum(buffer.numel() for buffer in built.buffers())
    n_bytes, n_bytes_described = n_stored * dtype.itemsize, n_described * dtype.itemsize
    if n_bytes_described > _MAX_FACTOR * n_bytes + 10**9:
        raise BrokenModel(
            f"The config.json of {folder.name} does not belong to its weights: it describes "
            f"{readable(n_bytes_described)}, its files contain {readable(n_bytes)}; save or fetch both again."
        )
    if folder.adapter is not None:  # its weights, in float32, and the products of them that are added to the base
        n_stored += 3 * sum(torch.Size(tensor.shape).numel() for tensor in folder.adapter.keys.values())
    if folder.gguf:  # transformers dequantises all weights before it copies them into the model
        n_stored *= 2
    needed = int(1.2 * max(n_stored, n_parameters) * dtype.itemsize)
    admit(needed, f"Loading {folder.name}", "choose a smaller model, a half dtype, or close other programs")


def _read_stored(folder: ModelFolder) -> dict[str, Stored]:
    if folder.gguf:
        return read_gguf_header(folder.path / folder.gguf, folder.name).tensors
    headers = read_headers(weight_files(folder), folder.name)
    for weight, file in sorted(weight_map(folder).items()):
        if weight not in headers.get(folder.path / file, {}):
            raise BrokenModel(
                f"{Path(file).name[:80]} of {folder.name} lacks {weight[:120]}, which the weight index expects in it: "
                "fetch or save the model again."
            )
    return {weight: tensor for tensors in headers.values() for weight, tensor in tensors.items()}


def load_module(
    folder: ModelFolder, config: PreTrainedConfig, dtype: torch.dtype
) -> tuple[PreTrainedModel, tuple[str, ...]]:
    """Return a model with its weights, and a sentence for each difference between the checkpoint and the model.

    Raises:
        BrokenModel: it does not load, or its weights belong to another configuration.
        NotEnoughMemory: the system refuses the memory although the estimate was admitted.
    """
    kind = find_class(config)
    if is_encoder_alone(kind):
        config.is_encoder_decoder = False  # older configs still describe the whole model
    in_full = getattr(config, "attention_type", None) == "block_sparse"
    if in_full:
        # BigBird changes itself to this, permanently, with the first short text: a shared model must not change.
        config.attention_type = "original_full"
    try:
        module, info = _load_pretrained(kind, folder, config, dtype)
    except Exception as error:
        log.exception("loading %s", folder.name)
        if isinstance(error, MemoryError) or "unable to mmap" in str(error) or "allocate memory" in str(error):
            raise NotEnoughMemory(
                f"{folder.name} takes more memory than is free: choose a smaller model or close other programs."
            ) from error
        raise BrokenModel(f"{folder.name} does not load ({short_message(error)}): save or fetch it again.") from error
    for name, found, expected in sorted(info["mismatched_keys"]):
        raise BrokenModel(
            f"The config.json of {folder.name} does not belong to its weights: {name} has the shape {tuple(found)}, "
            f"expected {tuple(expected)}; save or fetch both again."
        )
    if not module._keep_in_fp32_modules and not module._keep_in_fp32_modules_strict:
        for parameter in module.parameters():  # XLNet and DeBERTa make some in float32 and then fail
            if parameter.is_floating_point():
                parameter.data = parameter.data.to(dtype)
    missing = set(info["missing_keys"])
    merged: tuple[str, ...] = ()
    if folder.adapter is not None:
        missing -= supplied_names(module, folder.adapter)
        module, merged = merge_adapter(module, folder.adapter)
    if folder.gguf:
        merged = gguf_notice(read_gguf_header(folder.path / folder.gguf, folder.name))
    notices = (*merged, *explain_unloaded_heads(config, type(module)))
    notices += _compare_names(module, folder, missing, info["unexpected_keys"])
    vars(module)["untrained_weights"] = sorted(name for name in missing if not name.endswith("_ids"))
    return module, (*notices, IN_FULL) if in_full else notices


def _load_pretrained(kind: Any, folder: ModelFolder, config: PreTrainedConfig, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return the model and what transformers says of its loading, on the attention interface if the family has it."""
    options: dict[str, Any] = {
        "config": config,
        "dtype": dtype,
        "use_safetensors": True,
        "local_files_only": True,
        "trust_remote_code": False,
        "output_loading_info": True,
        "ignore_mismatched_sizes": True,  # `load_module` names them
    }
    if folder.gguf:  # transformers would fetch code from the hub to compute with the quantised weights themselves
        options |= {"gguf_file": folder.gguf, "quantization_config": GgufConfig(dequantize=True)}
    try:
        module, info = kind.from_pretrained(folder.path, attn_implementation=IMPLEMENTATION, **options)
        if supports_interface(module):
            return module, info
    except (ValueError, ImportError, KeyError) as error:
        log.info("%s is not on the attention interface: %s", folder.name, error)
    return kind.from_pretrained(folder.path, attn_implementation="eager", **options)


def supports_interface(module: PreTrainedModel) -> bool:
    """Return whether a model is on the attention interface: only then its implementation can be switched.

    Other families may accept any name and then build the masks of that name for attention that expects eager's masks:
    Bloom would attend to later positions.
    """
    module.set_attn_implementation("eager")
    switched = module.config._attn_implementation == "eager"
    if switched:
        module.set_attn_implementation(IMPLEMENTATION)
    return switched


def _compare_names(
    module: PreTrainedModel, folder: ModelFolder, missing: Iterable[str], unexpected: Iterable[str]
) -> tuple[str, ...]:
    """Return a sentence for weights that the checkpoint lacks, and one for its layers that the model does not have.

    Raises:
        BrokenModel: no layer has weights of the checkpoint.
    """
    has_answers = find_task(module) != ""
    lacking = sorted(
        name for name in missing if (has_answers or "pooler" not in name) and not name.endswith("position_ids")
    )
    layered = {name for name, _ in module.named_parameters() if re.search(r"\.\d+\.", name)}
    if layered and layered <= set(lacking):
        came = ", ".join(sorted(unexpected)[:2])
        raise BrokenModel(
            f"The weights of {folder.name} belong to another architecture: a {type(module).__name__} expects "
            f"{min(layered)[:120]}, the checkpoint has none of its layers{f' but {came[:160]}' if came else ''}; "
            "save or fetch config.json and weights again."
        )
    notices = []
    output_names = _name_output_layer(module)
    head_names = {name for name in lacking if name not in output_names and _is_of_head(module, name)}
    random_names = [name for name in lacking if name not in output_names | head_names]
    if random_names:
        count = "1 weight is" if len(random_names) == 1 else f"{len(random_names)} weights are"
        were = "was" if len(random_names) == 1 else "were"
        notices.append(
            f"{count} not in the checkpoint and {were} initialised at random ({group_by_layer(random_names)}): "
            "do not trust pictures of these layers or of any after them."
        )
    if head_names:
        notices.append(
            f"The checkpoint lacks weights of the head of {type(module).__name__} ({group_by_layer(head_names)}), so "
            "they are random: the model's answers are not shown, its attention is right."
        )
    if len(random_names) + len(head_names) < len(lacking):
        notices.append(
            f"The checkpoint has no output layer ({', '.join(name for name in lacking if name in output_names)}), so "
            "it is random: the text that the model generates means nothing, the attention over a given text is right."
        )
    # A head on top (a classifier) may be left out. A layer of the same build as the loaded layers may not.
    builds = {re.sub(r"\d+", "#", name) for name in module.state_dict()}
    left_out = sorted(name for name in unexpected if re.sub(r"\d+", "#", name) in builds)
    if left_out:
        notices.append(
            f"The checkpoint has layers that config.json does not count ({group_by_layer(left_out)}): "
            "the model shown is shorter than the one that was trained."
        )
    return tuple(notices)


def _is_of_head(module: PreTrainedModel, name: str) -> bool:
    """Return whether a weight is not of the part that computes the attention; only heads read what a pooler gives."""
    is_outside = module.base_model is not module and not name.startswith(f"{module.base_model_prefix}.")
    return is_outside or "pooler" in name


def _name_output_layer(module: PreTrainedModel) -> set[str]:
    output = module.get_output_embeddings()
    if output is None:
        return set()
    own = {id(parameter) for parameter in output.parameters()}
    return {name for name, parameter in nn.Module.named_parameters(module) if id(parameter) in own}


def group_by_layer(names: Iterable[str], maximum: int = 6) -> str:
    """Return names of weights as a short list: those of one numbered layer as the layer and their count.

    `a.layer.2.key.weight`, `a.layer.2.key.bias` and `a.embed.weight` become "a.layer.2 (2), a.embed.weight".
    """
    grouped: dict[str, list[str]] = {}
    for name in names:
        layer = re.match(r".*?\.\d+(?=\.)", name)
        grouped.setdefault(layer[0] if layer else name, []).append(name)
    parts = sorted(grouped, key=lambda part: [int(n) if n.isdigit() else n for n in re.split(r"(\d+)", part)])
    shown = [grouped[part][0] if len(grouped[part]) == 1 else f"{part} ({len(grouped[part])})" for part in parts]
    return ", ".join(name[:120] for name in shown[:maximum]) + (
        f" and {len(shown) - maximum} more" if len(shown) > maximum else ""
    )
