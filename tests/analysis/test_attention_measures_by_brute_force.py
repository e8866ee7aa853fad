"""The measures against plain loops over pairs that share no line with them, on random heads and on the real model."""

import math

import numpy as np
import pytest

import models
from analysis import head_measures, measures
from tests.helpers.hand_made import attention, random_weights, tokens
from tests.helpers.paths import golden

GOLDEN = golden("minilm_heads")


def by_loops(weights: np.ndarray, separators: list[int]) -> dict[str, float]:
    """The definitions, one pair at a time; for a head whose queries are its keys."""
    n = len(weights)
    entropy = distance = first = special = previous = following = own = 0.0
    for query in range(n):
        for key in range(n):
            weight = float(weights[query, key])
            entropy -= weight * math.log2(weight) if weight > 0 else 0.0
            distance += weight * abs(query - key)
            first += weight * (key == 0)
            special += weight * (key in separators)
            previous += weight * (key == query - 1)
            following += weight * (key == query + 1)
            own += weight * (key == query)
    return {
        "entropy": entropy / n,
        "distance": distance / n,
        "first": first / n,
        "separators": special / n if separators else math.nan,
        "previous": previous / (n - 1),
        "next": following / (n - 1),
        "self": own / n,
    }


@pytest.mark.parametrize("n", [2, 3, 7, 17])
@pytest.mark.parametrize("sharpness", [0.1, 3.0, 40.0])
def test_random_heads(n: int, sharpness: float) -> None:
    weights = random_weights(2, 3, n, n, seed=n, sharpness=sharpness)
    table = measures(attention(weights, tokens(*"abcdefghijklmnopq"[:n], special=[0, n - 1])))
    for layer in range(2):
        for head in range(3):
            wanted = by_loops(weights[layer, head], [n - 1])
            # float64 sums of the same float32 weights: only the order of the additions differs, 1e-15 seen.
            assert table.loc[(layer, head)].to_dict() == pytest.approx(wanted, abs=1e-12)


def test_every_head_of_the_real_model(minilm: models.Model) -> None:
    att = minilm.trace("The cat sat on the mat because it was tired.")["encoder"]
    table = measures(att)
    for layer, head in table.index:
        wanted = by_loops(att.weights(layer, head), [att.n_key - 1])
        assert table.loc[(layer, head)].to_dict() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["text"][:24])
def test_the_published_masses(minilm: models.Model, case: dict) -> None:
    att = minilm.trace(case["text"])["encoder"]
    assert [token.text for token in att.key_tokens] == case["tokens"]
    table = measures(att)
    for name, column in (("previous_token_mass", "previous"), ("first_token_mass", "first")):
        figures = table[column].to_numpy().reshape(att.n_layers, att.n_heads)
        # The golden figures have 4 digits and come from another computation; 5e-5 seen, the issue asks for 1e-4.
        np.testing.assert_allclose(figures, case[name], rtol=0, atol=1e-4, err_msg=name)


def test_hidden_queries_are_in_no_mean():
    att = attention(random_weights(1, 2, 7, 7), tokens(*"abcdefg", special=(0, 6)))
    hidden, plain = att.hide(special=True), att.layer(0)[1].astype(np.float64)
    plain[[0, 6]] = 0
    plain[:, [0, 6]] = 0
    found = head_measures(hidden, 0, 1)
    assert found["self"] == pytest.approx(np.trace(plain) / 5, abs=1e-6)
    assert found["previous"] == pytest.approx(np.trace(plain, -1) / 5, abs=1e-6)
    assert found["next"] == pytest.approx(np.trace(plain, 1) / 5, abs=1e-6)
