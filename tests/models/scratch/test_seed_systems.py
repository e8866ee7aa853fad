"""The five small systems that this project grew from, and the closed forms: attention in numpy, places by formula.

tests/golden/three_words.json is the third system's, a published worked example with six decimals.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.scratch.layers import (
    EncoderLayer,
    LearnedPositions,
    MultiHeadAttention,
    RotaryPositions,
    SinusoidalPositions,
    causal_mask,
    padding_mask,
    scaled_dot_product_attention,
)
from tests.helpers.against_torch import worst
from tests.helpers.paths import golden

GOLDEN = golden("three_words")
# The golden numbers are rounded to six decimals; measured 5.0e-7.
GOLDEN_TOLERANCE = 1e-6
# Two ways through float64, measured 2.8e-16 for attention; float32 2.4e-7.
EXACT = {torch.float64: 5e-15, torch.float32: 2e-6}


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def numbers(name: str) -> Tensor:
    return torch.tensor(GOLDEN[name], dtype=torch.float64)


def given(d_model: int, n_heads: int, query: Tensor, key: Tensor, value: Tensor) -> MultiHeadAttention:
    """Return attention with the matrices of Q = X W_q, which Linear stores transposed, and W_o = 1."""
    attention = MultiHeadAttention(d_model, n_heads).double()
    matrices = (query, key, value, torch.eye(d_model))
    with torch.no_grad():
        for layer, matrix in zip(attention.children(), matrices, strict=True):
            layer.weight.copy_(matrix.T)
            layer.bias.zero_()
    return attention


# --- equation 1 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("masked", [False, True])
def test_equation_1_is_torchs_own(masked, dtype):
    torch.manual_seed(3)
    query, key, value = (torch.randn(2, 5, n, d, dtype=dtype) for n, d in ((7, 3), (11, 3), (11, 13)))
    mask = torch.rand(2, 1, 7, 11) < 0.6 if masked else None
    output, weights = scaled_dot_product_attention(query, key, value, mask)
    assert worst(output, functional.scaled_dot_product_attention(query, key, value, mask)) <= EXACT[dtype]
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 5, 7, dtype=dtype))
    if mask is not None:
        assert not weights.masked_select(~mask).any()


@pytest.mark.parametrize("dtype", EXACT)
def test_equation_1_in_numpy(dtype):
    dice = np.random.default_rng(4)
    query, key, value = (dice.standard_normal(shape) for shape in ((7, 5), (11, 5), (11, 3)))
    mask = dice.random((7, 11)) < 0.7
    expected = softmax(np.where(mask, query @ key.T / math.sqrt(5), -np.inf))
    tensors = (torch.tensor(array, dtype=dtype) for array in (query, key, value))
    output, weights = scaled_dot_product_attention(*tensors, torch.tensor(mask))
    np.testing.assert_allclose(weights.numpy(), expected, rtol=0, atol=EXACT[dtype])
    np.testing.assert_allclose(output.numpy(), expected @ value, rtol=0, atol=EXACT[dtype])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_query_that_may_attend_to_nothing_gets_equal_weights(dtype):
    torch.manual_seed(3)
    x = torch.randn(5, 8, dtype=dtype, requires_grad=True)
    mask = torch.ones(5, 5, dtype=torch.bool)
    mask[3] = False
    output, weights = scaled_dot_product_attention(x, x, x, mask)
    assert weights[3].tolist() == [torch.tensor(0.2, dtype=dtype).item()] * 5
    output.sum().backward()
    assert torch.isfinite(x.grad).all()


def test_a_padded_text_and_an_empty_one_through_the_layer():
    attention = MultiHeadAttention(15, 3)
    _, weights = attention(*[torch.rand(2, 7, 15)] * 3, padding_mask(torch.tensor([4, 0]), 7))
    assert not weights[0, :, :, 4:].any()
    np.testing.assert_allclose(weights[1].detach().numpy(), 1 / 7, rtol=1e-6)


def test_dropout_leaves_the_returned_weights_whole():
    """What is dropped is the output's share; the map still sums to 1, and eval mode drops nothing."""
    torch.manual_seed(3)
    attention, plain = MultiHeadAttention(15, 3, dropout=0.5), MultiHeadAttention(15, 3)
    plain.load_state_dict(attention.state_dict())
    x = torch.rand(2, 7, 15)
    expected, weights = plain(x, x, x)
    dropped, whole = attention(x, x, x)
    torch.testing.assert_close(whole, weights, rtol=0, atol=0)
    assert worst(dropped, expected) > 0.05
    torch.testing.assert_close(attention.eval()(x, x, x)[0], expected, rtol=0, atol=0)


# --- the seeds -------------------------------------------------------------------------------------------------------


def test_second_seed_three_projections_and_heads_by_view():
    """Q, K, V by nn.Linear, heads by `view`, scores over sqrt(d_head), heads side by side again."""
    torch.manual_seed(7)
    batch, n_positions, n_heads, d_head = 3, 11, 5, 7
    d_model = n_heads * d_head
    linear = [nn.Linear(d_model, d_model) for _ in range(3)]
    x = torch.randn(batch, n_positions, d_model)
    q, k, v = (layer(x).view(batch, n_positions, n_heads, d_head).permute(0, 2, 1, 3) for layer in linear)
    expected = torch.softmax(torch.matmul(q, k.permute(0, 1, 3, 2)) / math.sqrt(d_head), dim=-1)
    joined = torch.matmul(expected, v).permute(0, 2, 1, 3).contiguous().view(batch, n_positions, d_model)
    attention = MultiHeadAttention(d_model, n_heads)
    for ours, theirs in zip(attention.children(), linear, strict=False):
        ours.load_state_dict(theirs.state_dict())
    nn.init.eye_(attention.output_projection.weight)
    nn.init.zeros_(attention.output_projection.bias)
    output, weights = attention(x, x, x)
    assert max(worst(weights, expected), worst(output, joined)) <= EXACT[torch.float32]


def test_third_seed_three_words():
    attention = given(4, 1, numbers("w_q"), numbers("w_k"), numbers("w_v"))
    x = numbers("x")
    rows = x[None]
    for layer, name in ((attention.query_projection, "q"), (attention.value_projection, "v")):
        np.testing.assert_allclose(layer(rows)[0].detach(), numbers(name), rtol=0, atol=GOLDEN_TOLERANCE)
    output, weights = attention(rows, rows, rows)
    assert weights.shape == (1, 1, 3, 3)
    np.testing.assert_allclose(weights[0, 0].detach(), numbers("weights"), rtol=0, atol=GOLDEN_TOLERANCE)
    np.testing.assert_allclose(output[0].detach(), numbers("output"), rtol=0, atol=GOLDEN_TOLERANCE)


def test_third_seed_with_heads_and_a_mask():
    """The same words through two heads of two dimensions, each word blind to those after it."""
    attention = given(4, 2, *(numbers(name) for name in ("w_q", "w_k", "w_v")))
    x, seen = np.array(GOLDEN["x"]), np.tri(3, dtype=bool)
    q, k, v = (x @ np.array(GOLDEN[name]) for name in ("w_q", "w_k", "w_v"))
    output, weights = attention(*[torch.tensor(x)[None]] * 3, causal_mask(3))
    for head, part in enumerate((slice(0, 2), slice(2, 4))):
        expected = softmax(np.where(seen, q[:, part] @ k[:, part].T / math.sqrt(2), -np.inf))
        np.testing.assert_allclose(weights[0, head].detach(), expected, rtol=0, atol=EXACT[torch.float64])
        np.testing.assert_allclose(output[0, :, part].detach(), expected @ v[:, part], rtol=0, atol=1e-14)


@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
def test_fourth_seed_the_residual_is_what_came_in(norm_first):
    """The published code adds x to itself, so that no word ever hears of another: held apart here."""
    torch.manual_seed(13)
    layer = EncoderLayer(15, 3, 60, norm_first=norm_first).eval()
    x, mask = torch.randn(2, 7, 15), padding_mask(torch.tensor([7, 5]), 7)
    first, second = layer.attention_norm, layer.feedforward_norm
    if norm_first:
        normal = first(x)
        heard = x + layer.attention(normal, normal, normal, mask)[0]
        expected = heard + layer.feedforward(second(heard))
        mistaken = (x + x) + layer.feedforward(second(x + x))
    else:
        heard = first(x + layer.attention(x, x, x, mask)[0])
        expected = second(heard + layer.feedforward(heard))
        mistaken = second(first(x + x) + layer.feedforward(first(x + x)))
    found = layer(x, mask)[0]
    assert worst(found, expected) <= EXACT[torch.float32]
    assert worst(found, mistaken) > 0.05
    # A word that changes must be heard of at the others' places, but for one that is padding.
    x[:, 6] = torch.randn(15)
    changed = (layer(x, mask)[0] - found).abs().amax(-1)
    assert float(changed[0, :6].detach().min()) > 1e-3
    assert not changed[1, :6].any()


def test_fourth_seed_without_sublayers_only_the_residual_is_left():
    for norm_first in (True, False):
        layer = EncoderLayer(15, 3, 60, norm_first=norm_first)
        for part in (layer.attention.output_projection, layer.feedforward.contract):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)
        x = torch.randn(2, 7, 15)
        expected = x if norm_first else layer.feedforward_norm(layer.attention_norm(x))
        torch.testing.assert_close(layer(x)[0], expected, rtol=0, atol=0)


def test_fifth_seed_what_the_scaling_is_for():
    """[[1..5], [6..10]] attending to itself: unscaled, the smaller weights are so small that they teach nothing."""
    x = torch.arange(1.0, 11.0, dtype=torch.float64).view(2, 5)
    unscaled, scaled = (scaled_dot_product_attention(x * factor, x, x)[1] for factor in (math.sqrt(5), 1.0))
    np.testing.assert_allclose(unscaled, softmax(x.numpy() @ x.numpy().T), rtol=1e-9)
    np.testing.assert_allclose(scaled, softmax(x.numpy() @ x.numpy().T / math.sqrt(5)), rtol=1e-9)
    # 55 against 130 in scores: e^-75 unscaled, e^-34 scaled; the rows are far apart, so it takes both to matter.
    assert unscaled[0, 0] < 1e-32 < 1e-16 < scaled[0, 0]


# --- places ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d_model", [16, 13, 1])
def test_sinusoidal_positions_by_the_formula(d_model):
    n_positions = 37
    found = SinusoidalPositions()(torch.zeros(1, n_positions, d_model))[0]
    for position in range(n_positions):
        for dimension in range(d_model):
            angle = position / 10_000 ** (2 * (dimension // 2) / d_model)
            expected = math.cos(angle) if dimension % 2 else math.sin(angle)
            # Angles are float32: measured 1.9e-6 at an angle of 36.
            assert float(found[position, dimension]) == pytest.approx(expected, abs=5e-6)


def test_places_are_added_to_what_is_there():
    x = torch.rand(2, 7, 15)
    for positions in (SinusoidalPositions(), LearnedPositions(11, 15)):
        zero = positions(torch.zeros(1, 7, 15))
        torch.testing.assert_close(positions(x), x + zero, rtol=0, atol=0)
        assert all(not torch.equal(zero[0, i], zero[0, j]) for i in range(7) for j in range(i))
    assert torch.equal(zero[0], positions.position_embeddings.weight[:7])


def test_rotary_products_depend_on_the_distance_alone():
    torch.manual_seed(17)
    query, key = torch.randn(2, 1, 3, 1, 14, dtype=torch.float64)
    turned = [RotaryPositions()(one.expand(1, 3, 23, 14)) for one in (query, key)]
    products = turned[0] @ turned[1].transpose(-2, -1)
    for distance in range(-22, 23):
        along = products.diagonal(distance, -2, -1)
        # Angles are float32: measured 3.6e-6 in products of up to 8.
        np.testing.assert_allclose(along, along[..., :1].expand_as(along), rtol=0, atol=2e-5)
    torch.testing.assert_close(products[..., 0, 0], (query * key).sum(-1)[..., 0])
    assert float((products[..., 0, 1] - products[..., 1, 0]).abs().min()) > 1e-3, "the sign of the distance counts"
    for before, after in ((query, turned[0]), (key, turned[1])):
        torch.testing.assert_close(after.norm(dim=-1), before.norm(dim=-1).expand(1, 3, 23), rtol=1e-6, atol=0)


def test_rotary_turns_pairs_by_the_formula():
    x = torch.randn(1, 1, 5, 6, dtype=torch.float64)
    found = RotaryPositions()(x)
    for place in range(5):
        for pair in range(3):
            even, odd = x[0, 0, place, 2 * pair : 2 * pair + 2].tolist()
            number = complex(even, odd) * np.exp(1j * place / 10_000 ** (2 * pair / 6))
            expected = [number.real, number.imag]
            np.testing.assert_allclose(found[0, 0, place, 2 * pair : 2 * pair + 2], expected, rtol=0, atol=1e-6)


def test_rotary_attention_moves_with_the_text():
    """The same words three places on, behind others that are masked, give the same weights."""
    torch.manual_seed(19)
    attention = MultiHeadAttention(20, 5, rotary=RotaryPositions())
    x = torch.randn(1, 7, 20)
    moved = torch.cat([torch.randn(1, 3, 20), x], dim=1)
    mask = torch.arange(10)[None] >= 3
    expected, found = attention(x, x, x)[1], attention(moved, moved, moved, mask)[1][:, :, 3:, 3:]
    assert worst(found, expected) <= 1e-5
    plain = MultiHeadAttention(20, 5)
    plain.load_state_dict(attention.state_dict())
    assert worst(plain(x, x, x)[1], expected) > 0.05
