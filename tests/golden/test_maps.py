"""Derived maps against figures that were computed elsewhere."""

import numpy as np
import pytest

from analysis import attention_flow, rollout, value_weighted
from tests.helpers.hand_made import attention
from tests.helpers.paths import golden

NORMS, THREE = golden("minilm_norms"), golden("rollout_and_flow")
# The files have 6 decimals.
TOLERANCE = 1e-6


def test_value_weighted_norms_of_minilm(minilm):
    found, att = value_weighted(minilm, NORMS["text"]), minilm.trace(NORMS["text"])["encoder"]
    for head, expected in NORMS["heads"].items():
        layer, number = map(int, head.split(","))
        weighted = found.weights(layer, number)
        # Measured: 3.6e-6 at most, of numbers up to 2.
        assert np.abs(weighted - expected["weighted"]).max() < 3e-5
        lengths = weighted / att.weights(layer, number)
        assert np.abs(lengths - expected["f_norm"]).max() < 1e-4
    assert [token.text for token in found.query_tokens] == NORMS["tokens"]


@pytest.mark.parametrize("n_layers", [2, 3])
def test_rollout_and_flow_of_three_tokens(n_layers):
    att = attention(np.array(THREE["w"])[:n_layers, None])
    for name, found in (("rollout", rollout(att)), ("flow", attention_flow(att))):
        assert np.abs(found.weights(n_layers - 1, 0) - THREE[f"{name}_{n_layers}"]).max() < TOLERANCE
