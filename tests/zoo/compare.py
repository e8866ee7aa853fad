"""One family, twice: as Headlight captures it, and as transformers itself gives its eager weights."""

from __future__ import annotations

import inspect
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.capture.forward import materialised_layers, replayed_layers
from models.capture.interface import IMPLEMENTATION, NotReplayed
from models.capture.replay import Layer, MaterialisedLayer
from models.checkpoints.verify import check_weights
from models.checkpoints.weights import supports_interface
from tests.zoo.build import build, config_of, copy_of
from tests.zoo.inputs import inputs_of
from tests.zoo.replace import changed_by_replay, changed_by_softmax

ALL = slice(None)
# The bound of models/checkpoints/verify.py in float32: what replays within it is replayed, anything else is
# materialised.
TOLERANCE = 2e-6
FIELDS = {
    "self": "attentions",
    "encoder": "encoder_attentions",
    "decoder": "decoder_attentions",
    "cross": "cross_attentions",
}
Weights = dict[str, list[Tensor]]


@dataclass
class Pair:
    """The same weights under Headlight's implementation and in a plain eager module, with what both read."""

    family: str
    ours: PreTrainedModel
    plain: PreTrainedModel
    modality: str
    inputs: dict[str, Tensor]
    on_interface: bool

    def output(self) -> Tensor:
        """Run ours and return the first tensor of what it gives."""
        return first_tensor(self.ours(**self.inputs, **no_cache(self.ours)))


@dataclass
class Finding:
    """What was found for a family; differences are of weights, `difference` of the way that is taken."""

    family: str
    architecture: str
    modality: str
    capture: str = ""
    kinds: dict[str, str] = field(default_factory=dict)
    difference: float = 0.0
    rounding: float | None = None
    output: float = 0.0
    changed: float = 0.0
    peak: float = 0.0
    spread: float = 0.0


def pair_of(family: str) -> Pair:
    """Build both modules; ours the way that models/checkpoints/load.py takes."""
    plain = build(config_of(family), "eager", family)
    try:
        ours = copy_of(plain, IMPLEMENTATION, family)
        on_interface = supports_interface(ours)
    except (ValueError, ImportError, KeyError):
        on_interface = False
    if not on_interface:
        ours = copy_of(plain, "eager", family)
    return Pair(family, ours, plain, *inputs_of(plain, family), on_interface)


def no_cache(module: nn.Module) -> dict[str, bool]:
    """Return what keeps a module from making a cache: some build other masks with one (FSMT loses its causal one)."""
    return {"use_cache": False} if "use_cache" in inspect.signature(module.forward).parameters else {}


def plain_weights(plain: nn.Module, inputs: dict[str, Tensor]) -> Weights:
    """Return `[head, query, key]` of each layer from `output_attentions`, of the first row of a batch.

    Only what is a softmax over pairs: as many rows as the batch has, none below 0 or with a sum above 1.
    """
    n_rows = len(inputs["input_ids"]) if "input_ids" in inputs else 1
    found: Weights = {}
    for kind, given in given_layers(run(plain, inputs)).items():
        shaped = [layer for layer in given if layer.dim() == 4 and len(layer) == n_rows]
        if kept := [layer[0] for layer in shaped if layer.min() >= 0 and layer.sum(-1).max() < 1.01]:
            found[kind] = kept
    return found


def run(plain: nn.Module, inputs: dict[str, Tensor]) -> Any:
    """Return the output of a forward that is asked for its attention."""
    with torch.no_grad():
        return plain(**inputs, **no_cache(plain), output_attentions=True)


def given_layers(output: Any) -> dict[str, list[Tensor]]:
    """Return every tensor that stands where attention weights do, whatever it is."""
    fields = {kind: getattr(output, name, None) or () for kind, name in FIELDS.items()}
    return {kind: [layer for layer in given if isinstance(layer, Tensor)] for kind, given in fields.items()}


def worst(ours: dict[str, list[Layer]], plain: Weights) -> float | None:
    """Return the largest difference of any weight, None where the layers are not the same."""
    shapes = [
        {kind: [tuple(layer.shape) for layer in layers] for kind, layers in side.items()} for side in (ours, plain)
    ]
    if shapes[0] != shapes[1]:
        return None
    return max(
        float((mine.rows(ALL, ALL) - theirs).abs().max())
        for kind in plain
        for mine, theirs in zip(ours[kind], plain[kind], strict=True)
    )


def captured(pair: Pair, inputs: dict[str, Tensor]) -> dict[str, list[Layer]]:
    """Return what Headlight captures of the inputs, replayed where the family is on the attention interface."""
    with torch.no_grad():
        if pair.on_interface:
            with suppress(NotReplayed):
                return replayed_layers(pair.ours, inputs, through_weights=True)
            pair.ours.set_attn_implementation("eager")
        return materialised_layers(pair.ours, inputs)


def first_tensor(output: Any) -> Tensor:
    return next(part for part in output.to_tuple() if isinstance(part, Tensor))


def examine(pair: Pair) -> Finding:
    """Trace a family as loading and tracing do, and compare.

    Raises:
        NoAttention: Headlight refuses it.
    """
    family, ours, inputs = pair.family, pair.ours, pair.inputs
    found = Finding(family, type(pair.plain).__name__, pair.modality)
    with torch.no_grad():
        eager = plain_weights(pair.plain, inputs)
        check_weights(
            pair.plain, {kind: [MaterialisedLayer(layer) for layer in layers] for kind, layers in eager.items()}
        )
        difference = _replayed_difference(pair, eager)
        if difference is not None and difference <= TOLERANCE:
            found.capture, found.difference = "replayed", difference
            found.rounding = worst(replayed_layers(ours, inputs), eager)
            found.changed = changed_by_replay(pair.output)
        else:
            if pair.on_interface:
                ours.set_attn_implementation("eager")
            layers = materialised_layers(ours, inputs)
            apart = worst(layers, eager)
            if apart is None:
                raise AssertionError(f"{family}: two eager passes do not give the same layers.")
            found.capture, found.difference = "materialised", apart
        if found.capture == "materialised":
            found.changed = changed_by_softmax(pair.output, [layer for layers in eager.values() for layer in layers])
        found.output = float(
            (pair.output() - first_tensor(_normal(pair, found.capture)(**inputs, **no_cache(ours)))).abs().max()
        )
        given = given_layers(run(pair.plain, inputs))
    found.kinds = {_kind(kind, eager[kind]): _sizes(eager[kind], len(given[kind])) for kind in eager}
    every = [layer for layers in eager.values() for layer in layers]
    found.peak = float(torch.stack([layer.amax(-1).mean() for layer in every]).mean())
    found.spread = min(float((layer - _uniform_like(layer)).abs().max()) for layer in every)
    return found


def _replayed_difference(pair: Pair, eager: Weights) -> float | None:
    if not pair.on_interface or not eager:
        return None
    with suppress(NotReplayed):
        return worst(replayed_layers(pair.ours, pair.inputs, through_weights=True), eager)
    return None


def _normal(pair: Pair, capture: str) -> PreTrainedModel:
    """Return the module as transformers runs it when nobody asks for weights, the same weights in it."""
    if capture == "materialised" or not pair.plain._supports_sdpa:
        return pair.plain
    try:
        return copy_of(pair.plain, "sdpa", pair.family)
    except ValueError:  # a part of it has no SDPA
        return pair.plain


def _uniform_like(layer: Tensor) -> Tensor:
    allowed = (layer > 0).float()
    return allowed * (layer.sum(-1) / allowed.sum(-1).clamp(min=1))[..., None]


def _kind(role: str, layers: list[Tensor]) -> str:
    causal = all(layer.shape[1] == layer.shape[2] and not layer.triu(1).any() for layer in layers)
    return role if role != "self" else "decoder" if causal else "encoder"


def _sizes(layers: list[Tensor], n_given: int) -> str:
    """Return "layers x heads", and of how many where not all that was given is attention over pairs."""
    heads = "/".join(str(number) for number in sorted({len(layer) for layer in layers}))
    return f"{len(layers)}{f' of {n_given}' if n_given > len(layers) else ''} x {heads}"
