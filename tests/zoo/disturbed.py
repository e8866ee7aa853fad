"""A family's pass between whose layers another pass of the same model runs: nothing of it may be seen in the first."""

from __future__ import annotations

import torch
from torch import Tensor

from models.capture.forward import materialised_layers, replayed_layers
from models.capture.interface import IMPLEMENTATION
from models.capture.replay import Layer
from models.capture.turns import announce_layers, calling_between_layers
from tests.zoo.compare import ALL, Pair
from tests.zoo.inputs import N_TOKENS

SHORTER = N_TOKENS - 4


def disturbance(pair: Pair, capture: str) -> tuple[int, float]:
    """Return how many passes ran between the layers, and the largest difference of a weight from an undisturbed pass.

    `capture` is how the family of the pair is captured: "replayed" or "materialised".
    """
    if capture == "materialised":
        if pair.ours.config._attn_implementation == IMPLEMENTATION:
            pair.ours.set_attn_implementation("eager")
        announce_layers(pair.ours)
    other, n_between, inside = _other(pair.inputs), 0, False

    def disturb() -> None:
        nonlocal n_between, inside
        if not inside:
            inside, n_between = True, n_between + 1
            _pass(pair, capture, other)
            inside = False

    with torch.no_grad():
        alone = _pass(pair, capture, pair.inputs)
        with calling_between_layers(disturb):
            disturbed = _pass(pair, capture, pair.inputs)
    differences = [
        float((one.rows(ALL, ALL) - two.rows(ALL, ALL)).abs().max())
        for role in alone
        for one, two in zip(alone[role], disturbed[role], strict=True)
    ]
    return n_between, max(differences)


def _pass(pair: Pair, capture: str, inputs: dict[str, Tensor]) -> dict[str, list[Layer]]:
    return (replayed_layers if capture == "replayed" else materialised_layers)(pair.ours, inputs)


def _other(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return inputs of another content, and of texts a shorter one."""
    found = {}
    for name, values in inputs.items():
        if values.is_floating_point():
            values = 0.5 * values.flip(-1)
        elif name in ("input_ids", "decoder_input_ids"):
            values = values.flip(-1)
        cut = values.dim() > 1 and values.shape[1] == N_TOKENS and "input_ids" in inputs
        found[name] = values[:, :SHORTER] if cut else values
    return found
