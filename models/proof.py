"""Loading ends with a proof: what we capture is compared with the model's own eager weights on a short text."""

from __future__ import annotations

import logging
import re

import torch
from torch import nn
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from models import bundled
from models.capture import IMPLEMENTATION
from models.errors import (
    BrokenModel,
    NoAttention,
)
from models.model import (
    Card,
    Model,
    bytes_per_pair,
    check_ids,
    in_order,
    materialised_layers,
    model_inputs,
    no_attention,
    replayed_layers,
)
from models.places import Place, brief, weight_files
from models.tokens import TokenReader
from models.trace import Layer

log = logging.getLogger("headlight.models")

PROBE = "The quick brown fox jumps over the lazy dog."
# Worst difference between replayed and eager weights that still counts as the same, by dtype. Measured over the
# families of tests/models/test_families.py: 4e-7 in float32; the half types round the scores that eager computes.
TOLERANCE = {torch.float32: 2e-6, torch.float64: 2e-6, torch.float16: 5e-3, torch.bfloat16: 4e-2}


def proven(
    module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, place: Place, notices: tuple[str, ...]
) -> Model:
    """Choose the way of capture by a comparison on a short text, and describe the model.

    Raises:
        NoAttention: the model gives no weights, or not one for each pair of tokens.
        BrokenModel: the model does not run on a short text.
    """
    max_tokens = _max_tokens(module, tokenizer)
    layers: dict[str, list[Layer]] = {}
    try:
        with torch.inference_mode():
            inputs = _probe(module, tokenizer, max_tokens, place.name)
            if module.config._attn_implementation == IMPLEMENTATION:
                layers = replayed_layers(module, inputs, through_weights=True)
                module.set_attn_implementation("eager")
            eager = materialised_layers(module, inputs)
    except (NoAttention, BrokenModel):
        raise
    except Exception as error:
        log.exception("running %s on a short text", place.name)
        if isinstance(error, TypeError) and "output_attentions" in str(error):
            raise NoAttention(no_attention(module)) from error
        raise BrokenModel(
            f"{place.name} does not run on a short text ({brief(error)}): "
            "choose a model of text, saved together with its own tokenizer."
        ) from error
    if any(layer.shape[1] != layer.shape[2] for role, found in eager.items() if role != "cross" for layer in found):
        raise NoAttention(
            f"{type(module).__name__} gives its attention as windows around each token, not as one weight for each "
            "pair of tokens, which Headlight cannot draw: choose a transformer with full attention."
        )
    difference = _worst_difference(layers, eager)
    dtype = module.dtype
    if difference is not None and difference <= TOLERANCE.get(dtype, 2e-6):
        module.set_attn_implementation(IMPLEMENTATION)
        capture = "replayed"
    else:
        log.info("%s falls back to eager weights (difference %s)", place.name, difference)
        capture, difference = "materialised", 0.0
    kinds = tuple(
        "encoder" if role == "self" and not _causal(eager[role]) else "decoder" if role == "self" else role
        for role in ("self", "encoder", "decoder", "cross")
        if eager.get(role)
    )
    first = in_order(eager)[0]
    revision = place.revision or "sha256:" + bundled.sha256(weight_files(place)[0])[:12]
    card = Card(
        name=place.name,
        revision=revision,
        architecture=type(module).__name__,
        n_layers=len(first),
        n_heads=max(layer.shape[0] for layer in first),
        n_parameters=sum(parameter.numel() for parameter in module.parameters()),
        max_tokens=max_tokens,
        device=str(module.device),
        dtype=str(dtype).removeprefix("torch."),
        kinds=kinds,
        capture=capture,
        proof=difference,
        notices=notices,
    )
    pairs = bytes_per_pair(layers if capture == "replayed" else eager)
    return Model(module, tokenizer, card, bytes_per_pair=pairs)


def _probe(
    module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_tokens: int | None, name: str
) -> dict[str, torch.Tensor]:
    sequence = TokenReader(tokenizer, max_tokens).read(PROBE)
    check_ids(module, sequence.tokens, name)
    inputs = model_inputs(module, sequence.inputs)
    if module.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"][:, :5]
    return inputs


def _worst_difference(replayed: dict[str, list[Layer]], eager: dict[str, list[Layer]]) -> float | None:
    """Return the largest difference of any weight, None where the two do not have the same layers."""
    shapes = [
        {role: [layer.shape for layer in found] for role, found in layers.items()} for layers in (replayed, eager)
    ]
    if shapes[0] != shapes[1]:
        return None
    everything = slice(None)
    return max(
        float((ours.rows(everything, everything) - theirs.rows(everything, everything)).abs().max())
        for role in eager
        for ours, theirs in zip(replayed[role], eager[role], strict=True)
    )


def _causal(layers: list[Layer]) -> bool:
    return all(layer.allowed(slice(None), slice(None)) is not None for layer in layers)


def _max_tokens(module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return how many tokens the model can read, None where nothing limits it."""
    limits = [tokenizer.model_max_length] if tokenizer.model_max_length < 10**9 else []
    for name, part in module.named_modules():
        if isinstance(part, nn.Embedding) and re.search(r"(embed_positions|position_embeddings?|wpe)$", name):
            # RoBERTa counts positions from padding_idx + 1, BART's embedding says its own offset.
            offset = getattr(part, "offset", None)
            used = offset if offset is not None else (part.padding_idx + 1 if part.padding_idx is not None else 0)
            limits.append(part.num_embeddings - used)
    stated = getattr(module.config.get_text_config(), "max_position_embeddings", None)
    if isinstance(stated, int) and stated > 0:
        limits.append(stated)
    return min(limits) if limits else None
