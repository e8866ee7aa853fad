"""A config of any family, made small; a module from it, its weights widened so that attention is far from uniform."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoModel, AutoModelForSeq2SeqLM, PreTrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
from transformers.pytorch_utils import Conv1D

from tests.zoo.needs import CONFIGS, GAINS
from tests.zoo.sizes import GROUPED, GROUPED_HEADS, HIDDEN, LATENT, SMALL, VOCABULARY

MAX_PARAMETERS = 6_000_000


def fields_of(default: PreTrainedConfig) -> dict[str, Any]:
    """Return the small value of every field that a config has."""
    held = vars(default)
    fields = {name: value for name, value in SMALL.items() if _alike(held.get(name), value)}
    if "num_key_value_heads" in fields:
        fields.update({name: value for name, value in GROUPED.items() if name in fields})
    if "qk_rope_head_dim" in fields and "kv_lora_rank" in fields:  # every head has keys of its own, made of few numbers
        fields.update({name: value for name, value in LATENT.items() if name in held})
    if "mrope_section" in (rotary := held.get("rope_parameters") or {}):
        share = (
            int(fields.get("head_dim", HIDDEN // GROUPED_HEADS) // 2 * rotary.get("partial_rotary_factor", 1.0)) // 3
        )
        fields["rope_parameters"] = {**rotary, "mrope_section": [share] * 3}
    tokens = [name for name in held if name.endswith(("_token_id", "_token_index")) and isinstance(held[name], int)]
    fields.update({name: VOCABULARY - 2 - place for place, name in enumerate(sorted(tokens)) if held[name] >= 80})
    for name in default.sub_configs:
        if isinstance(part := getattr(default, name, None), PreTrainedConfig):
            fields[name] = {"model_type": part.model_type, **fields_of(part)}
    return fields


def _alike(default: Any, value: Any) -> bool:
    """Return whether a config's default is of the kind of the small value: the same name may hold one or a list."""
    return default is not None and isinstance(default, (list, tuple)) == isinstance(value, (list, tuple))


def merged(fields: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with those of `more` in their place, parts of parts too."""
    joined = dict(fields)
    for name, value in more.items():
        nested = isinstance(value, dict) and isinstance(joined.get(name), dict)
        joined[name] = merged(joined[name], value) if nested else value
    return joined


def config_of(family: str) -> PreTrainedConfig:
    """Return a family's own config with small sizes."""
    kind = CONFIG_MAPPING[family]
    return kind(**merged(fields_of(kind()), CONFIGS.get(family, {})))


def auto_of(config: PreTrainedConfig) -> Any:
    """Return the class that models/checkpoints/load.py loads it with."""
    seq2seq = config.is_encoder_decoder and type(config) in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING
    return AutoModelForSeq2SeqLM if seq2seq else AutoModel


def check_small(config: PreTrainedConfig) -> None:
    """Let a config through that a test can afford; nothing is allocated.

    Raises:
        ValueError: it has too many parameters.
    """
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        hollow = auto_of(config).from_config(config, attn_implementation="eager")
    n_parameters = sum(part.numel() for part in hollow.parameters())
    if n_parameters > MAX_PARAMETERS:
        raise ValueError(f"not small: {n_parameters:,} parameters")


def build(config: PreTrainedConfig, implementation: str, family: str, *, seed: int = 7) -> PreTrainedModel:
    """Return a module in eval mode, the same weights for any implementation."""
    torch.manual_seed(seed)
    module = auto_of(config).from_config(config, attn_implementation=implementation).eval().requires_grad_(False)
    sharpen(module, GAINS.get(family, 1.0), seed)
    return module


def copy_of(module: PreTrainedModel, implementation: str, family: str, *, seed: int = 7) -> PreTrainedModel:
    """Return the module that `build` returns for another implementation, its weights copied and not drawn again."""
    torch.manual_seed(seed)
    config = config_of(family)
    with no_init_weights():
        copy = auto_of(config).from_config(config, attn_implementation=implementation)
    copy.tie_weights()
    copy.load_state_dict(module.state_dict())
    return copy.eval().requires_grad_(False)


def sharpen(module: nn.Module, gain: float, seed: int) -> None:
    """Draw every matrix anew so that scores have a standard deviation of about 2 `gain`."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    transposed = {id(part.weight) for part in module.modules() if isinstance(part, Conv1D)}
    convolutions = {id(part.weight) for part in module.modules() if isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Conv3d))}
    for name, parameter in module.named_parameters():
        if "sinks" in name:
            parameter.normal_(0.0, 1.0, generator=generator)
        elif name.endswith(".temp"):  # what keys are multiplied by: 0 before training
            parameter.fill_(1.0)
        elif id(parameter) in embeddings:
            parameter.normal_(0.0, 0.7, generator=generator)
        elif parameter.dim() >= 2 and parameter.is_floating_point():
            width = parameter.shape[0 if id(parameter) in transposed else -1]
            if id(parameter) in convolutions:
                width = parameter[0].numel()
            parameter.normal_(0.0, (2 * gain / width) ** 0.5, generator=generator)
