"""Long heads are read a strip of rows at a time: no cut between strips may be seen in what comes out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis import head_row, strongest_pairs
from analysis.strips import head_strips, layer_strips
from tests.helpers.hand_made import N_HEADS, N_KEY, N_LAYERS, attention, random_weights, tokens

N = 23
ROWS = (1, 2, 5, 22, 23, 256)


@pytest.mark.parametrize("rows", ROWS)
def test_strips_together_are_the_head_and_the_layer(rows: int) -> None:
    att = attention(random_weights(N_LAYERS, N_HEADS, N, N_KEY))
    starts, strips = zip(*head_strips(att, 1, 2, rows=rows), strict=True)
    assert list(starts) == list(range(0, N, rows))
    np.testing.assert_array_equal(np.concatenate(strips), att.weights(1, 2))
    every = np.concatenate([weights for _, weights in layer_strips(att, 1, rows=rows)], axis=1)
    np.testing.assert_array_equal(every, att.layer(1))


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(("n_query", "n_key"), [(N, N), (N, 11), (11, N), (1, 1), (1, 5), (5, 1)])
def test_the_figures_are_those_of_the_whole(rows: int, n_query: int, n_key: int) -> None:
    special = tokens(*(f"k{number}" for number in range(n_key)), special=[0, n_key - 1])
    att = attention(random_weights(n_query, n_key), key_tokens=special, kind="encoder")
    whole = head_row(att, 0, 0, rows=n_query)
    # Sums of float64 in another order: measured 1.4e-15.
    pd.testing.assert_series_equal(head_row(att, 0, 0, rows=rows), whole, rtol=0, atol=1e-14)


def test_previous_and_next_across_the_cut() -> None:
    for offset, name in ((-1, "previous"), (1, "next")):
        assert head_row(attention(np.eye(N, k=offset)), 0, 0, rows=5)[name] == 1


@given(
    hnp.arrays(np.float32, (17, 13), elements=st.sampled_from([0, 0.125, 0.25, 0.5, np.nan])),
    st.integers(1, 18),
    st.integers(0, 230),
)
@pytest.mark.slow
def test_the_strongest_are_those_of_the_whole_ties_and_bad_values_included(
    weights: np.ndarray, rows: int, n_pairs: int
) -> None:
    # What is no number stands last, as in a sort of the negated weights.
    order = np.argsort(-weights, axis=None, kind="stable")[:n_pairs]
    pairs = strongest_pairs(attention(weights), 0, 0, n_pairs, rows=rows)
    assert list(pairs["query"] * 13 + pairs["key"]) == list(order)
    np.testing.assert_array_equal(pairs["weight"], weights.ravel()[order])


def test_a_window_keeps_the_positions_of_the_whole_text() -> None:
    att = attention(random_weights(2, N, N)[None])
    whole = strongest_pairs(att, 0, 1, N * N)
    window = {"queries": range(7, 18), "keys": range(2, 13)}
    inside = whole[whole["query"].between(7, 17) & whole["key"].between(2, 12)].reset_index(drop=True)
    strongest = strongest_pairs(att, 0, 1, 9, rows=4, **window)
    pd.testing.assert_frame_equal(strongest, inside.head(9), check_exact=True)
