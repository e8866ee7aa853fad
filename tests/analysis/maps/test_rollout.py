"""Attention rollout: closed forms, what always holds, and the products by plain loops."""

import pickle

import numpy as np
import pytest
import torch

from analysis import attention_flow, rollout
from models import Attention
from models.capture.masks import Spans
from models.capture.replay import Replay
from models.errors import BadSelection, NotEnoughMemory
from tests.helpers.hand_made import attention, causal_attention, random_weights, source, tokens

N_LAYERS, N_HEADS, N = 5, 3, 7


def by_loops(weights: np.ndarray, residual: float, heads: str) -> list[np.ndarray]:
    """Abnar and Zuidema 2020, equations 1 and 2, one number at a time."""
    n, found = weights.shape[-1], []
    for layer in weights.astype(np.float64):
        mixed = np.zeros((n, n))
        for i in range(n):
            for j in range(n):
                values = [float(head[i, j]) for head in layer]
                joined = sum(values) / len(values) if heads == "mean" else max(values)
                mixed[i, j] = residual * (i == j) + (1 - residual) * joined
        below = found[-1] if found else np.eye(n)
        found.append(np.zeros((n, n)))
        for i in range(n):
            for k in range(n):
                found[-1][i, k] = sum(mixed[i, j] * below[j, k] for j in range(n))
    return found


def windows(n: int, reach: int, n_layers: int) -> Attention:
    """A decoder whose tokens see `reach` tokens before them."""
    random = torch.Generator().manual_seed(3)
    first = (torch.arange(n) - reach).clamp(min=0)
    mask = Spans(first, torch.arange(n) + 1)
    layers = [Replay(*torch.randn(2, 2, n, 5, generator=random), 0.7, mask=mask) for _ in range(n_layers)]
    return Attention("decoder", layers, *2 * (tokens(*map(str, range(n))),), source())


@pytest.mark.parametrize("method", [rollout, attention_flow])
def test_what_depends_on_an_infinite_weight_is_no_number(method) -> None:
    weights = np.broadcast_to(np.tril(np.ones((5, 5))) / np.arange(1, 6)[:, None], (4, 2, 5, 5)).copy()
    weights[1, 0, 2, 1] = np.inf
    with pytest.warns(UserWarning, match="infinite"):
        found = method(Attention.from_weights(weights, list("abcde"), kind="decoder"))
    unknown = [np.isnan(found.weights(layer, 0)).all(1).tolist() for layer in range(4)]
    assert unknown == [[False] * 5, [False, False, True, False, False], *[[False, False, True, True, True]] * 2]


@pytest.mark.parametrize("heads", ["mean", "maximum"])
@pytest.mark.parametrize("residual", [0.0, 0.3, 0.5, 1.0])
def test_rollout_is_the_product_of_the_layers(residual, heads):
    weights = random_weights(N_LAYERS, N_HEADS, N, N, seed=1)
    found = rollout(attention(weights), residual=residual, heads=heads)
    assert (found.method, found.kind, found.n_layers, found.n_heads) == ("rollout", "encoder", N_LAYERS, 1)
    for layer, expected in enumerate(by_loops(weights, residual, heads)):
        assert np.abs(found.weights(layer, 0) - expected).max() < 3e-6
        np.testing.assert_array_equal(found.weights(layer, 0, queries=[5, 2]), found.weights(layer, 0)[[5, 2]])
    assert bool(found.notices) == (heads == "maximum")


def test_closed_forms():
    same = np.broadcast_to(np.eye(N, dtype=np.float32), (N_LAYERS, N_HEADS, N, N))
    np.testing.assert_array_equal(rollout(attention(same)).weights(N_LAYERS - 1, 0), np.eye(N))
    uniform = np.full((N_LAYERS, N_HEADS, N, N), 1 / N, np.float32)
    kept = 0.5**N_LAYERS  # the uniform matrix is its own power, and only the residual stream keeps a token apart
    expected = kept * np.eye(N) + (1 - kept) / N
    assert np.abs(rollout(attention(uniform)).weights(N_LAYERS - 1, 0) - expected).max() < 1e-6


def test_rows_sum_to_1():
    found = rollout(attention(random_weights(11, 2, 13, 13, seed=4, sharpness=4.0)), residual=0.2)
    for layer in range(11):
        assert np.abs(found.weights(layer, 0).sum(-1) - 1).max() < 1e-6
        assert found.weights(layer, 0).min() >= 0


def test_a_decoder_stays_causal():
    found = rollout(causal_attention(11))
    np.testing.assert_array_equal(found.mask(0, 0), np.tri(11, dtype=bool))
    assert not np.triu(found.weights(0, 0), 1).any()


@pytest.mark.parametrize("holes", [False, True])
def test_windows_widen_from_layer_to_layer(holes):
    att = windows(23, 3, 4)
    if holes:  # the same mask, of a kind that is not kept as runs
        layers = [Replay(each.query, each.key, 0.7, mask=each.mask.allowed(slice(None), 0, 23)) for each in att.layers]
        att = Attention("decoder", layers, att.query_tokens, att.key_tokens, att.source)
    found = rollout(att)
    for layer in range(4):
        np.testing.assert_array_equal(found.mask(layer, 0), found.weights(layer, 0) > 0)
        np.testing.assert_array_equal(found.mask(layer, 0), np.tri(23) - np.tri(23, k=-3 * (layer + 1) - 1) > 0)
    np.testing.assert_array_equal(found.pooled_mask(1, 5), found.pooled_layer(1, 5) > 0)


def test_rows_that_are_no_numbers_reach_only_those_that_depend_on_them():
    weights = np.tril(random_weights(3, 2, N, N, seed=5))
    weights[1, 0, 4, 1] = np.nan
    found = [rollout(attention(weights, kind="decoder", causal=True)).weights(layer, 0) for layer in range(3)]
    unknown = [np.isnan(each).all(1).tolist() for each in found]
    assert unknown == [[False] * N, [row == 4 for row in range(N)], [row >= 4 for row in range(N)]]
    assert not np.isnan(found[2][:4]).any()


def test_a_copy_is_the_same_map():
    found = rollout(attention(random_weights(2, 3, 5, 5)))
    before = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(before.weights(1, 0), found.weights(1, 0))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).weights(1, 0), found.weights(1, 0))


def test_refusals_name_the_remedy():
    square = attention(random_weights(2, 3, 5, 5))
    for att, remedy in (
        (attention(random_weights(2, 3, 5, 7)), "choose the attention of the encoder"),
        (square.words().hide(first=True), "choose it first"),
        (rollout(square), "give the attention of the trace"),
    ):
        with pytest.raises(BadSelection, match=remedy):
            rollout(att)
    with pytest.raises(BadSelection, match="from 0 to 1"):
        rollout(square, residual=1.5)
    with pytest.raises(BadSelection, match="mean or maximum"):
        rollout(square, heads="median")


def test_what_does_not_fit_is_refused_before_it_starts(monkeypatch):
    monkeypatch.setattr("models.memory.free_bytes", lambda: 10_000_000)
    with pytest.raises(NotEnoughMemory, match=r"Rollout of 2,003 tokens needs about .* shorten the text, or choose"):
        rollout(causal_attention(2003))
