"""The bundled encoder against figures that were computed elsewhere (float32 eager), through the contract."""

from __future__ import annotations

import numpy as np
import pytest

from models import Model
from tests.helpers.paths import golden

GOLDEN = golden("minilm_heads")
CASES = [pytest.param(case, id=f"{len(case['tokens'])}-tokens") for case in GOLDEN["cases"]]
# The file has 5 decimals for weights and 4 for masses, so 5e-5 is its own rounding. Measured: 5.0e-5.
TOLERANCE = 1e-4


def all_weights(model: Model, text: str) -> np.ndarray:
    attention = model.trace(text)["encoder"]
    return np.stack([attention.layer(layer) for layer in range(attention.n_layers)])


def test_the_bundled_model_is_the_one_the_figures_are_of(minilm):
    card = minilm.card
    assert card.name == GOLDEN["model"]
    assert card.revision == "sha256:53aa51172d14"
    assert (card.n_layers, card.n_heads, card.kinds, card.capture) == (6, 12, ("encoder",), "replayed")
    assert card.n_parameters == 22_713_216
    assert card.max_tokens == 256  # as published, though there are 512 positions


@pytest.mark.parametrize("case", CASES)
def test_tokens(case, minilm):
    attention = minilm.trace(case["text"])["encoder"]
    assert [token.text for token in attention.query_tokens] == case["tokens"]
    assert attention.key_tokens == attention.query_tokens


@pytest.mark.parametrize("case", CASES)
def test_strongest_keys(case, minilm):
    attention = minilm.trace(case["text"])["encoder"]
    for expected in case["argmax"]:
        row = attention.weights(expected["layer"], expected["head"], queries=[expected["query"]])[0]
        key = int(row.argmax())
        assert key == expected["key"]
        assert abs(row[key] - expected["weight"]) <= TOLERANCE
        assert attention.query_tokens[expected["query"]].text == expected["query_token"]
        assert attention.key_tokens[key].text == expected["key_token"]


@pytest.mark.parametrize("case", CASES)
def test_mass_on_the_previous_token(case, minilm):
    weights = all_weights(minilm, case["text"])
    # Queries 1 to T-1: the first token has none before it.
    ours = np.diagonal(weights, offset=-1, axis1=-2, axis2=-1).mean(-1)
    assert np.abs(ours - np.array(case["previous_token_mass"])).max() <= TOLERANCE


@pytest.mark.parametrize("case", CASES)
def test_mass_on_the_first_token(case, minilm):
    ours = all_weights(minilm, case["text"])[..., 0].mean(-1)
    assert np.abs(ours - np.array(case["first_token_mass"])).max() <= TOLERANCE
