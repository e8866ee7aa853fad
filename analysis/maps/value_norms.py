"""Value-weighted attention: the norms of the vectors that heads pass on (Kobayashi et al. 2020, arXiv:2004.10102)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from torch import Tensor

from analysis.maps.methods import METHODS
from analysis.maps.notices import NORMALISED, UNNORMALISED
from models import Attention, AttentionTrace, Model
from models.arguments import checked
from models.capture.cost import Budget
from models.capture.value_lengths import ValueLengths
from models.errors import BadSelection, NoAttention
from models.forward_pass import Progress
from models.given_text import Text
from models.request import Inputs
from models.scaled import ScaledLayer


@checked
def value_weighted(
    model: Model,
    text: Text | None = None,
    *,
    kind: str | None = None,
    normalise: bool = False,
    progress: Progress | None = None,
    budget: Budget | None = None,
    **inputs: Unpack[Inputs],
) -> Attention:
    """Return the attention of a text with each weight multiplied by ||f(x_j)||, f(x) = (x W_V + b_V) W_O of the head.

    One pass gives weights and values; `inputs` are those of `Model.trace`. `kind` is the model's first kind if not
    given. The bias of the output projection is of no head and is left out. With `normalise` each row is divided by its
    sum.

    Raises:
        NoAttention: the model returns only weights, or a layer changes the output of its heads before the projection.
        BadSelection: no such kind.
        HeadlightError: as `Model.trace`.
    """
    card = model.card
    kind = kind or card.kinds[0]
    if kind not in card.kinds:
        raise BadSelection(f"There is no {kind[:40]!r} attention here: this model has {' and '.join(card.kinds)}.")
    trace, lengths = _run(model, kind, {"text": text, "progress": progress, "budget": budget, **inputs})
    return _scale(trace[kind], lengths, normalise)


def weigh_values(att: Attention, model: Model, inputs: Mapping[str, Any], *, normalise: bool) -> Attention:
    """Return the map of an attention that the model made of `inputs`, the arguments of `Model.trace`, with "text".

    Raises:
        BadSelection: the attention is of other tokens.
        HeadlightError: as `value_weighted`.
    """
    trace, lengths = _run(model, att.kind, inputs)
    found = trace[att.kind]
    if (found.query_tokens, found.key_tokens) != (att.query_tokens, att.key_tokens):
        raise BadSelection("This attention is of other tokens than the inputs give: give those that made it.")
    return _scale(att, lengths, normalise)


def _run(model: Model, kind: str, inputs: Mapping[str, Any]) -> tuple[AttentionTrace, list[Tensor]]:
    """Return a trace, and ||f(x)|| `[head, key]` of each layer of a kind."""
    card = model.card
    if card.capture != "replayed":
        raise NoAttention(METHODS["value-weighted"].refuse_model(model))
    found = ValueLengths(model.module)
    with found:
        trace = model.trace(**inputs, on_layer_output=found)
    role = kind if model.module.config.is_encoder_decoder else "self"
    for of_role, layer, reason in found.refused:
        if of_role == role:
            raise NoAttention(
                f"{card.name} has no value-weighted map: in layer {layer} of its {kind} attention {reason}, not one "
                "projection alone, so what a head passes on is not known: choose another model, such as minilm."
            )
    return trace, found.lengths[role]


def _scale(att: Attention, lengths: Sequence[Tensor], normalise: bool) -> Attention:
    layers = [
        ScaledLayer(layer, length[:, : att.n_key], normalise) for layer, length in zip(att.layers, lengths, strict=True)
    ]
    return att.derived(layers, "value-weighted", (*att.notices, NORMALISED if normalise else UNNORMALISED))
