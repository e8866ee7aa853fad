"""Replayed weights against a closed form in NumPy, float64: scale, softcap, bias, masks, sinks, grouped heads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.capture.masks import Spans
from models.capture.replay import MaterialisedLayer, Replay

N_HEADS, N_KV_HEADS, N_QUERY, N_KEY, D_HEAD = 6, 2, 7, 11, 5
SCALING = 0.37
ALL = slice(None)
# Measured: 2.2e-7, float32 against float64, scores within ±6.
TOLERANCE = 1e-6


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return 1.5 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


QUERY = random(N_HEADS, N_QUERY, D_HEAD, seed=1)
KEY = random(N_KV_HEADS, N_KEY, D_HEAD, seed=2)
BIAS = random(N_HEADS, N_QUERY, N_KEY, seed=3)
SINKS = random(N_HEADS, seed=4)
ALLOWED = torch.rand(1, N_QUERY, N_KEY, generator=torch.Generator().manual_seed(5)) > 0.4
ALLOWED[..., 0] = True  # no row may be empty
ADDITIVE = torch.where(ALLOWED, torch.zeros(()), torch.tensor(torch.finfo(torch.float32).min))


def closed_form(*, bias=0.0, allowed=None, softcap=None, sinks=None) -> np.ndarray:
    """softmax over keys, written out: exp(score) / (sum of exp(score) + exp(sink))."""
    query, key = QUERY.double().numpy(), KEY.double().numpy()
    scores = np.stack([SCALING * query[head] @ key[head // (N_HEADS // N_KV_HEADS)].T for head in range(N_HEADS)])
    if softcap is not None:
        scores = softcap * np.tanh(scores / softcap)
    scores = scores + bias
    exponentials = np.exp(scores)
    if allowed is not None:
        exponentials = np.where(allowed, exponentials, 0)
    total = exponentials.sum(-1, keepdims=True)
    if sinks is not None:
        total = total + np.exp(sinks)[:, None, None]
    return exponentials / total


LOWER = np.tril(np.ones((N_QUERY, N_KEY), dtype=bool))[None]
CASES = {
    "plain": ({}, {}),
    "softcap": ({"softcap": 1.3}, {"softcap": 1.3}),
    "bias per head": ({"bias": BIAS}, {"bias": BIAS.double().numpy()}),
    "bias of all heads": ({"bias": BIAS[:1]}, {"bias": BIAS[:1].double().numpy()}),
    "boolean mask": ({"mask": ALLOWED}, {"allowed": ALLOWED.numpy()}),
    "additive mask": ({"mask": ADDITIVE}, {"allowed": ALLOWED.numpy()}),
    "infinite mask": ({"mask": torch.where(ALLOWED, 0.0, -torch.inf)}, {"allowed": ALLOWED.numpy()}),
    "mask with a bias": ({"mask": ADDITIVE + BIAS}, {"allowed": ALLOWED.numpy(), "bias": BIAS.double().numpy()}),
    "causal": ({"causal": True}, {"allowed": LOWER}),
    "causal and masked": ({"causal": True, "mask": ALLOWED}, {"allowed": LOWER & ALLOWED.numpy()}),
    "sinks": ({"sinks": SINKS}, {"sinks": SINKS.double().numpy()}),
    "sinks, masked": ({"sinks": SINKS, "mask": ALLOWED}, {"sinks": SINKS.numpy(), "allowed": ALLOWED.numpy()}),
    "all at once": (
        {"softcap": 2.1, "bias": BIAS, "mask": ALLOWED, "sinks": SINKS},
        {"softcap": 2.1, "bias": BIAS.double().numpy(), "allowed": ALLOWED.numpy(), "sinks": SINKS.double().numpy()},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rows_equal_the_closed_form(case):
    ours, theirs = CASES[case]
    held, expected = Replay(QUERY, KEY, SCALING, **ours), closed_form(**theirs)
    assert held.shape == (N_HEADS, N_QUERY, N_KEY)
    found = held.rows(ALL, ALL).numpy()
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= TOLERANCE
    for head in range(N_HEADS):
        block = held.rows(slice(head, head + 1), slice(2, 5)).numpy()
        assert np.abs(block[0] - expected[head, 2:5]).max() <= TOLERANCE


@pytest.mark.parametrize("case", CASES)
def test_the_mask_names_the_keys_that_may_have_weight(case):
    ours, theirs = CASES[case]
    allowed = Replay(QUERY, KEY, SCALING, **ours).allowed(ALL, ALL)
    if "allowed" not in theirs:
        assert allowed is None
    else:
        found = np.broadcast_to(allowed.numpy(), (N_HEADS, N_QUERY, N_KEY))
        np.testing.assert_array_equal(found, np.broadcast_to(theirs["allowed"], found.shape))


def test_sinks_take_mass_from_the_keys():
    without = Replay(QUERY, KEY, SCALING).rows(ALL, ALL)
    with_sinks = Replay(QUERY, KEY, SCALING, sinks=SINKS).rows(ALL, ALL)
    assert bool((with_sinks.sum(-1) < 1).all())
    ratio = with_sinks / without
    # What is left keeps its proportions within a row. Measured: 1e-6.
    torch.testing.assert_close(ratio, ratio[..., :1].expand_as(ratio), rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_half_types_are_widened_before_anything_is_computed(dtype):
    rows = Replay(QUERY.to(dtype), KEY.to(dtype), SCALING, mask=ADDITIVE.to(dtype)).rows(ALL, ALL)
    rounded = Replay(QUERY.to(dtype).float(), KEY.to(dtype).float(), SCALING, mask=ALLOWED).rows(ALL, ALL)
    assert rows.dtype == torch.float32
    assert float((rows - rounded).abs().max()) <= TOLERANCE


def test_held_weights_come_out_as_they_are():
    weights = random(N_HEADS, N_QUERY, N_KEY).softmax(-1)
    held = MaterialisedLayer(weights)
    assert held.shape == (N_HEADS, N_QUERY, N_KEY)
    torch.testing.assert_close(held.rows(slice(1, 4), [6, 2]), weights[1:4][:, [6, 2]], rtol=0, atol=0)
    assert held.allowed(ALL, ALL) is None
    np.testing.assert_array_equal(
        MaterialisedLayer(weights, causal=True).allowed(ALL, slice(1, 4)).numpy(), LOWER[:, 1:4]
    )


@pytest.mark.parametrize("shared", ["bias", "mask", "spans"])
def test_layers_that_share_a_tensor_share_its_copy_on_another_device(shared):
    """T5's layers share one bias of all pairs, and each of them has its own view of it."""
    spans = Spans(torch.zeros(N_QUERY, dtype=torch.long), torch.full((N_QUERY,), 5))
    given = {"bias": {"bias": BIAS}, "mask": {"mask": ADDITIVE}, "spans": {"mask": spans}}[shared]
    copies = {}
    moved = []
    for seed in range(3):
        views = {name: value[:] if isinstance(value, torch.Tensor) else value for name, value in given.items()}
        layer = Replay(QUERY, random(N_KV_HEADS, N_KEY, D_HEAD, seed=seed), SCALING, sinks=SINKS, **views)
        moved.append(layer.to(torch.device("meta"), copies))
    held = [layer.bias if shared == "bias" else layer.mask for layer in moved]
    held = [each.first if shared == "spans" else each for each in held]
    assert held[0] is held[1] is held[2]
    for layer in moved:
        parts = [layer.query, layer.key, layer.sinks, held[0]]
        assert {part.device.type for part in parts} == {"meta"}
        assert (layer.shape, layer.scaling) == ((N_HEADS, N_QUERY, N_KEY), SCALING)
    assert len({id(layer.key) for layer in moved}) == 3


def test_other_tensors_have_copies_of_their_own():
    one, other = (Replay(QUERY, KEY, SCALING, bias=bias) for bias in (BIAS, BIAS[:1]))
    copies = {}
    moved = [layer.to(torch.device("meta"), copies) for layer in (one, other)]
    assert [layer.bias.shape[0] for layer in moved] == [N_HEADS, 1]
