"""Small random models with any head, saved like those of `small_models`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from tests.helpers.small_models import FAMILIES, sharpen


def save_with_head(family: str, auto: Any, folder: Path, **settings: Any) -> PreTrainedModel:
    """Save a model of a family with the head of an auto class, and return the module as transformers made it."""
    described = FAMILIES[family]()
    for name, value in settings.items():
        setattr(described.config, name, value)
    torch.manual_seed(5)
    module = auto.from_config(described.config).eval()
    sharpen(module, 5)
    module.save_pretrained(folder)
    longest = {"model_max_length": 211} if family == "t5" else {}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=described.tokenizer(), **described.special, **longest)
    tokenizer.save_pretrained(folder)
    return module


def own_inputs(folder: Path, text: str, pair: str | None = None) -> dict[str, torch.Tensor]:
    """Return what the model reads, from its own tokenizer, without token types for models that have none."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    return dict(tokenizer(text, pair, return_tensors="pt"))
