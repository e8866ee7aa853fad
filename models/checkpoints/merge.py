"""An adapter merged into the model that it was trained on, by the library peft."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.models.auto import modeling_auto

from models.checkpoints.adapters import CONFIG, MERGEABLE, WEIGHTS, Adapter, config_class
from models.errors import BrokenModel, short_message

log = logging.getLogger("headlight.models")

_OUTER = "base_model.model."
_HEADS: dict[str, Any] = {
    "CAUSAL_LM": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "SEQ_2_SEQ_LM": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    "SEQ_CLS": modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "TOKEN_CLS": modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
    "QUESTION_ANS": modeling_auto.MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES,
}
_HEAD_NAMES = re.compile(r"(^|\.)(classifier|score|qa_outputs|lm_head|classification_head)\.")


@dataclass(frozen=True)
class _Parts:
    """The weights of an adapter by the base's names: modules that it adapts, and modules that it replaces."""

    renamed: dict[str, str]
    adapted: list[str]
    replaced: list[str]
    left_out: list[str]


def describe_head(config: PreTrainedConfig, adapter: Adapter) -> None:
    """Change the base's configuration so that it has the head that the adapter was trained with."""
    head = _HEADS.get(adapter.task, {}).get(config.model_type)
    if isinstance(head, str):
        config.architectures = [head]
    labels = [
        tensor.shape[0]
        for key, tensor in adapter.keys.items()
        if re.search(r"(classifier|score|classifier\.out_proj)\.weight$", key) and len(tensor.shape) == 2
    ]
    if adapter.task in ("SEQ_CLS", "TOKEN_CLS") and labels and labels[-1] != config.num_labels:
        config.num_labels = min(labels[-1], 1_000_000)


def supplied_names(module: PreTrainedModel, adapter: Adapter) -> set[str]:
    """Return the names of the base's weights that the adapter replaces as a whole."""
    parts = _sort_keys(module, adapter)
    return {f"{name}.{kind}" for name in parts.replaced for kind in ("weight", "bias")}


def merge_adapter(module: PreTrainedModel, adapter: Adapter) -> tuple[PreTrainedModel, tuple[str, ...]]:
    """Return the model with the adapter merged into its weights, and a sentence for each part that was left out.

    Raises:
        BrokenModel: the adapter belongs to another model, or peft does not merge it.
    """
    from peft import PeftModel
    from peft.utils.save_and_load import set_peft_model_state_dict

    parts = _sort_keys(module, adapter)
    state = load_file(adapter.path / WEIGHTS)
    state = {parts.renamed[key]: value for key, value in state.items() if key in parts.renamed}
    _fit_vocabulary(module, state)
    # These ways to start a training also subtract their start from the base, so they have to be computed.
    on_meta = not any(str(value).startswith(("pissa", "olora")) for value in adapter.settings.values())
    try:
        wrapped = PeftModel(module, _make_config(adapter, parts), low_cpu_mem_usage=on_meta)
        result: Any = set_peft_model_state_dict(wrapped, state, low_cpu_mem_usage=on_meta)
        unknown = sorted(result.unexpected_keys)
        lacking = sorted(name for name, one in wrapped.named_parameters() if one.is_meta)
        if not unknown and not lacking:
            merged = wrapped.merge_and_unload(safe_merge=True)
    except Exception as error:
        log.exception("merging %s", adapter.name)
        raise BrokenModel(
            f"The adapter {adapter.name} does not fit {adapter.base_name} ({_first_mismatch(error)}): choose the base "
            "that it was trained on."
        ) from error
    if unknown or lacking:
        which = f"it has {unknown[0][:120]} in addition" if unknown else f"it lacks {lacking[0][:120]}"
        raise BrokenModel(f"The {CONFIG} of {adapter.name} does not belong to its weights: {which}; save both again.")
    notices = []
    if parts.left_out:
        names = ", ".join(name[:80] for name in parts.left_out[:4])
        notices.append(f"The adapter's own head is not loaded ({names}): it does not change the attention.")
    return merged, tuple(notices)


def _make_config(adapter: Adapter, parts: _Parts) -> Any:
    """Return peft's settings: the modules that have weights, by their whole names, with the ranks of these weights."""
    kind = config_class(adapter.kind)
    given = {**adapter.settings, "target_modules": parts.adapted, "inference_mode": True}
    if parts.replaced:
        given["modules_to_save"] = parts.replaced
    known = getattr(kind, "__dataclass_fields__", {})
    if "feedforward_modules" in known:
        of = [name for name in parts.adapted if any(_ends(name, one) for one in adapter.feedforward)]
        given["feedforward_modules"] = of
    if "alpha_pattern" in known and adapter.patterns:
        scales = {}
        for name in parts.adapted:
            found = [alpha for pattern, alpha in adapter.patterns.items() if re.match(rf"(.*\.)?({pattern})$", name)]
            if found:
                scales[re.escape(name)] = found[0]
        given["alpha_pattern"] = scales
    if "rank_pattern" in known and adapter.kind != "ADALORA":
        given["rank_pattern"] = _find_ranks(adapter, parts)
    return kind(**given)


def _find_ranks(adapter: Adapter, parts: _Parts) -> dict[str, int]:
    """Return the rank of each module whose weights have another one than the settings say."""
    ranks: dict[str, int] = {}
    axes = {"lora_A": 0, "lora_embedding_A": 0, "hada_w1_b": 0, "lokr_w1_b": 0, "lokr_w2_b": 0}
    for key, tensor in adapter.keys.items():
        found = re.fullmatch(
            r"(.+)\.(lora_A|lora_embedding_A|hada_w1_b|lokr_w[12]_b)(\.weight)?", parts.renamed.get(key, "")
        )
        if found and tensor.shape:
            rank = tensor.shape[axes[found[2]]]
            if rank != adapter.settings.get("r"):
                ranks[re.escape(found[1].removeprefix(_OUTER))] = rank
    return ranks


def _sort_keys(module: PreTrainedModel, adapter: Adapter) -> _Parts:
    """Sort an adapter's weights by the modules of its base, whose names may lack the part that a head adds.

    Raises:
        BrokenModel: it adapts modules that the base does not have.
    """
    names = {name for name, _ in nn.Module.named_modules(module)}
    inner = f"{module.base_model_prefix}." if module.base_model_prefix else ""
    tuned = MERGEABLE[adapter.kind]
    renamed, adapted, replaced, left_out = {}, set(), set(), []
    for key in sorted(adapter.keys):
        plain = key.removeprefix(_OUTER)
        found = _find_module(plain, names, inner)
        if found is None:
            if _HEAD_NAMES.search(plain) and tuned not in plain:
                left_out.append(plain)
                continue
            if plain.startswith("base_model.") or plain.startswith(tuned):  # weights that all modules share
                renamed[key] = key
                continue
            raise BrokenModel(
                f"The adapter {adapter.name} does not fit {adapter.base_name}: it has {plain[:120]}, and a "
                f"{type(module).__name__} has no such module; choose the base that it was trained on."
            )
        name, rest = found
        renamed[key] = f"{_OUTER}{name}.{rest}"
        if rest.startswith(tuned):
            adapted.add(name)
        elif any(_ends(name, one) for one in adapter.modules_to_save):
            replaced.add(name)
    if not adapted:
        raise BrokenModel(
            f"The adapter {adapter.name} does not fit {adapter.base_name}: none of its {len(adapter.keys)} weights "
            f"adapts a module of a {type(module).__name__}; choose the base that it was trained on."
        )
    return _Parts(renamed, sorted(adapted), sorted(replaced), left_out)


def _find_module(key: str, names: Iterable[str], inner: str) -> tuple[str, str] | None:
    """Return the module that a weight belongs to and the rest of its name, None if the base has no such module."""
    candidates = [key, *([key.removeprefix(inner)] if inner and key.startswith(inner) else []), f"{inner}{key}"]
    for candidate in candidates:
        parts = candidate.split(".")
        for end in range(len(parts) - 1, 0, -1):
            name, rest = ".".join(parts[:end]), ".".join(parts[end:])
            if name in names:
                if re.match(r"(weight|bias|base_layer\.)|[a-z0-9]+_", rest):
                    return name, rest
                break
    return None


def _fit_vocabulary(module: PreTrainedModel, state: dict[str, torch.Tensor]) -> None:
    """Give the base as many embeddings as the adapter was trained with, if it has trained them as a whole."""
    embeddings = module.get_input_embeddings()
    if not isinstance(embeddings, nn.Embedding):
        return
    name = next((name for name, one in nn.Module.named_modules(module) if one is embeddings), "")
    trained = state.get(f"{_OUTER}{name}.weight")
    if trained is not None and trained.dim() == 2 and trained.shape[0] != embeddings.num_embeddings:
        module.resize_token_embeddings(trained.shape[0], mean_resizing=False)


def _ends(name: str, ending: str) -> bool:
    return name == ending or name.endswith(f".{ending}")


def _first_mismatch(error: Exception) -> str:
    """Return the first weight whose shape does not fit, or the error's own first line."""
    found = re.search(r"size mismatch for (\S+): .*?(\[[^\]]*\]).*?(\[[^\]]*\])", str(error), re.DOTALL)
    if found:
        return f"{found[1][-100:].rstrip(':')} has the shape {found[2]}, expected {found[3]}"
    return short_message(error)
