"""What a model's output loses without each head, and without each token: tables of effects (decision 28)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Unpack

import numpy as np
import pandas as pd

from analysis.causes.comparison import Comparison
from models import Model
from models.arguments import checked
from models.capture.ablation import Change
from models.capture.cost import Budget
from models.capture.forward import Layers
from models.capture.replay import Layer
from models.changed_outputs import answer_changes
from models.changes import read_ablate, read_masked
from models.errors import BadSelection
from models.forward_pass import Progress
from models.given_text import Text
from models.request import Inputs


@checked
def effects(
    model: Model,
    text: Text | None = None,
    how: str = "zero",
    heads: Sequence[tuple[int, int]] | None = None,
    kind: str | None = None,
    *,
    progress: Progress | None = None,
    budget: Budget | None = None,
    **inputs: Unpack[Inputs],
) -> pd.DataFrame:
    """Return what the output loses without each head, one at a time, indexed by `layer, head`.

    `how` is a way of `Model.trace(ablate=...)`: "zero" (Michel et al. 2019); "mean" over this text's positions (in a
    decoder those so far), not over others as in Wang et al. 2023; "uniform" over all keys that a position may attend to
    (Wiegreffe and Pinter 2019); or a pattern. `heads` are those to change, by default all of `kind`, the first one.

    `effect` is larger where the head matters more. It is, in the model's own terms:

    - `before - probability`, what the probability of the untouched answer loses (the next token, the masked tokens, the
      label, the label of each token, the answer to a question). `divergence_bits` is the Kullback-Leibler divergence.
    - The mean change of the numbers that a model gives; `value` is their mean.
    - Else 1 less the `cosine` of the sentence embedding with the untouched one.

    `attrs` has the `terms` in words, `task`, `answer`, `positions`, `how` and `kind`. Several masked or labelled tokens
    count equally.

    Raises:
        BadSelection: there is no such kind, layer, head or way, or the model returns its weights itself.
        NoAnswer: the model gives nothing that can be compared.
        HeadlightError: as `Model.trace`, for all heads together.
    """
    kind = _check_kind(model, kind)
    read_ablate(model.card, {(kind, *one): how for one in ((0, 0), *(heads or ()))})  # refuses what is not there
    wanted = None if heads is None else list(dict.fromkeys((int(layer), int(head)) for layer, head in heads))
    role, found = model.role_of(kind), list[tuple[int, int]]()

    def plan(layers: Layers) -> list[Change]:
        found.extend(_every(layers[role]) if wanted is None else wanted)
        return [Change({(role, *one): how}) for one in found]

    comparison = Comparison(_n_values(model))
    n_changes = prod(model.card.sizes[kind]) if wanted is None else len(wanted)
    answer_changes(model, text, plan, comparison, n_changes=n_changes, progress=progress, budget=budget, **inputs)
    index = pd.MultiIndex.from_arrays([*np.array(found, int).reshape(-1, 2).T], names=["layer", "head"])
    table = pd.DataFrame(comparison.columns(len(found)), index=index)
    table.attrs.update(comparison.attrs(), how=how, kind=kind)
    return table


@checked
def token_effects(
    model: Model,
    text: Text | None = None,
    *,
    progress: Progress | None = None,
    budget: Budget | None = None,
    **inputs: Unpack[Inputs],
) -> pd.DataFrame:
    """Return what the output loses if each token of the text is masked, one at a time, indexed by `position`.

    This is the erasure of Li et al. 2016, by the mask, so that the other tokens keep their positions. `token` is the
    text of the token, and the other columns and `attrs` are those of `effects`. A masked token may still
    attend to itself, so the last token of a decoder keeps its own part of the next token. A text of one token has NaN,
    because nothing would be left to read.

    Raises:
        HeadlightError: as `effects`.
    """
    read_masked(model.card, [0])  # refuses the model
    n_found = 0

    def plan(layers: Layers) -> list[Change]:
        nonlocal n_found
        n_found = next(iter(layers.values()))[0].shape[2]
        return [Change({}, (position,)) for position in range(n_found)] if n_found > 1 else []

    comparison = Comparison(_n_values(model))
    trace = answer_changes(model, text, plan, comparison, progress=progress, budget=budget, **inputs)
    tokens = next(iter(trace.attentions.values())).key_tokens
    index = pd.RangeIndex(n_found, name="position")
    table = pd.DataFrame({"token": [token.display for token in tokens], **comparison.columns(n_found)}, index=index)
    table.attrs.update(comparison.attrs())
    return table


def _every(layers: Sequence[Layer]) -> list[tuple[int, int]]:
    return [(number, head) for number, layer in enumerate(layers) for head in range(layer.shape[0])]


def _check_kind(model: Model, kind: str | None) -> str:
    kinds = model.card.kinds
    if kind is not None and kind not in kinds:
        raise BadSelection(f"There is no {kind[:40]!r} attention here: {model.card.name} has {' and '.join(kinds)}.")
    return kind or kinds[0]


def _n_values(model: Model) -> int:
    return int(getattr(model.module.config, "n_values", 0))
