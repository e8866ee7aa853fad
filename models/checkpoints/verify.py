"""Loading ends with a proof: what we capture is compared with the model's own eager weights on a short input."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.image_processing_utils import BaseImageProcessor

from models.capture.cost import Costs, sliding_windows
from models.capture.forward import (
    Layers,
    in_order,
    materialised_layers,
    model_inputs,
    no_attention,
    replayed_layers,
    windowed,
)
from models.capture.interface import IMPLEMENTATION, NotReplayed
from models.capture.replay import Layer
from models.card import Card
from models.checkpoints.health import attention_notices, finite_weights
from models.checkpoints.locate import ModelFolder, revision_of
from models.errors import BrokenModel, NoAttention, NotEnoughMemory, short_message
from models.images import ImageReader, patch_tokens, probe_picture
from models.memory import admit
from models.model import Model, body, check_ids, image_inputs
from models.scratch.networks import ScratchEncoderConfig
from models.tokens import TokenReader

log = logging.getLogger("headlight.models")

PROBE = "The quick brown fox jumps over the lazy dog. "
# A text longer than a layer's sliding window shows whether the window is replayed; beyond this it would take long.
LONGEST_PROBE = 512
# Worst difference between replayed and eager weights that still counts as the same, by dtype. Measured over the
# families of tests/zoo/test_families.py: 4e-7 in float32; the half types round the scores that eager computes.
TOLERANCE = {torch.float32: 2e-6, torch.float64: 2e-6, torch.float16: 5e-3, torch.bfloat16: 4e-2}


@dataclass(frozen=True)
class InputProcessors:
    """What a model reads with: a tokenizer for texts, or a processor for pictures."""

    tokenizer: PreTrainedTokenizerBase | None = None
    images: BaseImageProcessor | None = None


def proven(module: PreTrainedModel, senses: InputProcessors, place: ModelFolder, notices: tuple[str, ...]) -> Model:
    """Choose the way of capture by a comparison on a short input, and describe the model.

    Raises:
        NoAttention: the model gives no weights, or not one for each pair of tokens.
        BrokenModel: the model does not run on a short input.
        NotEnoughMemory: it reads pictures of too many patches.
    """
    tokenizer = senses.tokenizer
    max_tokens = _max_tokens(module, tokenizer) if tokenizer is not None else None
    images = ImageReader(senses.images, module.config) if senses.images is not None else None
    layers: Layers = {}
    try:
        with finite_weights(module) as repaired, torch.inference_mode():
            if images is not None:
                patches = images.read(probe_picture())
                _admit_patches(module.config, patches.grid, place)
                inputs = image_inputs(module, patches)
            else:
                assert tokenizer is not None
                inputs = _probe(module, tokenizer, max_tokens, place.name)
            if module.config._attn_implementation == IMPLEMENTATION:
                with suppress(NotReplayed):
                    layers = replayed_layers(body(module), inputs, through_weights=True)
                module.set_attn_implementation("eager")
            eager = materialised_layers(body(module), inputs)
    except (NoAttention, BrokenModel, NotEnoughMemory):
        raise
    except Exception as error:
        log.exception("running %s on a short input", place.name)
        if isinstance(error, TypeError) and "output_attentions" in str(error):
            raise NoAttention(no_attention(module)) from error
        reads = "short text" if images is None else "picture"
        raise BrokenModel(f"{place.name} {_does_not_run(module.dtype, reads, short_message(error))}") from error
    if images is not None:
        for layer in eager["self"]:
            patch_tokens(patches.grid, layer.shape[1])
    check_weights(module, eager)
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
    every = zip(kinds, in_order(eager), strict=True)
    sizes = {kind: (len(found), max(layer.shape[0] for layer in found)) for kind, found in every}
    if not repaired:  # else the weights were named, and these layers are not the model's own
        notices = (*notices, *attention_notices(layers if capture == "replayed" else eager))
    card = Card(
        name=place.name,
        revision=revision_of(place),
        architecture=type(module).__name__,
        n_layers=sizes[kinds[0]][0],
        n_heads=sizes[kinds[0]][1],
        n_parameters=sum(parameter.numel() for parameter in module.parameters()),
        max_tokens=max_tokens,
        device=str(module.device),
        dtype=str(dtype).removeprefix("torch."),
        kinds=kinds,
        capture=capture,
        proof=difference,
        notices=notices,
        modality="text" if images is None else "image",
        writes=kinds == ("decoder",) and (module.can_generate() or getattr(module, "continues", False)),
        task=_task(module.config),
        sizes=MappingProxyType(sizes),
    )
    costs = Costs(module, layers if capture == "replayed" else eager)
    return Model(module, card, costs, tokenizer=tokenizer, images=images)


def _admit_patches(config: PreTrainedConfig, grid: tuple[int, int], place: ModelFolder) -> None:
    """Let a picture through whose weights of all layers, which the comparison holds at once, fit in memory."""
    n_pairs = (grid[0] * grid[1]) ** 2
    n_layers, n_heads = (getattr(config, name, 1) for name in ("num_hidden_layers", "num_attention_heads"))
    n_maps = n_layers * n_heads if isinstance(n_layers, int) and isinstance(n_heads, int) else 1
    admit(4 * n_maps * n_pairs, f"Loading {place.name}", "choose a model that reads smaller pictures")


def _does_not_run(dtype: torch.dtype, reads: str, reason: str) -> str:
    """Return what is said of a model that fails on the short input, after its name, with the likeliest remedy."""
    if dtype != torch.float32:
        # Some operations know only some dtypes (the grouped products of experts).
        called = str(dtype).removeprefix("torch.")
        return f"does not run on a {reads} in {called} ({reason}): load it with dtype='float32'."
    remedy = {
        "short text": "choose a model of text, saved together with its own tokenizer",
        "picture": "choose a vision encoder, saved together with its own image processor",
    }
    return f"does not run on a {reads} ({reason}): {remedy[reads]}."


def _task(config: PreTrainedConfig) -> str:
    """Return the name of the task that a model was trained on; a stranger's config.json may hold anything there."""
    return config.task if isinstance(config, ScratchEncoderConfig) and isinstance(config.task, str) else ""


def check_weights(module: PreTrainedModel, eager: Layers) -> None:
    """Let a model through whose own weights are one for each head and pair of positions.

    Raises:
        NoAttention: they are windows around each position, on a coarser grid, or an average of all heads (WavLM).
    """
    if any(layer.shape[1] != layer.shape[2] for role, found in eager.items() if role != "cross" for layer in found):
        raise NoAttention(windowed(module))
    heads = [layer.rows(slice(None), slice(None)) for found in eager.values() for layer in found]
    if any(len(weights) > 1 and _tells_apart(weights) and bool((weights == weights[:1]).all()) for weights in heads):
        raise NoAttention(
            f"{type(module).__name__} gives one average for all its heads, so there is no head to show: "
            "choose a transformer that gives each head's attention."
        )


def _tells_apart(weights: torch.Tensor) -> bool:
    """Return whether any query prefers a key: where none does, as with dead weights, all heads are equal anyway."""
    return bool((weights.amax(-1) != weights.masked_fill(weights == 0, 1.0).amin(-1)).any())


def _probe(
    module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_tokens: int | None, name: str
) -> dict[str, torch.Tensor]:
    reader = TokenReader(tokenizer, min(max_tokens or LONGEST_PROBE, LONGEST_PROBE))
    sequence = reader.read(PROBE * _repetitions(module, len(reader.read(PROBE).tokens)))
    check_ids(module, sequence.tokens, name)
    inputs = model_inputs(module, sequence.inputs)
    if module.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"][:, :5]
    return inputs


def _repetitions(module: PreTrainedModel, n_tokens: int) -> int:
    """Return how often the probe is repeated to be longer than any sliding window, once where that takes too long."""
    widest = max((2 * window for window in sliding_windows(module)), default=0)
    return 1 + widest // n_tokens if widest < LONGEST_PROBE else 1


def _worst_difference(replayed: Layers, eager: Layers) -> float | None:
    """Return the largest difference of any weight, None where nothing is proven.

    So it is where the two do not have the same layers, where only one of them is a number, and where a layer has none.
    """
    shapes = [
        {role: [layer.shape for layer in found] for role, found in layers.items()} for layers in (replayed, eager)
    ]
    if shapes[0] != shapes[1]:
        return None
    everything, worst = slice(None), 0.0
    for role in eager:
        for ours, theirs in zip(replayed[role], eager[role], strict=True):
            found, expected = ours.rows(everything, everything), theirs.rows(everything, everything)
            numbers = torch.isfinite(expected)
            if not bool(numbers.any()) or not torch.equal(numbers, torch.isfinite(found)):
                return None
            worst = max(worst, float((found - expected)[numbers].abs().max()))
    return worst


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
