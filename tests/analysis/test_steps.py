"""Every intermediate of attention: against the golden figures, against torch, and what must hold of any matrices."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn.functional import scaled_dot_product_attention

from analysis.steps import (
    LARGEST,
    Matrices,
    Options,
    attention_steps,
    check_matrix,
    entropy_bits,
    measure_saturation,
    softmax,
)
from models import HeadlightError
from tests.helpers.paths import golden

GOLDEN = golden("three_words")
# The golden figures are written with six decimals: half of the last one.
ROUNDING = 5.1e-7


def matrix(name: str) -> np.ndarray:
    return np.array(GOLDEN[name], dtype=np.float64)


def golden() -> Matrices:
    return Matrices(matrix("x"), matrix("w_q"), matrix("w_k"), matrix("w_v"))


def random_matrices(n_position=5, d_model=7, d_q=6, d_value=4, d_out=3) -> Matrices:
    generator = np.random.default_rng(11)
    shapes = (n_position, d_model), (d_model, d_q), (d_model, d_q), (d_model, d_value), (d_value, d_out)
    return Matrices(*(generator.normal(size=shape) for shape in shapes))


def test_three_words_are_the_golden_figures():
    steps = attention_steps(golden())
    for name, found in {
        "q": steps.q[0],
        "v": steps.v[0],
        "scores": steps.scores[0],
        "scaled_scores": steps.scaled[0],
        "weights": steps.weights[0],
        "output": steps.output,
    }.items():
        np.testing.assert_allclose(found, matrix(name), rtol=0, atol=ROUNDING, err_msg=name)
    assert steps.divisor == 2.0


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("n_heads", [1, 2])
@pytest.mark.parametrize(("scaling", "temperature"), [(True, 1.0), (False, 1.0), (True, 2.5), (False, 0.3)])
def test_torch_computes_the_same(n_heads, causal, scaling, temperature):
    matrices = random_matrices()
    steps = attention_steps(matrices, Options(n_heads, scaling, temperature, causal))
    tensors = [torch.from_numpy(getattr(matrices, name)) for name in ("x", "w_q", "w_k", "w_v", "w_o")]
    x, w_q, w_k, w_v, w_o = tensors
    q, k, v = ((x @ w).reshape(5, n_heads, -1).transpose(0, 1) for w in (w_q, w_k, w_v))
    scale = (q.shape[-1] ** -0.5 if scaling else 1.0) / temperature
    mixed = scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal, scale=scale)[0]
    joined = mixed.transpose(0, 1).reshape(5, -1)
    # float64 on both sides; the worst difference seen is 2e-15.
    np.testing.assert_allclose(steps.mixed, mixed.numpy(), rtol=0, atol=1e-13)
    np.testing.assert_allclose(steps.joined, joined.numpy(), rtol=0, atol=1e-13)
    np.testing.assert_allclose(steps.output, (joined @ w_o).numpy(), rtol=0, atol=1e-13)


def test_torchs_own_module_computes_the_same():
    """`nn.MultiheadAttention` holds transposed projections, and averages its weights over the heads."""
    torch.manual_seed(3)
    module = torch.nn.MultiheadAttention(6, 3, bias=False, batch_first=True, dtype=torch.float64).eval()
    x = torch.randn(1, 5, 6, dtype=torch.float64)
    w_q, w_k, w_v = module.in_proj_weight.detach().T.chunk(3, dim=1)
    w_o = module.out_proj.weight.detach().T
    steps = attention_steps(Matrices(x[0].numpy(), *(w.numpy() for w in (w_q, w_k, w_v, w_o))), Options(n_heads=3))
    output, weights = module(x, x, x, average_attn_weights=False)
    np.testing.assert_allclose(steps.weights, weights[0].detach().numpy(), rtol=0, atol=1e-13)
    np.testing.assert_allclose(steps.output, output[0].detach().numpy(), rtol=0, atol=1e-13)


def test_shapes_are_named():
    steps = attention_steps(random_matrices(), Options(n_heads=2))
    assert steps.q.shape == steps.k.shape == (2, 5, 3)
    assert steps.v.shape == steps.mixed.shape == (2, 5, 2)
    assert steps.scores.shape == steps.weights.shape == (2, 5, 5)
    assert (steps.joined.shape, steps.output.shape) == ((5, 4), (5, 3))


@given(arrays(np.float64, (3, 7), elements=st.floats(-1e25, 1e25)), st.floats(0.01, 1000.0))
def test_rows_sum_to_one(scores, temperature):
    weights = softmax(scores, temperature)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=0, atol=1e-12)
    assert (weights >= 0).all()
    assert (entropy_bits(weights) <= np.log2(7) + 1e-9).all()


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=7, unique=True), st.sampled_from([1e-3, 1e-30, 1e-310]))
def test_a_temperature_near_zero_takes_the_largest_alone(scores, temperature):
    row = np.array([scores], dtype=np.float64)
    assert softmax(row, temperature).tolist() == [[float(score == max(scores)) for score in scores]]


@given(arrays(np.float64, (5, 3), elements=st.floats(-LARGEST, LARGEST)), st.sampled_from([1, 3]), st.booleans())
def test_what_is_masked_has_no_weight(x, n_heads, scaling):
    identity = np.eye(3)
    steps = attention_steps(Matrices(x, identity, identity, identity), Options(n_heads, scaling, causal=True))
    assert (np.triu(steps.weights, 1) == 0).all()
    assert (np.isneginf(steps.masked) == np.triu(np.ones((5, 5), dtype=bool), 1)).all()
    np.testing.assert_allclose(steps.weights.sum(-1), 1, rtol=0, atol=1e-12)
    assert (steps.weights[:, 0, 0] == 1).all()


def test_without_scaling_the_softmax_of_one_to_ten_saturates():
    x, identity = np.arange(1, 11, dtype=np.float64).reshape(2, 5), np.eye(5)
    rows = Matrices(x, identity, identity, identity)
    unscaled = attention_steps(rows, Options(scaling=False))
    assert unscaled.scores.tolist() == [[[55, 130], [130, 330]]]
    assert (unscaled.weights.max(-1) == 1).all()
    assert (entropy_bits(unscaled.weights) < 1e-30).all()
    # Scaling alone does not help numbers this large; a temperature of 32 does.
    assert (attention_steps(rows).weights.max(-1) > 1 - 1e-13).all()
    warm = attention_steps(rows, Options(temperature=32.0))
    apart = np.array([75, 200]) / 5**0.5 / 32
    np.testing.assert_allclose(warm.weights[0].max(-1), 1 / (1 + np.exp(-apart)), rtol=0, atol=1e-12)
    assert warm.weights[0].max(-1) == pytest.approx([0.7404, 0.9424], abs=1e-4)


def test_entropy_is_in_bits():
    assert entropy_bits(np.array([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])) == pytest.approx([1, 0, 0.811278], abs=1e-6)
    assert str(entropy_bits(np.array([1.0, 0.0]))) == "0.0"


def test_saturation_grows_with_the_width_unless_scaled():
    rows = measure_saturation()
    widths, bare_bits, bare_largest, bits, largest = zip(*rows, strict=True)
    assert widths == (4, 16, 64, 256)
    assert sorted(bare_bits, reverse=True) == list(bare_bits)
    assert bare_largest[-1] > 0.9
    assert bare_bits[-1] < 0.3
    # With scaling it stays what it is, whatever the width.
    assert max(bits) - min(bits) < 0.1
    assert max(largest) < 0.5
    assert rows == measure_saturation()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ({"x": [[np.nan]]}, "x has no number in row 0, column 0: put a number"),
        ({"w_q": np.full((7, 6), 1e300)}, "W_q has 1e+300 in row 0, column 0: put a number from -1,000,000"),
        ({"w_v": np.full((7, 4), -np.inf)}, "W_v has -inf in row 0"),
        ({"w_o": np.full((4, 3), np.nan)}, "W_o has no number"),
        ({"w_q": np.ones((3, 6))}, "W_q has 3 rows, and x has 7 columns"),
        ({"w_k": np.ones((7, 5))}, "W_q has 6 columns and W_k 5"),
        ({"w_o": np.ones((5, 3))}, "W_o has 5 rows, and W_v 4 columns"),
    ],
)
def test_what_cannot_be_computed_is_one_sentence(spoil, sentence):
    given_matrices = {**vars(random_matrices()), **{name: np.array(value) for name, value in spoil.items()}}
    with pytest.raises(HeadlightError, match="^" + sentence.replace("+", r"\+")):
        attention_steps(Matrices(**given_matrices))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (Options(n_heads=4), "W_q has 6 columns, which 4 heads cannot share equally"),
        (Options(n_heads=3), "W_v has 4 columns, which 3 heads cannot share equally"),
        (Options(n_heads=0), "W_q has 6 columns, which 0 heads"),
        (Options(temperature=0.0), "A temperature is a number above 0, not 0."),
        (Options(temperature=float("nan")), "A temperature is a number above 0, not nan."),
    ],
)
def test_options_that_cannot_be_are_one_sentence(options, sentence):
    with pytest.raises(HeadlightError, match=sentence):
        attention_steps(random_matrices(), options)


def test_a_matrix_without_numbers_is_refused():
    with pytest.raises(HeadlightError, match="x has to be a matrix of at least one row"):
        check_matrix("x", np.zeros((0, 4)))


def test_steps_cannot_be_changed():
    steps = attention_steps(golden())
    with pytest.raises(ValueError, match="read-only"):
        steps.weights[0, 0, 0] = 1
