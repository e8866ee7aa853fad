"""A verified module to a `Model`: its card and its costs."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from transformers import PreTrainedModel

from models.capture.borrowed import Borrowed
from models.capture.cost import Costs
from models.capture.forward import ROLES, Layers, in_order
from models.capture.replay import Layer
from models.card import Card
from models.chat_template import has_template
from models.checkpoints.coverage import coverage_notices
from models.checkpoints.heads import find_answers
from models.checkpoints.health import attention_notices
from models.checkpoints.processors import InputProcessors, count_readable_tokens
from models.checkpoints.verify import VerifiedCapture
from models.model import Model


def build_model(
    module: PreTrainedModel,
    processors: InputProcessors,
    named: tuple[str, str],
    verified: VerifiedCapture,
    notices: tuple[str, ...],
    borrowed: Borrowed | None = None,
) -> Model:
    """Return the model that traces, with a card that describes it.

    `named` are its name and its revision; `notices` are what loading found. `borrowed` is given for a module that
    belongs to the caller.
    """
    kinds = _name_kinds(verified.eager)
    layers_of_kinds = zip(kinds, in_order(verified.eager), strict=True)
    sizes = {kind: (len(layers), max(layer.shape[0] for layer in layers)) for kind, layers in layers_of_kinds}
    counts = {role: len(found) for role, found in verified.eager.items()}
    answers, of_head = find_answers(module, processors)
    notices = (*notices, *coverage_notices(module.config, counts, verified.names), *of_head)
    if not verified.has_bad_weights:  # otherwise the weights are named, and these layers are not the model's own
        notices = (*notices, *attention_notices(verified.layers))
    card = _describe(module, processors, named, verified, (kinds, sizes), notices)
    return Model(
        module,
        card,
        Costs(module, verified.layers),
        tokenizer=processors.tokenizer,
        images=processors.images,
        pictures=processors.pictures,
        sounds=processors.sounds,
        answers=replace(answers, pooling=processors.pooling),
        borrowed=borrowed,
    )


def _describe(
    module: PreTrainedModel,
    processors: InputProcessors,
    named: tuple[str, str],
    verified: VerifiedCapture,
    layers: tuple[tuple[str, ...], dict[str, tuple[int, int]]],
    notices: tuple[str, ...],
) -> Card:
    tokenizer, (kinds, sizes) = processors.tokenizer, layers
    return Card(
        name=named[0],
        revision=named[1],
        architecture=type(module).__name__,
        n_layers=sizes[kinds[0]][0],
        n_heads=sizes[kinds[0]][1],
        n_parameters=sum(parameter.numel() for parameter in module.parameters()),
        max_tokens=count_readable_tokens(module, tokenizer) if tokenizer is not None else None,
        device=str(module.device),
        dtype=str(module.dtype).removeprefix("torch."),
        kinds=kinds,
        capture=verified.capture,
        proof=verified.difference,
        notices=notices,
        modality=_name_modality(processors),
        writes=kinds == ("decoder",) and (module.can_generate() or getattr(module, "continues", False)),
        chats=has_template(tokenizer) and processors.pictures is None,
        task=getattr(module, "task", ""),
        why=verified.why,
        sizes=MappingProxyType(sizes),
    )


def _name_modality(processors: InputProcessors) -> str:
    if processors.sounds is not None:
        return "sound"
    if processors.pictures is not None:
        return "text and image"
    return "text" if processors.tokenizer is not None else "image"


def _name_kinds(layers: Layers) -> tuple[str, ...]:
    """Return the kind of each role that has layers: "self" is a decoder if its weights are causal, else an encoder."""
    return tuple(
        role if role != "self" else "decoder" if _are_causal(layers[role]) else "encoder"
        for role in ROLES
        if layers.get(role)
    )


def _are_causal(layers: list[Layer]) -> bool:
    return all(layer.allowed(slice(None), slice(None)) is not None for layer in layers)
