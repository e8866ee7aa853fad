"""Distances between heads, and the map of them, against scipy, closed forms and figures that others computed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon

import models
from analysis.measures import distance, head_distance, head_map, nearest_heads, reading
from models.errors import BadSelection, TooLong
from tests.helpers.hand_made import attention, causal_attention, random_weights, tokens
from tests.helpers.paths import golden

GOLDEN = golden("minilm_measures")["head_distance"]


def by_scipy(weights: np.ndarray) -> np.ndarray:
    """The mean over queries of scipy's distance squared, `[head, head]`."""
    return np.array([[np.mean(jensenshannon(a, b, base=2, axis=1) ** 2) for b in weights] for a in weights])


@pytest.mark.parametrize("small_strips", [False, True])
def test_random_heads_against_scipy(small_strips: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if small_strips:
        monkeypatch.setattr(reading, "STRIP_WEIGHTS", 150)
        monkeypatch.setattr(distance, "TOGETHER", 30)
    weights = random_weights(2, 3, 7, 11)
    found = head_distance(attention(weights))
    wanted = by_scipy(weights.reshape(6, 7, 11).astype(np.float64))
    # The rows of float32 sum to 1 to 1e-7.
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    assert list(found.index) == list(found.columns) == [(layer, head) for layer in range(2) for head in range(3)]


def test_heads_that_are_alike_or_share_no_key() -> None:
    weights = np.stack([[np.eye(5), np.eye(5), np.roll(np.eye(5), 1, 1)]])
    found = head_distance(attention(weights)).to_numpy()
    np.testing.assert_allclose(found, [[0, 0, 1], [0, 0, 1], [1, 1, 0]], atol=1e-12)


def test_the_root_is_a_metric() -> None:
    for seed in range(5):
        root = np.sqrt(head_distance(attention(random_weights(1, 7, 1, 5, seed=seed))).to_numpy())
        np.testing.assert_array_equal(root, root.T)
        np.testing.assert_array_equal(root.diagonal(), 0)
        assert (root[:, None] <= root[:, :, None] + root[None] + 1e-12).all()


def test_queries_without_a_row_count_in_no_mean() -> None:
    weights = random_weights(1, 3, 7, 7)
    hidden = attention(weights, tokens(*"abcdefg", special=(0, 6))).hide(special=True)
    inside = weights[0, :, 1:6, 1:6].astype(np.float64)
    wanted = by_scipy(inside / inside.sum(-1, keepdims=True))
    np.testing.assert_allclose(head_distance(hidden), wanted, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_heads_that_are_not_known_have_no_distance_and_no_place() -> None:
    weights = random_weights(1, 5, 7, 7)
    weights[0, 1, 2, 3] = np.nan
    weights[0, 3, 2, 3] = -0.1
    att = attention(weights)
    assert (head_distance(att).isna().sum() == [2, 5, 2, 5, 2]).all()
    assert head_map(att)["x"].isna().tolist() == [False, True, False, True, False]
    assert list(nearest_heads(att, 0, 0).index.get_level_values("head").sort_values()) == [2, 4]


def test_a_map_has_the_distances_that_a_plane_has() -> None:
    weights = random_weights(1, 3, 5, 7)  # three heads fit into a plane
    place = head_map(attention(weights))
    apart = np.linalg.norm(place.to_numpy()[:, None] - place.to_numpy(), axis=-1)
    np.testing.assert_allclose(apart, np.sqrt(head_distance(attention(weights))), atol=1e-3)
    assert place.attrs["stress"] < 1e-3
    pd.testing.assert_frame_equal(place, head_map(attention(weights)))


@pytest.mark.parametrize("weights", [random_weights(1, 1, 5, 5), np.tile(random_weights(1, 1, 5, 5), (2, 3, 1, 1))])
def test_one_head_and_heads_that_are_alike_are_in_one_place(weights: np.ndarray) -> None:
    place = head_map(attention(weights))
    assert (place == 0).all(axis=None)
    assert place.attrs["stress"] == 0


def test_too_many_heads_for_a_text_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distance, "MOST_COMPARED", 100)
    with pytest.raises(TooLong, match="texts of up to 10 tokens, and this one has 11: choose a shorter"):
        head_distance(causal_attention(11))
    assert head_distance(causal_attention(10)).shape == (2, 2)
    with pytest.raises(BadSelection, match="no head 2"):
        nearest_heads(causal_attention(5), 0, 2)


@pytest.mark.slow
def test_the_nearest_heads_that_others_computed(minilm: models.Model) -> None:
    att = minilm.trace(GOLDEN["text"])["encoder"]
    known = head_distance(att)
    for place, wanted in GOLDEN["nearest"].items():
        layer, head = map(int, place.split(","))
        found = nearest_heads(att, layer, head, 3, distance=known).reset_index()
        assert found[["layer", "head"]].to_numpy().tolist() == [one[:2] for one in wanted]
        np.testing.assert_allclose(found["distance"], [one[2] for one in wanted], rtol=0, atol=1e-5)
    assert head_map(att, distance=known).notna().all(axis=None)
