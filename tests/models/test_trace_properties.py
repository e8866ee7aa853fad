"""Properties that hold for all sizes, masks and selections: lazy weights against brute force, blocks against the whole.

The brute force is NumPy in float64 and knows nothing of strips, bands or spans of keys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import Attention, Source, Token
from models.capture.masks import compact
from models.capture.replay import MaterialisedLayer, Replay

pytestmark = pytest.mark.slow

ALL = slice(None)
SOURCE = Source("small", "sha256:0", "Small", "cpu", "float32", "replayed", "a text")
LEAST = float(np.finfo(np.float32).min)
# Float32 against float64. Measured over 3,000 examples with scores up to 41: 1.2e-6.
TOLERANCE = 3e-6
# A strip's matrix product may round unlike the whole one. Measured over the same: 1.1e-6.
BLOCK_TOLERANCE = 3e-6

SIZES = st.sampled_from([1, 2, 3, 5, 7, 11, 13, 17, 23, 31])
MASKS = ("none", "holes", "holes of each head", "window", "packed", "padded", "nothing seen")
FORMS = ("boolean", "additive", "infinite", "with a bias in it")


@dataclass(frozen=True)
class Case:
    """One layer as the engine holds it, and what brute force says of it."""

    replay: Replay
    weights: np.ndarray
    allowed: np.ndarray

    @property
    def held(self) -> MaterialisedLayer:
        """The same weights as a family gives them that is not replayed."""
        return MaterialisedLayer(torch.from_numpy(self.weights.astype(np.float32)))


def mask_of(kind: str, n_heads: int, n_query: int, n_key: int, dice: np.random.Generator) -> np.ndarray | None:
    """True where a query may attend, `[1 or head, query, key]`."""
    query, key = np.arange(n_query)[:, None], np.arange(n_key)[None]
    if kind == "none":
        return None
    if kind == "window":
        width = dice.integers(1, n_key + 1)
        return (abs(query - key) < width)[None]  # with fewer keys than queries the last rows see nothing
    if kind == "packed":
        cuts = np.sort(dice.integers(0, max(n_query, n_key) + 1, size=2))
        return (np.searchsorted(cuts, query, "right") == np.searchsorted(cuts, key, "right"))[None]
    if kind == "padded":
        return np.broadcast_to(key < dice.integers(0, n_key + 1), (1, n_query, n_key))
    if kind == "nothing seen":
        return np.zeros((1, n_query, n_key), dtype=bool)
    mask = dice.random((n_heads if "each head" in kind else 1, n_query, n_key)) < dice.choice([0.2, 0.6, 0.95])
    mask[:, dice.random(n_query) < 0.2] = False
    return mask


def in_form(form: str, mask: np.ndarray, dice: np.random.Generator) -> tuple[torch.Tensor, np.ndarray]:
    """The tensor that a model gives for a mask, and what it adds to the scores of the keys that are seen."""
    if form == "boolean":
        return torch.from_numpy(mask.copy()), np.zeros(mask.shape)
    added = dice.normal(size=mask.shape).astype(np.float32) if form == "with a bias in it" else np.float32(0)
    additive = np.where(mask, added, -np.inf if form == "infinite" else LEAST).astype(np.float32)
    return torch.from_numpy(additive), np.where(mask, additive, 0).astype(np.float64)


def brute_force(scores: np.ndarray, allowed: np.ndarray, sinks: np.ndarray | None) -> np.ndarray:
    """softmax over keys; a query that sees none weighs all alike, as in eager attention, and after any sink."""
    scores = np.where(allowed, scores, LEAST)
    if sinks is not None:
        scores = np.concatenate([scores, np.broadcast_to(sinks[:, None, None], (*scores.shape[:2], 1))], axis=-1)
    exponentials = np.exp(scores - scores.max(-1, keepdims=True))
    weights = exponentials / exponentials.sum(-1, keepdims=True)
    return weights if sinks is None else weights[..., :-1]


@st.composite
def cases(draw: st.DrawFn, *, bad: bool = False, masks: tuple[str, ...] = MASKS) -> Case:
    n_kv_heads, group = draw(st.integers(1, 3), label="n_kv_heads"), draw(st.integers(1, 3), label="group")
    n_query, n_key, d_head = (draw(SIZES, label=name) for name in ("n_query", "n_key", "d_head"))
    dice = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    n_heads, dtype = n_kv_heads * group, draw(st.sampled_from([torch.float32, torch.bfloat16]), label="dtype")

    def normal(*shape: int) -> torch.Tensor:
        return torch.from_numpy(1.5 * dice.normal(size=shape)).to(dtype)

    query, key = normal(n_heads, n_query, d_head), normal(n_kv_heads, n_key, d_head)
    if bad:
        spoilt = query if draw(st.booleans(), label="a query is bad") else key
        spoilt[dice.integers(len(spoilt)), dice.integers(spoilt.shape[1]), 0] = torch.nan
    scaling = draw(st.sampled_from([0.125, 0.7, 1.0]), label="scaling")
    options: dict[str, Any] = {"causal": draw(st.booleans(), label="causal")}
    wide = np.repeat(key.double().numpy(), group, axis=0)
    scores = scaling * query.double().numpy() @ wide.transpose(0, 2, 1)
    if draw(st.booleans(), label="softcap"):
        options["softcap"] = float(dice.choice([0.5, 3.0, 50.0]))
        scores = options["softcap"] * np.tanh(scores / options["softcap"])
    if draw(st.booleans(), label="bias"):
        bias = torch.from_numpy(dice.normal(size=(int(dice.choice([1, n_heads])), n_query, n_key))).float()
        options["bias"] = bias
        scores = scores + bias.double().numpy()
    allowed = np.ones((n_heads, n_query, n_key), dtype=bool)
    mask = mask_of(draw(st.sampled_from(masks), label="mask"), n_heads, n_query, n_key, dice)
    if mask is not None:
        tensor, added = in_form(draw(st.sampled_from(FORMS), label="form"), mask, dice)
        # As a trace holds it: a run of keys for each query where the mask is one.
        options["mask"] = compact(tensor) if draw(st.booleans(), label="compact") else tensor
        allowed, scores = allowed & mask, scores + added
    if options["causal"]:
        allowed = allowed & np.tril(np.ones((n_query, n_key), dtype=bool))
    sinks = None
    if draw(st.booleans(), label="sinks"):
        options["sinks"] = torch.from_numpy(dice.normal(size=n_heads)).float()
        sinks = options["sinks"].double().numpy()
    return Case(Replay(query, key, scaling, **options), brute_force(scores, allowed, sinks), allowed)


def attention(*layers: Replay | MaterialisedLayer) -> Attention:
    tokens = [tuple(Token("t", 0, None, None, False, "t") for _ in range(size)) for size in layers[0].shape[1:]]
    return Attention("cross", layers, *tokens, SOURCE)


@st.composite
def selections(draw: st.DrawFn, n_positions: int) -> Any:
    """Any way to name positions: slices with steps to both sides, lists, arrays, ranges, truth values, nothing."""
    ends = st.none() | st.integers(-n_positions - 2, n_positions + 2)
    positions = st.lists(st.integers(-n_positions, n_positions - 1), max_size=n_positions + 2)
    steps = st.none() | st.integers(1, 4) | st.integers(-4, -1)
    return draw(
        st.builds(slice, ends, ends, steps)
        | positions
        | positions.map(tuple)
        | positions.map(lambda numbers: np.array(numbers, dtype=np.int64))
        | st.builds(range, st.integers(0, n_positions), st.integers(0, n_positions), st.integers(1, 3))
        | st.lists(st.booleans(), min_size=n_positions, max_size=n_positions).map(np.array)
    )


def chosen(n_positions: int, selection: Any) -> np.ndarray:
    everything = np.arange(n_positions)
    numbers = isinstance(selection, (list, tuple, range))
    return everything[np.array(selection, dtype=np.int64) if numbers else selection]


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
    found = attention(case.replay, case.held)
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
    found, size = attention(case.replay, case.held), data.draw(st.integers(1, 29), label="size")
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
    found = attention(case.replay, replace(case.held, causal=True))
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
