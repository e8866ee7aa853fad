"""The claim of each example, computed from the weights: its pair stands out, in its head and among all heads."""

from functools import cache

import numpy as np
import pytest

from models import load_model
from tests.helpers.paths import golden
from ui.panels.examples import EXAMPLES, OF_MINILM, OF_SMOLLM2, example_of, examples_for

PAIRS = [pytest.param(model, each, id=f"{model}-{each.name}") for model in EXAMPLES for each in EXAMPLES[model]]
TOKENS = {
    ("minilm", "Coreference"): ("it", "cat"),
    ("minilm", "The trophy"): ("it", "trophy"),
    ("minilm", "Two banks"): ("bank", "bank"),
    ("minilm", "Agreement"): ("are", "keys"),
    ("minilm", "Repetition"): ("be", "be"),
    ("minilm", "Rare words"): ("##uro", "ne"),
    ("smollm2", "Induction"): ("uff", "les"),
    ("smollm2", "Who gets it"): ("Ġto", "ĠMary"),
    ("smollm2", "A fact"): ("Ġis", "ĠFrance"),
    ("smollm2", "Repetition"): ("Ġbe", "Ġbe"),
    ("smollm2", "The token before"): ("Ġthere", "Ġtime"),
    ("smollm2", "A sink"): ("Ġa", "A"),
    ("e5", "Two languages"): ("猫", "▁cat"),
    ("e5", "Chinese"): ("他", "老师"),
    ("e5", "Arabic"): ("▁وهي", "▁العاصمة"),
    ("e5", "Hindi"): ("▁वह", "▁बिल्ली"),
    ("e5", "Japanese"): ("To", "東京"),
    ("e5", "German compound"): ("▁shipping", "schiff"),
    ("e5", "Emoji"): ("🍕", "🍕"),
}
# Weight of the pair and how many times the mean of the other queries it is.
CLAIMS = {
    ("minilm", "Coreference"): (0.49, 3.7),
    ("minilm", "The trophy"): (0.61, 3.0),
    ("minilm", "Two banks"): (0.87, 100.5),
    ("minilm", "Agreement"): (0.88, 4.7),
    ("minilm", "Repetition"): (0.34, 10.7),
    ("minilm", "Rare words"): (0.63, 115.7),
    ("smollm2", "Induction"): (0.998, 3953),
    ("smollm2", "Who gets it"): (0.81, 4.9),
    ("smollm2", "A fact"): (0.90, 4.9),
    ("smollm2", "Repetition"): (0.81, 18.5),
    ("smollm2", "The token before"): (0.92, 96.0),
    ("smollm2", "A sink"): (0.999, 1.0),
    ("e5", "Two languages"): (0.96, 97.7),
    ("e5", "Chinese"): (0.33, 6.45),
    ("e5", "Arabic"): (0.58, 10.5),
    ("e5", "Hindi"): (0.58, 19.7),
    ("e5", "Japanese"): (0.86, 118.5),
    ("e5", "German compound"): (0.48, 11.7),
    ("e5", "Emoji"): (0.64, 11.9),
}
# The points of these are not that one pair stands out among all heads.
OF_A_HEAD = {("minilm", "Rare words"), ("smollm2", "The token before"), ("smollm2", "A sink")}
CONTINUATIONS = {
    "Induction": "les to the beach.",
    "Who gets it": " Mary,",
    "A fact": " Paris.",
    "Repetition": " question.",
    "The token before": " sons.",
    "A sink": " special chart",
}
# A head in which every token attends to the key shows nothing of a pair.
STANDS_OUT = 2.5


@cache
def model_of(name):
    return load_model(name)


@cache
def traced(name, example):
    (kind,) = model_of(name).card.kinds
    return model_of(name).trace(example.text, generate=example.generate)[kind]


def weights_and_others(att, layer, query, key):
    """Return for each head the weight of a pair, and the mean that the other queries that see the key give to it."""
    first = key if att.kind == "decoder" else 0
    column = att.layer(layer)[:, first:, key].astype(float)
    weights = column[:, query - first]
    return weights, (column.sum(-1) - weights) / (column.shape[1] - 1)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "example"), PAIRS)
def test_an_example_opens_at_a_head_that_shows_its_point(model, example):
    att, case = traced(model, example), (model, example.name)
    assert TOKENS[case] == (att.query_tokens[example.query].text, att.key_tokens[example.key].text)
    weights, others = weights_and_others(att, example.layer, example.query, example.key)
    weight, ratio = weights[example.head], weights[example.head] / others[example.head]
    expected_weight, expected_ratio = CLAIMS[case]
    assert weight == pytest.approx(expected_weight, abs=0.005)
    assert ratio == pytest.approx(expected_ratio, rel=0.02)
    if case in OF_A_HEAD:
        return
    assert ratio >= STANDS_OUT
    for layer in range(att.n_layers):
        weights, others = weights_and_others(att, layer, example.query, example.key)
        assert not ((weights > weight) & (weights / others >= STANDS_OUT)).any(), "another head shows the point better"


@pytest.mark.slow
@pytest.mark.parametrize("example", OF_SMOLLM2, ids=lambda example: example.name)
def test_the_decoder_continues_its_examples(example):
    tokens = traced("smollm2", example).query_tokens[-example.generate :]
    assert "".join(token.text for token in tokens).replace("Ġ", " ") == CONTINUATIONS[example.name]


@pytest.mark.slow
def test_the_heads_of_the_decoder_are_those_that_others_found():
    """Induction opens at the strongest head of the golden file, and the same head is a sink where nothing repeats."""
    repeated, sink = golden("smollm2_effects")["repeated"], golden("smollm2_effects")["sink"]
    by_name = {each.name: each for each in OF_SMOLLM2}
    first, before, last = by_name["Induction"], by_name["The token before"], by_name["A sink"]
    assert (first.layer, first.head) == divmod(int(np.argmax(repeated["induction"])), 9)
    assert (before.layer, before.head) == divmod(int(np.argmax(repeated["previous"])), 9)
    assert (last.layer, last.head) == (first.layer, first.head)
    assert sink["alpha"][last.layer][last.head] > 0.9
    # Every token does the same, except the first ones, which have nothing else.
    weights = traced("smollm2", before).weights(before.layer, before.head)
    assert np.diagonal(weights, -1).mean() > 0.8
    assert traced("smollm2", last).weights(last.layer, last.head)[1:, 0].mean() > 0.9


def test_only_the_model_whose_heads_are_named_opens_at_them():
    example = OF_MINILM[0]
    assert example_of("minilm", example.text) is example
    assert example_of("another", example.text) is None
    assert example_of("smollm2", example.text) is None
    assert example_of("minilm", example.text + "!") is None
    assert examples_for("another") == OF_MINILM
