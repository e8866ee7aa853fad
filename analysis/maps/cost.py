"""What a map costs, estimated before it starts, and the refusal of one that costs too much."""

from __future__ import annotations

from functools import cache
from time import perf_counter

import numpy as np

from models import Attention, Model, memory
from models.capture.cost import Budget, Estimate, readable_seconds
from models.capture.gradients import GradientCosts
from models.errors import NotEnoughMemory, TooLong
from models.memory import readable

# The longest that a map may take where the budget has no seconds: a visitor waits no longer for a picture.
MOST_SECONDS = 120.0
# Of a maximum flow, for each edge of its graph. Measured on two cores with real texts of 20 to 70 tokens and 12 and 30
# layers: 0.7 to 1.8 times this.
SECONDS_PER_EDGE = 1.2e-7
# Of a softmax, for each weight.
SECONDS_PER_WEIGHT = 4e-9


def estimate(name: str, att: Attention, model: Model | None = None) -> Estimate:
    """Return what the whole map of a method costs: tokens, bytes in addition to the trace, seconds."""
    n, n_layers = att.n_query, att.n_layers
    weights = n * n * sum(layer.shape[0] for layer in att.layers)
    seconds = weights * SECONDS_PER_WEIGHT
    if name == "rollout":
        # All products in float32; of one layer the matrix, two products and a strip of its heads in float64.
        products = 2.0 * n**3 * n_layers / _speed()
        strip = 8 * min(weights // n_layers, 2**22)
        return Estimate(n, 4 * n * n * n_layers + 28 * n * n + strip, seconds + products)
    if name == "flow":
        # Of n tokens in each layer, a flow to each token of the input, through the layers below. Causal: half of both.
        share = 0.25 if att.kind == "decoder" else 1.0
        edges = share * n**4 * n_layers * (n_layers + 1) / 2
        return Estimate(n, 28 * n * n * n_layers, seconds + edges * SECONDS_PER_EDGE)
    if name == "attention" or model is None:
        return Estimate(n, 0, 0.0)
    costs = GradientCosts(model) if name == "gradient" else model.costs
    return costs.estimate(max(n, att.n_key))


@cache
def _speed() -> float:
    """Return the operations a second of a product of matrices in float64."""
    matrix, fastest = np.ones((512, 512)), float("inf")
    for _ in range(3):
        start = perf_counter()
        matrix @ matrix
        fastest = min(fastest, perf_counter() - start)
    return 2 * 512**3 / fastest


def admit(title: str, estimate: Estimate, remedy: str, budget: Budget | None = None) -> None:
    """Let a map of an estimated cost be made.

    `title` names the map and `remedy` says what to do instead. A budget without seconds allows `MOST_SECONDS`.

    Raises:
        NotEnoughMemory: it would not fit into the free memory or the budget.
        TooLong: it would take longer than the budget allows.
    """
    budget = budget or Budget()
    seconds = MOST_SECONDS if budget.seconds is None else budget.seconds
    what = f"{title} of {estimate.n_tokens:,} tokens"
    free = memory.free_bytes()
    if estimate.n_bytes > memory.SHARE_OF_FREE * free:
        raise NotEnoughMemory(
            f"{what} needs about {readable(estimate.n_bytes)}, and {readable(free)} are free: {remedy}."
        )
    if budget.n_bytes is not None and estimate.n_bytes > budget.n_bytes:
        raise NotEnoughMemory(
            f"{what} needs about {readable(estimate.n_bytes)}, and {readable(budget.n_bytes)} are allowed: {remedy}."
        )
    if estimate.seconds > seconds:
        raise TooLong(
            f"{what} would take about {readable_seconds(estimate.seconds)}, and {readable_seconds(seconds)} "
            f"are allowed: {remedy}."
        )
