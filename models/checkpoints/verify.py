"""Loading ends with a proof: the captured weights are compared with the model's own eager weights on a short input."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from models.capture.forward import (
    Layers,
    body,
    explain_no_attention,
    explain_windows,
    image_inputs,
    materialised_layers,
    replayed_batch,
    role_of,
)
from models.capture.interface import IMPLEMENTATION, NotReplayed, OnLayerOutput
from models.capture.replay import Replay
from models.checkpoints.health import finite_weights
from models.checkpoints.processors import InputProcessors, probe_inputs
from models.errors import BrokenModel, NoAttention, NotEnoughMemory, short_message
from models.images import patch_tokens, probe_picture
from models.memory import admit
from models.pictured_input import probe_with_picture
from models.sound_reader import probe_of_sound
from models.text_picture import READ_ALONE, TextPictureReader

log = logging.getLogger("headlight.models")

Computing = Callable[[], AbstractContextManager[Any]]

# The largest difference between replayed and eager weights that still counts as the same, by dtype. Measured over the
# families of tests/zoo/test_families.py: 4e-7 in float32. The half types round the scores that eager computes.
TOLERANCE = {torch.float32: 2e-6, torch.float64: 2e-6, torch.float16: 5e-3, torch.bfloat16: 4e-2}
# An accelerator computes eager's scores and the CPU the replayed ones. Each rounds its own way, by a share of the
# product of a query's and a key's length. Measured on CUDA over the families of docs/families.md: at most 0.27 of this
# bound (embedding_gemma2, 8.2e-6). TF32 products in eager round by 2**-11 and exceed it.
ROUNDING = 2.0**-24


@dataclass(frozen=True)
class VerifiedCapture:
    """How a model's attention is captured: "replayed" or "materialised".

    `difference` is the largest difference of a weight from the model's own, 0 where the own weights are captured.
    `layers` are those of the short input, captured in this way; `eager` the model's own. `has_bad_weights` says that
    weights which are NaN or infinite were replaced by zeros for the comparison. `names` are those of the modules of
    replayed layers, by role. `unread_picture` is the sentence on why a model of text and picture cannot read its
    picture, "" if it can. `why` is the reason for materialised weights, the end of a sentence.
    """

    capture: str
    difference: float
    layers: Layers
    eager: Layers
    has_bad_weights: bool
    names: Mapping[str, list[str]] = field(default_factory=dict)
    unread_picture: str = ""
    why: str = ""


def verify_capture(
    module: PreTrainedModel, processors: InputProcessors, name: str, computing: Computing = torch.inference_mode
) -> VerifiedCapture:
    """Choose how the attention of a model is captured, by a comparison on a short input.

    Sets the attention implementation of the model to the one that this way of capture needs. `computing` makes the
    context in which the model runs.

    Raises:
        NoAttention: the model gives no weights, or not one for each pair of tokens.
        BrokenModel: the model does not run on a short input.
        NotEnoughMemory: it reads pictures of too many patches.
    """
    names: dict[str, list[str]] = defaultdict(list)
    replayed, eager, has_bad_weights = _run_probe(module, processors, name, computing, names)
    check_weights(module, eager)
    difference = _find_largest_difference(replayed, eager)
    if difference is not None and difference <= tolerance(module.dtype, module.device, replayed):
        module.set_attn_implementation(IMPLEMENTATION)
        verified = VerifiedCapture("replayed", difference, replayed, eager, has_bad_weights, names)
        return verified if processors.pictures is None else _verify_picture(module, processors.pictures, name, verified)
    log.info("%s falls back to eager weights (difference %s)", name, difference)
    why = _explain_fallback(difference)
    return VerifiedCapture("materialised", 0.0, eager, eager, has_bad_weights, why=why)


def _verify_picture(
    module: PreTrainedModel, pictures: TextPictureReader, name: str, verified: VerifiedCapture
) -> VerifiedCapture:
    """Compare the capture on a short text with a picture too; a model that fails on it reads texts alone."""
    try:
        with finite_weights(module), torch.inference_mode():
            inputs = probe_with_picture(module, pictures)
            replayed = Layers()
            with suppress(NotReplayed):
                (replayed,) = replayed_batch(body(module), inputs, through_weights=True)
            module.set_attn_implementation("eager")
            eager = materialised_layers(body(module), inputs)
    except Exception as error:
        log.exception("running %s on a text with a picture", name)
        module.set_attn_implementation(IMPLEMENTATION)
        why = f"it does not run on a text with a picture ({short_message(error)})"
        return replace(verified, unread_picture=f"{name} {READ_ALONE}: {why}.")
    difference = _find_largest_difference(replayed, eager)
    if difference is not None and difference <= tolerance(module.dtype, module.device, replayed):
        module.set_attn_implementation(IMPLEMENTATION)
        return replace(verified, difference=max(verified.difference, difference))
    log.info("%s falls back to eager weights with a picture (difference %s)", name, difference)
    why = _explain_fallback(difference)
    return replace(verified, capture="materialised", difference=0.0, layers=verified.eager, why=why)


def _explain_fallback(difference: float | None) -> str:
    if difference is None:
        return "it does not compute them from queries and keys alone, or not where Headlight can see these"
    return f"weights computed from its queries and keys differ from its own by {difference:.1g} on a short text"


def tolerance(dtype: torch.dtype, device: torch.device, replayed: Layers) -> float:
    """Return the largest difference from eager weights that still counts as the same for these layers."""
    least = TOLERANCE.get(dtype, 2e-6)
    if device.type == "cpu":
        return least
    layers = [layer for found in replayed.values() for layer in found if isinstance(layer, Replay)]
    return max([least, *(ROUNDING * _largest_product(layer) for layer in layers)])


def _largest_product(layer: Replay) -> float:
    """Return the largest length of a query times that of a key, scaled as their score is."""
    query, key = (float(side.float().norm(dim=-1).max()) for side in (layer.query, layer.key))
    return abs(layer.scaling) * query * key


def _run_probe(
    module: PreTrainedModel,
    processors: InputProcessors,
    name: str,
    computing: Computing,
    names: dict[str, list[str]],
) -> tuple[Layers, Layers, bool]:
    """Return the replayed layers of a short input, the eager ones, and whether bad weights were replaced meanwhile.

    The names of the modules of the replayed layers are added to `names`, by role.

    There are no replayed layers if the model is not on the attention interface.
    """
    images, replayed, grid = processors.images, Layers(), None
    try:
        with finite_weights(module) as has_bad_weights, computing(), ExitStack() as contexts:
            if images is not None:
                patches = images.read(probe_picture())
                grid = patches.grid
                _admit_patches(module.config, grid, name)
                inputs = image_inputs(module, patches)
            elif processors.sounds is not None:
                inputs = contexts.enter_context(probe_of_sound(module, processors.sounds, processors.tokenizer, name))
            else:
                assert processors.tokenizer is not None
                inputs = probe_inputs(module, processors.tokenizer, name)
            if module.config._attn_implementation == IMPLEMENTATION:
                with suppress(NotReplayed):
                    note = _name_parts(body(module), names)
                    (replayed,) = replayed_batch(body(module), inputs, through_weights=True, on_layer_output=note)
                module.set_attn_implementation("eager")
            eager = materialised_layers(body(module), inputs)
    except (NoAttention, BrokenModel, NotEnoughMemory):
        raise
    except Exception as error:
        log.exception("running %s on a short input", name)
        if isinstance(error, TypeError) and "output_attentions" in str(error):
            raise NoAttention(explain_no_attention(module)) from error
        reads = "sound" if processors.sounds is not None else "short text" if images is None else "picture"
        raise BrokenModel(f"{name} {_explain_failure(module.dtype, reads, short_message(error))}") from error
    if grid is not None:
        for layer in eager["self"]:
            patch_tokens(grid, layer.shape[1])
    return replayed, eager, has_bad_weights


def _name_parts(module: PreTrainedModel, names: dict[str, list[str]]) -> OnLayerOutput:
    """Return a function that adds the name of each attention module that is called to those of its role."""
    paths = {id(part): path for path, part in module.named_modules()}
    return lambda part, *_: names[role_of(module, part)].append(paths.get(id(part), ""))


def _admit_patches(config: PreTrainedConfig, grid: tuple[int, int], name: str) -> None:
    """Let a picture through whose weights of all layers fit in memory: the comparison needs all of them at once."""
    n_pairs = (grid[0] * grid[1]) ** 2
    n_layers, n_heads = (getattr(config, size, 1) for size in ("num_hidden_layers", "num_attention_heads"))
    n_maps = n_layers * n_heads if isinstance(n_layers, int) and isinstance(n_heads, int) else 1
    admit(4 * n_maps * n_pairs, f"Loading {name}", "choose a model that reads smaller pictures")


def _explain_failure(dtype: torch.dtype, reads: str, reason: str) -> str:
    """Return the sentence on a model that fails on the short input, after its name, with the likeliest remedy."""
    if dtype != torch.float32:
        # Some operations know only some dtypes (the grouped products of experts).
        dtype_name = str(dtype).removeprefix("torch.")
        return f"does not run on a {reads} in {dtype_name} ({reason}): load it with dtype='float32'."
    remedy = {
        "short text": "choose a model of text, saved together with its own tokenizer",
        "sound": "choose a model of sounds, saved together with its own feature extractor",
        "picture": "choose a vision encoder, saved together with its own image processor",
    }
    return f"does not run on a {reads} ({reason}): {remedy[reads]}."


def check_weights(module: PreTrainedModel, eager: Layers) -> None:
    """Let a model through that gives one weight for each head and pair of positions.

    Raises:
        NoAttention: its weights are windows around each position, on a coarser grid, or in every layer an average of
            all heads (WavLM).
    """
    if any(layer.shape[1] != layer.shape[2] for role, found in eager.items() if role != "cross" for layer in found):
        raise NoAttention(explain_windows(module))
    layers = [layer.rows(slice(None), slice(None)) for found in eager.values() for layer in found]
    telling = [weights for weights in layers if len(weights) > 1 and _is_selective(weights)]
    if telling and all(bool((weights == weights[:1]).all()) for weights in telling):
        raise NoAttention(
            f"{type(module).__name__} gives one average for all its heads, so there is no head to show: "
            "choose a transformer that gives each head's attention."
        )


def _is_selective(weights: torch.Tensor) -> bool:
    """Return whether any query prefers a key. If none does, as with dead weights, all heads are equal anyway."""
    return bool((weights.amax(-1) != weights.masked_fill(weights == 0, 1.0).amin(-1)).any())


def _find_largest_difference(replayed: Layers, eager: Layers) -> float | None:
    """Return the largest difference of any weight, None where nothing is proven.

    Nothing is proven if the two do not have the same layers, if only one of them is finite, or if a layer has no
    finite weight.
    """
    shapes = [
        {role: [layer.shape for layer in found] for role, found in layers.items()} for layers in (replayed, eager)
    ]
    if shapes[0] != shapes[1]:
        return None
    everything, largest = slice(None), 0.0
    for role in eager:
        for ours, theirs in zip(replayed[role], eager[role], strict=True):
            found, expected = ours.rows(everything, everything), theirs.rows(everything, everything)
            finite = torch.isfinite(expected)
            if not bool(finite.any()) or not torch.equal(finite, torch.isfinite(found)):
                return None
            largest = max(largest, float((found - expected)[finite].abs().max()))
    return largest
