"""The heads of a model against those of the same architecture with random weights, over the same tokens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float

from analysis.trust.eager import inputs_of
from analysis.trust.finding import Finding, count
from analysis.trust.heads import COLLAPSED
from analysis.trust.survey import Look, Progress
from models import AttentionTrace, HeadlightError, Model, load_model
from models.arguments import checked
from models.checkpoints.load import one_at_a_time
from models.checkpoints.random_model import build_at_random, count_parameters, shorten
from models.errors import short_message
from models.memory import admit, readable

log = logging.getLogger("headlight.analysis")
# Heads that are as even as random ones: of MiniLM 0 of 72, of the trained decoder of dates 6 of 8, of models that were
# never trained 90% and more.
_MANY = 0.9
_lock = threading.Lock()


@dataclass(frozen=True)
class RandomHeads:
    """The heads of an architecture with random weights over `n_tokens` tokens, by kind.

    `evenness` and `surest` are those of `LayerSurvey`, of all heads. `n_layers` says how many layers there were, of how
    many of the model.
    """

    evenness: Mapping[str, Float[np.ndarray, " head"]]
    surest: Mapping[str, Float[np.ndarray, " head"]]
    n_tokens: int
    n_layers: int
    of_layers: int


_of_models: WeakKeyDictionary[Model, RandomHeads] = WeakKeyDictionary()


@checked
def check_against_random(
    model: Model, trace: AttentionTrace, *, progress: Progress | None = None
) -> tuple[Finding, ...]:
    """Compare how even the heads are with the same architecture with random weights, of the same configuration.

    The random model is computed once for each model, over the text that asks first, and only its numbers are kept. A
    large model is estimated from its first layers. `progress(done, total)` may end the check by an exception.

    Raises:
        NotEnoughMemory: the random model does not fit into the free memory.
    """
    if model.card.modality != "text" or model.tokenizer is None or trace.source.capture == "given":
        return (_not_computed("only models of text are compared"),)
    with _lock:
        found = _of_models.get(model)
        if found is None:
            try:
                found = _measure_random(model, trace, progress)
            except HeadlightError:
                raise
            except Exception as error:
                # The classes of transformers raise anything for a configuration that they cannot build anew.
                log.exception("building %s at random", model.card.name)
                return (_not_computed(f"no model can be made of its configuration ({short_message(error)})"),)
            _of_models[model] = found
    look = Look.of(trace, model)
    return tuple(_judge(look, kind, found) for kind in trace if kind in found.evenness)


def _judge(look: Look, kind: str, at_random: RandomHeads) -> Finding:
    evenness, surest = (look.surveys[kind].of_heads(name) for name in ("evenness", "surest"))
    least = float(np.nanmin(at_random.evenness[kind]))
    n_even, n_heads = int((evenness >= least).sum()), len(evenness)
    n_sure, n_sure_at_random = int((surest >= COLLAPSED).sum()), int((at_random.surest[kind] >= COLLAPSED).sum())
    where = f"{kind} " if len(look.surveys) > 1 else ""
    estimated = (
        f", estimated from {at_random.n_layers:,} of its {at_random.of_layers:,} layers"
        if at_random.n_layers < at_random.of_layers
        else ""
    )
    many = n_even > _MANY * n_heads
    are = "is" if n_even == 1 else "are"
    attend = count(n_sure, "head attends", "heads attend")
    return Finding(
        "compared with random",
        "warning" if many else "ok",
        f"{n_even:,} of {n_heads:,} {where}heads {are} as even as those of the same architecture with random weights, "
        f"which have {least:.1%} of the highest entropy or more ({at_random.n_tokens:,} tokens{estimated}). "
        f"{attend} to one key at a time, and at random {n_sure_at_random:,}.",
        n_even / n_heads,
        "Do not read these heads: they have learned as much as random ones." if many else "",
    )


def _not_computed(why: str) -> Finding:
    return Finding("compared with random", "note", f"The heads were not compared with random weights: {why}.")


def _measure_random(model: Model, trace: AttentionTrace, progress: Progress | None) -> RandomHeads:
    config, n_layers = shorten(model.module.config, model.card.n_layers, model.card.n_parameters)
    n_parameters = count_parameters(config)
    admit(
        int(4 * n_parameters * 2) + model.costs.estimate(trace[trace.kinds[0]].n_query).n_bytes,
        f"The same architecture with random weights ({readable(4 * n_parameters)})",
        "close other programs, or do without this comparison",
    )
    with one_at_a_time:
        twin = load_model(build_at_random(config), model.tokenizer)
    traced = twin.trace(**_inputs(trace, twin), progress=progress)
    surveys = Look.of(traced, None).surveys
    return RandomHeads(
        {kind: survey.of_heads("evenness") for kind, survey in surveys.items()},
        {kind: survey.of_heads("surest") for kind, survey in surveys.items()},
        traced[traced.kinds[0]].n_query,
        n_layers,
        model.card.n_layers,
    )


def _inputs(trace: AttentionTrace, twin: Model) -> dict[str, Any]:
    """Return the tokens of the trace, and for an encoder-decoder what its decoder read instead of its own text."""
    given = inputs_of(trace)
    if "cross" in twin.card.kinds and "target" not in given:
        given["target"] = trace.source.generated or trace.source.text
    return given
