"""Gradient times attention, and its rollout (Chefer, Gur and Wolf 2021, arXiv:2103.15679).

For one number y of the answer, `A'[head, query, key] = max(0, dy/dA * A)`, with A the weights of a layer. A weight is
large where the answer would rise with it. The rollout is `R = I; R += mean over heads of A' @ R`, layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from models import Attention, Model
from models.arguments import checked
from models.capture.cost import Budget
from models.capture.gradients import trace_gradient
from models.capture.replay import LayerLike, MaterialisedLayer
from models.errors import BadSelection
from models.given_text import Text
from models.scaled import ScaledLayer

NOT_ONE = "Its rows do not sum to 1: a weight is large where the answer would rise with it, and 0 where it would fall."
NORMALISED = (
    "Each row is divided by its sum, so compare the cells of a row, not rows or heads; "
    "a row in which nothing speaks for the answer is 0."
)


@checked
def gradient_attention(
    model: Model,
    text: Text | None = None,
    target: str | None = None,
    *,
    rollout: bool = False,
    normalise: bool = False,
    kind: str | None = None,
    decoder_text: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    budget: Budget | None = None,
    **inputs: Any,
) -> Attention:
    """Return the attention of each head times its gradient, 0 where that is negative (`Attention.method` "gradient").

    `target` is what the gradient is of: a class of a classifier (`"class:1"`, or its name), a token that is to follow
    or to stand at the mask (`"token:1234"`, or its text, such as `" Paris"`), or `"embedding"`, the length of the
    text's embedding. `"token:1234@5"` and `"class:1@5"` read the answer at position 5; without it, a decoder is asked
    at its last position, a masked model at its masks, and a model that labels tokens at all of them. None is the
    model's own answer, or the embedding if it has none. The gradient is of the logit, before the softmax.

    With `rollout` there is one head for each layer: `weights(layer, 0)` goes from that layer's tokens down to the
    input, and has 1 added on its diagonal. With `normalise`, each row is divided by its sum. `kind` is the kind of
    attention, by default the model's first one. `decoder_text` is what an encoder-decoder's decoder reads, which
    `Model.trace` calls `target`; `inputs` are its other arguments. `notices` say what the gradient is of.

    Raises:
        NoAnswer: the model does not answer in this way.
        BadSelection: there is no such class, token, position or kind, or no rollout of this kind.
        NoAttention: the model returns its weights itself, so they have no gradient.
        HeadlightError: as `Model.trace`; the cost that is admitted is that of the pass and the way back.
    """
    kind = _check_kind(model, kind, rollout)
    found = trace_gradient(model, text, goal=target, progress=progress, budget=budget, target=decoder_text, **inputs)
    if kind in found.unused:
        raise BadSelection(f"Nothing of the {kind} attention reaches {found.title}: choose another kind or target.")
    att = found.trace[kind]
    layers = roll_out(att) if rollout else att.layers
    if normalise:
        layers = [ScaledLayer(layer, normalise=True) for layer in layers]
    return att.derived(layers, "gradient", (f"The gradient is of {found.title}.", NORMALISED if normalise else NOT_ONE))


def _check_kind(model: Model, kind: str | None, rollout: bool) -> str:
    kinds = model.card.kinds
    kind = kind or kinds[0]
    if kind not in kinds:
        raise BadSelection(f"There is no {kind[:40]!r} attention here: this model has {' and '.join(kinds)}.")
    if rollout and kind != kinds[0]:
        raise BadSelection(
            f"The rollout of a gradient follows one text through its own layers, and the {kind} attention also reads "
            f'another text: choose kind="{kinds[0]}", or leave rollout out.'
        )
    return kind


def roll_out(att: Attention) -> Sequence[LayerLike]:
    """Return R after each layer, as one head."""
    total, layers = np.eye(att.n_key), list[LayerLike]()
    for number in range(att.n_layers):
        total = total + att.layer(number).mean(0, dtype=np.float64) @ total
        causal = att.n_key > 1 and not np.triu(total, 1).any()
        layers.append(MaterialisedLayer(torch.from_numpy(total[None].astype(np.float32)), causal))
    return layers
