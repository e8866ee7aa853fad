"""A head as pairs of tokens: the strongest, those above a threshold, and the mass they keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis import kept_mass, strongest_pairs, visible_pairs
from analysis.pairs import COLUMNS
from models.errors import BadSelection
from tests.helpers.hand_made import HOSTILE, N_HEADS, N_KEY, N_LAYERS, N_QUERY, attention, random_weights, tokens

WEIGHTS = random_weights(N_LAYERS, N_HEADS, N_QUERY, N_KEY)


def test_there_is_every_pair_once_with_its_tokens() -> None:
    pairs = strongest_pairs(attention(WEIGHTS), 1, 2, N_QUERY * N_KEY)
    assert tuple(pairs.columns) == COLUMNS
    assert COLUMNS == ("layer", "head", "query", "key", "query_token", "key_token", "weight")
    wanted = [
        (1, 2, query, key, f"q{query}", f"k{key}", WEIGHTS[1, 2, query, key])
        for query in range(N_QUERY)
        for key in range(N_KEY)
    ]
    assert sorted(pairs.itertuples(index=False, name=None)) == wanted
    assert pairs["weight"].dtype == np.float32


def test_tokens_are_the_raw_pieces_and_repeated_ones_keep_their_rows() -> None:
    att = attention(WEIGHTS[0, 0], tokens("the", "the", *HOSTILE[:3]), tokens("the", "the", "the", *HOSTILE[3:7]))
    pairs = strongest_pairs(att, 0, 0, N_QUERY * N_KEY)
    row = pairs[(pairs["query"] == 1) & (pairs["key"] == 2)].iloc[0]
    assert (row["query_token"], row["key_token"], row["weight"]) == ("the", "the", WEIGHTS[0, 0, 1, 2])
    assert set(HOSTILE[3:7]) <= set(pairs["key_token"])


def test_the_strongest_come_first() -> None:
    pairs = strongest_pairs(attention(WEIGHTS), 0, 1, 11)
    everything = sorted(((float(w), index) for index, w in np.ndenumerate(WEIGHTS[0, 1])), key=lambda pair: -pair[0])
    assert list(zip(pairs["query"], pairs["key"], strict=True)) == [index for _, index in everything[:11]]
    assert list(pairs["weight"]) == [np.float32(weight) for weight, _ in everything[:11]]
    assert tuple(pairs.columns) == COLUMNS


def test_ties_stand_in_the_order_of_query_then_key() -> None:
    weights = np.full((3, 5), 0.125, dtype=np.float32)
    weights[2, 1] = 0.5
    pairs = strongest_pairs(attention(weights), 0, 0, 4)
    assert list(zip(pairs["query"], pairs["key"], strict=True)) == [(2, 1), (0, 0), (0, 1), (0, 2)]


def test_there_are_never_more_pairs_than_the_head_has() -> None:
    assert len(strongest_pairs(attention(WEIGHTS), 0, 0, 10_000)) == N_QUERY * N_KEY
    assert len(strongest_pairs(attention(WEIGHTS), 0, 0)) == 20
    assert len(strongest_pairs(attention(WEIGHTS), 0, 0, 0)) == 0


@pytest.mark.parametrize(("layer", "head"), [(N_LAYERS, 0), (0, N_HEADS), (-1, 0)])
def test_a_head_that_does_not_exist_is_refused(layer: int, head: int) -> None:
    with pytest.raises(BadSelection, match="There is no"):
        strongest_pairs(attention(WEIGHTS), layer, head)


# Below the smallest normal float there is nothing to see, whatever the threshold.
SMALLEST = np.finfo(np.float32).tiny

# Weights as a head may have them, with exact zeros, ones, repeated values and what is no number.
some_weights = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=7),
    elements=st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.0, 0.25, 1.0, float("nan")])),
)


@given(some_weights, st.floats(0, 1, width=32))
@pytest.mark.slow
def test_visible_are_exactly_the_pairs_that_are_not_below_the_threshold(weights: np.ndarray, threshold: float) -> None:
    query, key, weight = visible_pairs(weights, threshold)
    wanted = {
        (row, column)
        for (row, column), value in np.ndenumerate(weights)
        if np.isnan(value) or (value >= threshold and value >= SMALLEST)
    }
    assert set(zip(query.tolist(), key.tolist(), strict=True)) == wanted
    assert len(query) == len(wanted)
    np.testing.assert_array_equal(weight, weights[query, key])
    numbers = weight[~np.isnan(weight)]
    # Weakest first, so that the strongest are drawn on top; what is no number is drawn last.
    assert (np.diff(numbers) >= 0).all()
    assert np.isnan(weight[len(numbers) :]).all()


@pytest.mark.slow
@given(some_weights.filter(lambda weights: not np.isnan(weights).any()), st.floats(0, 1, width=32))
def test_kept_mass_is_the_share_of_those_pairs(weights: np.ndarray, threshold: float) -> None:
    total = sum(float(value) for value in weights.flat)
    kept = kept_mass(weights, threshold)
    if total == 0:
        assert np.isnan(kept)
    else:
        assert kept == pytest.approx(sum(float(value) for value in weights.flat if value >= threshold) / total)


def test_a_threshold_of_zero_keeps_everything_but_draws_no_zeros() -> None:
    weights = np.array([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]], dtype=np.float32)
    query, key, _ = visible_pairs(weights, 0.0)
    assert {(1, 0), (1, 1), (0, 1)} == set(zip(query.tolist(), key.tolist(), strict=True))
    assert kept_mass(weights, 0.0) == 1


def test_a_bad_value_is_visible_at_any_threshold_and_makes_the_share_unknown() -> None:
    weights = np.array([[np.nan, 1.0], [0.9, 0.1]], dtype=np.float32)
    query, key, weight = visible_pairs(weights, 1.0)
    assert list(zip(query.tolist(), key.tolist(), strict=True)) == [(0, 1), (0, 0)]
    assert np.isnan(weight[-1])
    assert np.isnan(kept_mass(weights, 0.5))
