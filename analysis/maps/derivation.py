"""One function for every method: pages call only this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from analysis.maps.attention_rollout import rollout
from analysis.maps.cost import admit
from analysis.maps.gradients import gradient_attention
from analysis.maps.maximum_flow import attention_flow
from analysis.maps.methods import METHODS
from analysis.maps.notices import NORMALISED
from analysis.maps.value_norms import weigh_values
from models import Attention, Model
from models.arguments import checked
from models.capture.cost import Budget
from models.errors import BadArgument, BadSelection
from models.forward_pass import Progress
from models.request import Request
from models.scaled import ScaledLayer

_INPUTS = frozenset(field.name for field in fields(Request))
# How many rows of maximum flows are computed between two calls of `progress`.
ROWS = 4


@dataclass(frozen=True)
class _Wanted:
    """What a map is made of; `model` and `inputs` are there for a method that needs the model."""

    att: Attention
    model: Model | None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    target: str = ""
    progress: Progress | None = None
    budget: Budget | None = None
    normalise: bool = True


@checked
def derive(
    name: str,
    att: Attention,
    model: Model | None = None,
    inputs: Mapping[str, Any] | None = None,
    target: str = "",
    progress: Progress | None = None,
    budget: Budget | None = None,
    normalise: bool = True,
) -> Attention:
    """Return the whole map of a method, as a page shows it: each row divided by its sum, unless not `normalise`.

    `att` is the attention that the page shows. A method that needs the model runs `inputs` (the arguments of
    `Model.trace`, with "text") through it again; `target` is what the gradient is of. `progress(done, total)` is
    called while the map is made, and ends it by raising. Rollout and flow are computed as a whole here.

    Raises:
        BadArgument: `inputs` has something that `Model.trace` does not read.
        BadSelection: there is no such method, or it does not fit the attention; the sentence says why.
        NotEnoughMemory: the map would not fit; the sentence has the estimate and what to do instead.
        TooLong: the map would take longer than the budget allows, by default `cost.MOST_SECONDS`.
        HeadlightError: as `value_weighted` and `Model.trace`.
    """
    if name not in METHODS:
        raise BadSelection(f"There is no method {name[:40]!r}: choose one of {', '.join(METHODS)}.")
    method = METHODS[name]
    refusal = method.refusal(att, model)
    if refusal:
        raise BadSelection(refusal)
    unknown = [str(each)[:40] for each in inputs or {} if each not in _INPUTS]
    if unknown:
        raise BadArgument(f"inputs are the arguments of Model.trace, which has no {unknown[0]!r}: leave it out.")
    admit(method.title, method.estimate(att, model), method.remedy, budget)
    made = _MAKERS[name](_Wanted(att, model, inputs or {}, target, progress, budget, normalise))
    # A file of the map must say what the gradient is of, so that it can be made again.
    return made.annotated(goal=target) if method.has_target and target else made


def divide_rows(att: Attention) -> Attention:
    """Return a map whose rows are divided by their sums; a row of zeros stays, and NaN stays NaN."""
    notices = tuple(notice for notice in att.notices if "not sum to 1" not in notice)
    layers = [ScaledLayer(layer, normalise=True) for layer in att.layers]
    return att.derived(layers, att.method, notices=(*notices, NORMALISED))


def _attention(wanted: _Wanted) -> Attention:
    return wanted.att


def _value_weighted(wanted: _Wanted) -> Attention:
    assert wanted.model is not None  # `Method.refusal` refuses a trace without its model
    inputs = {"progress": wanted.progress, "budget": wanted.budget, **wanted.inputs}
    return weigh_values(wanted.att, wanted.model, inputs, normalise=wanted.normalise)


def _rollout(wanted: _Wanted) -> Attention:
    made = rollout(wanted.att, budget=wanted.budget)
    return _finish(made, wanted, made.n_query)


def _flow(wanted: _Wanted) -> Attention:
    return _finish(attention_flow(wanted.att), wanted, ROWS)


def _finish(made: Attention, wanted: _Wanted, step: int) -> Attention:
    """Compute all rows of a map, `step` of them at a time."""
    parts = [(layer, start) for layer in range(made.n_layers) for start in range(0, made.n_query, step)]
    for done, (layer, start) in enumerate(parts):
        made.weights(layer, 0, queries=slice(start, start + step))
        if wanted.progress is not None:
            wanted.progress(done + 1, len(parts))
    return divide_rows(made) if wanted.normalise else made


def _gradient(wanted: _Wanted) -> Attention:
    assert wanted.model is not None  # `Method.refusal` refuses a trace without it
    inputs = dict(wanted.inputs)
    return gradient_attention(
        wanted.model,
        inputs.pop("text", None),
        wanted.target or None,
        normalise=wanted.normalise,
        kind=wanted.att.kind,
        decoder_text=inputs.pop("target", None),
        progress=wanted.progress,
        budget=wanted.budget,
        **inputs,
    )


_MAKERS: dict[str, Callable[[_Wanted], Attention]] = {
    "attention": _attention,
    "value-weighted": _value_weighted,
    "rollout": _rollout,
    "flow": _flow,
    "gradient": _gradient,
}
