"""The measures of heads that are known without computing: uniform, identity, previous token, undefined."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.measures import FIGURES, MEASURES, NUMBERS, head_row, head_table
from models import Attention, Token
from models.errors import BadSelection
from models.scaled import ScaledLayer
from tests.helpers.hand_made import N_HEADS, N_LAYERS, attention, causal_attention, random_weights, tokens

N = 7


def of(weights: np.ndarray, **options: object) -> pd.Series:
    return head_row(attention(weights, **options), 0, 0)


@pytest.mark.parametrize("n", [2, 3, 7, 13])
def test_uniform_attention_has_log2_n_bits(n: int) -> None:
    figures = of(np.full((n, n), 1 / n))
    assert figures["entropy_bits"] == pytest.approx(math.log2(n), abs=1e-6)
    assert figures["first"] == pytest.approx(1 / n)
    assert figures["self"] == pytest.approx(1 / n)
    # The mean of |i - j| over all pairs of n positions.
    assert figures["mean_distance"] == pytest.approx((n * n - 1) / (3 * n), rel=1e-6)


def test_a_head_that_looks_at_itself_has_no_entropy_and_no_distance() -> None:
    figures = of(np.eye(N))
    assert figures["entropy_bits"] == 0
    assert figures["self"] == 1
    assert figures["mean_distance"] == figures["previous"] == figures["next"] == 0


def test_previous_and_next_are_means_over_the_queries_that_have_such_a_position() -> None:
    # The first query has no token before it and looks at itself, which must not lower the share.
    previous = np.eye(N, k=-1)
    previous[0, 0] = 1
    assert of(previous)["previous"] == 1
    assert of(previous)["next"] == 0
    # The mirror image: a swap of queries and keys would swap the two figures.
    following = np.eye(N, k=1)
    following[-1, -1] = 1
    assert of(following)["next"] == 1
    assert of(following)["previous"] == 0


def test_all_attention_on_the_first_token() -> None:
    weights = np.zeros((N, N))
    weights[:, 0] = 1
    figures = of(weights)
    assert figures["first"] == 1
    assert figures["entropy_bits"] == 0
    assert figures["mean_distance"] == pytest.approx((N - 1) / 2)


def test_separators_are_the_special_keys_after_the_first() -> None:
    weights = random_weights(N, N)
    figures = of(weights, query_tokens=tokens(*"abcdefg", special=[0, 3, 6]))
    assert figures["separator"] == pytest.approx(weights[:, [3, 6]].sum() / N, abs=1e-6)


def test_special_queries_of_another_text_are_no_separators() -> None:
    # In cross attention the keys are another text: only their special tokens count.
    weights = random_weights(3, 5)
    figures = of(weights, query_tokens=tokens(*"abc", special=[1]), key_tokens=tokens(*"vwxyz", special=[4]))
    assert figures["separator"] == pytest.approx(weights[:, 4].mean(), abs=1e-6)


def test_what_is_undefined_is_nan_and_not_zero() -> None:
    without_separators = of(random_weights(N, N))
    assert math.isnan(without_separators["separator"])
    cross = of(random_weights(3, 5))
    positions = {"mean_distance", "previous", "next", "self", "same_token", "sink", "pattern"}
    assert set(cross.index[cross.isna()]) == positions | {"separator", "punctuation"}
    # A square cross attention is still between different texts.
    square = of(random_weights(5, 5), kind="cross", key_tokens=tokens(*"vwxyz"))
    assert math.isnan(square["self"])
    one = of(np.ones((1, 1)))
    assert math.isnan(one["previous"])
    assert math.isnan(one["next"])
    assert one["self"] == one["first"] == 1
    assert one["entropy_bits"] == one["mean_distance"] == 0


def test_a_weight_that_is_no_number_makes_the_figures_no_number() -> None:
    weights = random_weights(N, N)
    weights[2, 4] = np.nan
    figures = of(weights)
    assert math.isnan(figures["entropy_bits"])
    assert math.isnan(figures["mean_distance"])
    # What does not rest on the bad cell stays.
    assert figures["first"] == pytest.approx(weights[:, 0].mean(), abs=1e-6)


@pytest.mark.parametrize("factor", [1e-3, 0.5, 0.98, 1.02, 3.0])
def test_rows_that_sum_to_something_else_are_no_distribution(factor: float) -> None:
    weights = random_weights(1, 1, N, N)
    with pytest.warns(UserWarning, match="do not sum to 1"):
        given = Attention.from_weights(weights * factor, list("abcdefg"))
    assert head_table(given).isna().all(axis=None)
    # A map that a method makes is no more of a distribution, whatever made the attention.
    layer = ScaledLayer(attention(weights).layers[0], torch.full((1, N), factor))
    assert head_table(attention(weights).derived([layer], "gradient", ())).isna().all(axis=None)


def test_tokens_without_ids_and_joined_words_are_the_same_by_their_texts() -> None:
    weights = random_weights(1, 1, 5, 5)
    found = head_row(Attention.from_weights(weights, ["the", "cat", "the", "dog", "The"]), 0, 0)
    assert found["same_token"] == pytest.approx((weights[0, 0, 0, 2] + weights[0, 0, 2, 0]) / 2)
    assert math.isnan(head_row(Attention.from_weights(weights, list("abcde")), 0, 0)["same_token"])
    # "unhappy" and "unlike" begin with the same piece.
    pieces = [("un", 7, 0), ("happy", 8, 0), ("un", 7, 1), ("like", 9, 1), ("un", 7, 2)]
    named = [Token(text, number, None, None, False, text, word=word) for text, number, word in pieces]
    words = Attention.from_weights(weights, named).words()
    assert words.n_key == 3
    assert math.isnan(head_row(words, 0, 0)["same_token"])


def test_masked_pairs_add_no_entropy() -> None:
    att = causal_attention(11)
    weights = att.weights(0, 1).astype(np.float64)
    by_hand = [-sum(w * math.log2(w) for w in row[: number + 1] if w > 0) for number, row in enumerate(weights)]
    figures = head_row(att, 0, 1)
    assert figures["entropy_bits"] == pytest.approx(np.mean(by_hand), abs=1e-6)
    assert figures["next"] == 0


def test_all_heads_stand_in_one_table_by_layer_and_head() -> None:
    att = attention(random_weights(N_LAYERS, N_HEADS, N, N))
    table = head_table(att)
    assert list(table.columns) == list(MEASURES)
    assert table.index.names == ["layer", "head"]
    assert list(table.index) == [(layer, head) for layer in range(N_LAYERS) for head in range(N_HEADS)]
    for layer, head in table.index:
        pd.testing.assert_series_equal(head_row(att, layer, head), table.loc[(layer, head)], rtol=1e-12)


def test_every_measure_has_a_name_a_meaning_and_a_source() -> None:
    assert all(all(texts[:4]) for texts in MEASURES.values())
    assert {name: one.unit for name, one in MEASURES.items() if one.unit} == {
        "entropy_bits": "bits",
        "mean_distance": "tokens",
    }
    assert {*FIGURES} < {*NUMBERS} < {*MEASURES}


def test_weights_are_read_and_never_written() -> None:
    att = attention(random_weights(N_LAYERS, N_HEADS, N, N))
    before = att.weights(1, 2).copy()
    head_table(att)
    np.testing.assert_array_equal(att.weights(1, 2), before)


@pytest.mark.parametrize(("layer", "head"), [(2, 0), (-1, 0), (0, 3), (0, -1)])
def test_a_head_that_does_not_exist_is_refused(layer: int, head: int) -> None:
    att = attention(random_weights(N_LAYERS, N_HEADS, N, N))
    with pytest.raises(BadSelection, match=r"There is no (layer|head)"):
        head_row(att, layer, head)
