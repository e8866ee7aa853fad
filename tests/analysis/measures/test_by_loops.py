"""The measures against plain loops over pairs that share no line with them, on random heads and on the real models."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import models
from analysis.measures import NUMBERS, head_row, head_table
from models import Attention, Token
from tests.helpers.hand_made import attention, causal_attention, random_weights, tokens
from tests.helpers.paths import golden

GOLDEN = golden("minilm_measures")
TEXTS = ["the", "cat", "sat", ",", "on", "the", "mat", ";", "and", "the", "dog", "sat", ".", "by", "the", "door"]


def by_loops(att: Attention, layer: int, head: int) -> dict[str, float]:
    """The definitions, one pair at a time."""
    weights, mask = att.weights(layer, head).astype(float), att.mask(layer, head)
    keys, apart = att.key_tokens, att.kind == "cross"
    totals: dict[str, list[float]] = {name: [] for name in NUMBERS}
    for query, token in enumerate(att.query_tokens):
        row = {key: weights[query, key] for key in range(att.n_key)}
        if query in att.hidden_queries or not mask[query].any() or sum(row.values()) == 0:
            continue
        whole = sum(row.values()) if att.hidden_keys else 1  # hidden tokens have the rest
        parts = {key: w / whole for key, w in row.items()}
        totals["entropy_bits"].append(-sum(w * math.log2(w) for w in parts.values() if w != 0))
        totals["confidence"].append(max(row.values()))
        totals["first"].extend([] if 0 in att.hidden_keys else [row[0]])
        marks = [key for key, one in enumerate(keys) if key and one.text in (",", ";", ".")]
        special = [key for key, one in enumerate(keys) if key and one.special and key not in att.hidden_keys]
        for name, found in (("separator", special), ("punctuation", marks)):
            totals[name].extend([sum(row[key] for key in found)] if found else [])
        if apart:
            continue
        totals["mean_distance"].append(sum(w * abs(query - key) for key, w in parts.items()))
        for name, key in (("previous", query - 1), ("self", query), ("next", query + 1)):
            totals[name].extend([row[key]] if key in row and key not in att.hidden_keys else [])
        again = [key for key, one in enumerate(keys) if key != query and one.id == token.id]
        if any(mask[query, key] for key in again):
            totals["same_token"].append(sum(row[key] for key in again))
    return {name: math.fsum(found) / len(found) if found else math.nan for name, found in totals.items()}


def some_tokens(n: int, special: tuple[int, ...] = ()) -> tuple[Token, ...]:
    """Tokens of which some come again, with their ids."""
    texts = TEXTS[:n]
    named = tokens(*texts, special=special)
    return tuple(Token(t.text, texts.index(t.text), None, None, t.special, t.text) for t in named)


def check(att: Attention) -> None:
    table = head_table(att)
    for layer, head in table.index:
        row = table.loc[(layer, head)]
        # Weights that are computed for a head alone differ in the last digit of float32 from those of a whole layer.
        assert row[list(NUMBERS)].to_dict() == pytest.approx(by_loops(att, layer, head), abs=1e-6, nan_ok=True)
        pd.testing.assert_series_equal(head_row(att, layer, head, rows=3), row, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n", [2, 3, 7, 16])
@pytest.mark.parametrize("sharpness", [0.1, 3.0, 40.0])
def test_random_heads(n: int, sharpness: float) -> None:
    weights = random_weights(2, 3, n, n, seed=n, sharpness=sharpness)
    att = attention(weights, some_tokens(n, special=(0, n - 1)))
    check(att)
    # float64 sums of the same float32 weights: only the order of the additions differs, 1e-15 seen.
    figures = head_row(att, 1, 2)[list(NUMBERS)].to_dict()
    assert figures == pytest.approx(by_loops(att, 1, 2), abs=1e-12, nan_ok=True)


def test_other_kinds_of_attention() -> None:
    check(attention(random_weights(2, 3, 5, 11), tokens(*"abcde"), some_tokens(11)))
    shown = some_tokens(13)
    check(Attention("decoder", [causal_attention(13).replay(0)] * 2, shown, shown, causal_attention(13).source))
    check(attention(random_weights(2, 3, 11, 11), some_tokens(11, (0, 10))).hide(special=True))
    check(attention(random_weights(2, 3, 11, 11), some_tokens(11)).words())


def test_rows_without_any_key_count_in_no_mean() -> None:
    layers = [causal_attention(7).replay(0), causal_attention(7, seed=1).replay(0)]
    nothing = np.ones((1, 7, 7), bool)
    nothing[0, [2, 5]] = False
    masked = [replace(layers[0], causal=False, mask=torch.from_numpy(nothing)), layers[1]]
    shown = some_tokens(7)
    att = Attention("encoder", masked, shown, shown, causal_attention(7).source)
    check(att)
    others = [query for query in range(7) if query not in (2, 5)]
    assert head_table(att).loc[(0, 1), "first"] == pytest.approx(att.weights(0, 1)[others, 0].mean())


@pytest.mark.slow
@pytest.mark.parametrize("case", GOLDEN["measures"], ids=lambda case: case["text"][:24])
def test_the_figures_that_others_computed(minilm: models.Model, case: dict) -> None:
    att = minilm.trace(case["text"])["encoder"]
    assert [token.text for token in att.key_tokens] == case["tokens"]
    table = head_table(att)
    for name in NUMBERS[:9]:
        figures = table[name].to_numpy().reshape(att.n_layers, att.n_heads)
        # The golden figures have 6 digits; 5e-6 seen.
        np.testing.assert_allclose(figures, case[name], rtol=0, atol=3e-5, err_msg=name)
