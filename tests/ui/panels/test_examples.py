"""The claim of each example, computed from the weights: its pair stands out, in its head and among all heads."""

import numpy as np
import pytest

from models import load_model
from ui.panels.examples import EXAMPLES, OF_MODEL, example_of

TOKENS = {
    "Coreference": ("it", "cat"),
    "The trophy": ("it", "trophy"),
    "Two banks": ("bank", "bank"),
    "Agreement": ("are", "keys"),
    "Repetition": ("be", "be"),
    "Rare words": ("##uro", "ne"),
}
# Weight of the pair and how many times the mean of the other queries it is, as the page says them.
CLAIMS = {
    "Coreference": (0.49, 3.7),
    "The trophy": (0.61, 3.0),
    "Two banks": (0.87, 100.5),
    "Agreement": (0.88, 4.7),
    "Repetition": (0.34, 10.7),
    "Rare words": (0.63, 115.7),
}


def weight_and_others(att, layer, head, query, key):
    """Return the weight of a pair, and the mean that the other queries give to its key, one query at a time."""
    column = [float(att.weights(layer, head)[each, key]) for each in range(att.n_query)]
    return column[query], np.mean([weight for each, weight in enumerate(column) if each != query])


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_opens_at_a_head_that_shows_its_point(example):
    att = load_model(OF_MODEL).trace(example.text)["encoder"]
    assert TOKENS[example.name] == (att.query_tokens[example.query].text, att.key_tokens[example.key].text)
    weight, others = weight_and_others(att, example.layer, example.head, example.query, example.key)
    expected_weight, expected_ratio = CLAIMS[example.name]
    assert weight == pytest.approx(expected_weight, abs=0.005)
    assert weight / others == pytest.approx(expected_ratio, rel=0.02)
    # A head in which every token attends to the key shows nothing of this pair.
    assert weight / others >= 2.5
    found = [
        (layer, head)
        for layer in range(att.n_layers)
        for head in range(att.heads_in(layer))
        for heads_weight, heads_others in [weight_and_others(att, layer, head, example.query, example.key)]
        if heads_weight > weight and heads_weight / heads_others >= 2.5 and example.name != "Rare words"
    ]
    assert not found, "another head shows the point better"


def test_only_the_model_whose_heads_are_named_opens_at_them():
    example = EXAMPLES[0]
    assert example_of(OF_MODEL, example.text) is example
    assert example_of("another", example.text) is None
    assert example_of(OF_MODEL, example.text + "!") is None
