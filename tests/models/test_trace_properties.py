"""Properties that hold for all sizes, masks and selections: lazy weights against brute force, blocks against the whole.

The brute force is NumPy in float64 and knows nothing of strips, bands or spans of keys.
"""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.capture.replay import Replay
from tests.helpers.replay_cases import (
    SIZES,
    attention,
    cases,
    chosen,
    selections,
)

pytestmark = pytest.mark.slow

# Float32 against float64. Measured over 3,000 examples with scores up to 41: 1.2e-6.
TOLERANCE = 1e-5
# A strip's matrix product may round unlike the whole one. Measured over the same: 1.1e-6.
BLOCK_TOLERANCE = 1e-5


@given(cases())
def test_lazy_weights_equal_brute_force(case):
    found = attention(case.replay)
    np.testing.assert_allclose(found.layer(0), case.weights, rtol=0, atol=TOLERANCE)
    for head in range(found.heads_in(0)):
        np.testing.assert_allclose(found.weights(0, head), case.weights[head], rtol=0, atol=TOLERANCE)
        np.testing.assert_array_equal(found.mask(0, head), case.allowed[head])


@given(cases())
def test_a_masked_key_has_no_weight_unless_all_are_masked(case):
    found, sees = attention(case.replay).layer(0), case.allowed.any(-1, keepdims=True)
    assert not found[~case.allowed & sees].any()
    # Measured over 3,000 examples: 2.4e-7.
    if case.replay.sinks is None:
        np.testing.assert_allclose(found.sum(-1), 1, rtol=0, atol=1e-6)
    else:
        assert (found.sum(-1) <= 1 + 1e-6).all()
        assert not found[np.broadcast_to(~sees, found.shape)].any()


@given(cases(), st.data())
def test_any_block_equals_that_part_of_the_whole(case, data):
    found = attention(case.replay, case.materialised)
    queries = data.draw(selections(found.n_query), label="queries")
    keys = data.draw(selections(found.n_key), label="keys")
    head = data.draw(st.integers(0, found.n_heads - 1), label="head")
    with patch("models.capture.blocks.STRIP_WEIGHTS", data.draw(st.sampled_from([1, 50, 2**24]), label="strip")):
        rows, columns = chosen(found.n_query, queries), chosen(found.n_key, keys)
        for layer, tolerance in ((0, BLOCK_TOLERANCE), (1, 0)):
            whole = found.layer(layer)[:, rows][:, :, columns]
            block = found.weights(layer, head, queries=queries, keys=keys)
            np.testing.assert_allclose(block, whole[head], rtol=0, atol=tolerance)
            np.testing.assert_allclose(found.layer(layer, queries, keys), whole, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(found.mask(0, head, queries, keys), case.allowed[head][np.ix_(rows, columns)])


def block_maxima(weights: np.ndarray, size: int) -> np.ndarray:
    high, wide = (max(1, -(-length // size)) for length in weights.shape)
    return np.array(
        [
            [weights[row : row + high, key : key + wide].max() for key in range(0, weights.shape[1], wide)]
            for row in range(0, weights.shape[0], high)
        ],
        dtype=np.float32,
    )


# Bands that begin within a block are what a map of long texts is made of, so every second case has one.
@given(cases() | cases(masks=("window", "packed")), st.data())
def test_pooled_maps_equal_the_maxima_of_blocks(case, data):
    found, size = attention(case.replay, case.materialised), data.draw(st.integers(1, 29), label="size")
    strips = {
        "POOL_ROWS": data.draw(st.sampled_from([1, 5, 256]), label="rows"),
        "STRIP_WEIGHTS": data.draw(st.sampled_from([1, 50, 2**24]), label="strip"),
    }
    with patch.multiple("models.capture.blocks", **strips):
        for layer, tolerance in ((0, TOLERANCE), (1, 0)):
            expected = np.stack([block_maxima(weights, size) for weights in case.weights])
            assert max(expected.shape[1:]) <= size
            np.testing.assert_allclose(found.pooled_layer(layer, size), expected, rtol=0, atol=tolerance)
            for head in range(found.heads_in(layer)):
                np.testing.assert_allclose(found.pooled(layer, head, size), expected[head], rtol=0, atol=tolerance)


@given(cases() | cases(masks=("window", "packed")), st.data())
def test_a_block_is_masked_if_all_its_pairs_are(case, data):
    found = attention(case.replay, replace(case.materialised, causal=True))
    size = data.draw(st.integers(1, 29), label="size")
    expected = np.stack([block_maxima(allowed.astype(np.float32), size) > 0 for allowed in case.allowed])
    with patch("models.capture.masks.MASK_CELLS", data.draw(st.sampled_from([1, 50, 2**26]), label="cells")):
        np.testing.assert_array_equal(found.pooled_mask(0, size), expected)
    # The weights that a model gave hide nothing but what is causal.
    causal = block_maxima(np.tril(np.ones(case.weights.shape[1:])), size) > 0
    np.testing.assert_array_equal(found.pooled_mask(1, size), [causal] * found.n_heads)


@given(cases() | cases(masks=("window", "packed")), st.data())
def test_a_pooled_part_equals_the_maxima_of_that_part(case, data):
    found, size = attention(case.replay), data.draw(st.integers(1, 29), label="size")
    first_query, first_key = (data.draw(st.integers(0, n - 1)) for n in (found.n_query, found.n_key))
    queries = slice(first_query, data.draw(st.integers(first_query + 1, found.n_query)))
    keys = slice(first_key, data.draw(st.integers(first_key + 1, found.n_key)))
    with patch("models.capture.blocks.POOL_ROWS", data.draw(st.sampled_from([1, 5, 256]), label="rows")):
        pooled = found.pooled(0, 0, size, queries=queries, keys=keys)
    np.testing.assert_allclose(pooled, block_maxima(case.weights[0][queries, keys], size), rtol=0, atol=TOLERANCE)


@given(cases(bad=True), st.data())
def test_a_score_that_is_no_number_stays_one(case, data):
    """NaN on a key that a query sees is NaN in the weights and in every block of a map that holds it."""
    found = attention(case.replay)
    expected = np.isnan(case.weights) & case.allowed
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(np.isnan(found.layer(0)) & case.allowed, expected)
        np.testing.assert_allclose(
            found.layer(0)[~np.isnan(case.weights)], case.weights[~np.isnan(case.weights)], rtol=0, atol=TOLERANCE
        )
    queries = data.draw(selections(found.n_query), label="queries")
    rows = chosen(found.n_query, queries)
    np.testing.assert_array_equal(np.isnan(found.layer(0, queries)) & case.allowed[:, rows], expected[:, rows])
    size = data.draw(st.integers(1, 29), label="size")
    for head, bad in enumerate(expected):
        blocks = block_maxima(bad.astype(np.float32), size) > 0
        assert np.isnan(found.pooled(0, head, size))[blocks].all()
        assert np.isnan(found.pooled_layer(0, size)[head])[blocks].all()


@given(SIZES, SIZES, st.sampled_from([1e3, 1e10, 1e30]), st.booleans())
def test_huge_scores_give_weights_and_not_overflow(n_query, n_key, scaling, causal):
    dice = torch.Generator().manual_seed(n_query)
    query, key = torch.randn(2, n_query, 5, generator=dice), torch.randn(1, n_key, 5, generator=dice)
    weights = attention(Replay(query, key, scaling, causal=causal)).layer(0)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=0, atol=1e-6)
