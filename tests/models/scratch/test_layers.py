"""The transformer from scratch against torch's own modules: outputs, every head's weights, and all gradients."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor, nn

from models.scratch.layers import (
    Decoder,
    DecoderLayer,
    Encoder,
    EncoderDecoder,
    EncoderLayer,
    MultiHeadAttention,
    causal_mask,
    padding_mask,
)
from tests.helpers.against_torch import attentions_of, copied, worst, worst_gradient

# Worst difference from torch in units of the largest value of the tensor, by dtype. Measured over all cases below:
# outputs, weights and gradients of inputs 3.8e-15 and 6.3e-7, gradients of parameters 1.2e-14 and 4.0e-6 (a query's
# projection under three post-norm layers). torch multiplies the same numbers in another order: one product for three.
TOLERANCE = {torch.float64: 5e-14, torch.float32: 5e-5}
pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
DTYPES = tuple(TOLERANCE)
# Width, heads, feed-forward width.
SIZES = ((15, 3, 23), (35, 7, 11), (13, 1, 29))
BATCH, N_QUERY, N_KEY = 3, 7, 11
QUERY_LENGTHS, KEY_LENGTHS = torch.tensor([7, 2, 5]), torch.tensor([4, 11, 1])
MASKS = ("none", "padding", "causal", "both")


@pytest.fixture(params=DTYPES, ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    torch.manual_seed(11)
    return request.param


def at_random(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, dtype=dtype, requires_grad=True)


def twin(x: Tensor) -> Tensor:
    return x.detach().clone().requires_grad_()


def mask_of(kind: str) -> Tensor | None:
    """Ours, for self-attention of the queries."""
    padding, causal = padding_mask(QUERY_LENGTHS, N_QUERY), causal_mask(N_QUERY)
    return {"none": None, "padding": padding, "causal": causal, "both": causal & padding}[kind]


def their_masks(kind: str) -> tuple[Tensor | None, Tensor | None]:
    """torch's for the same, in which True forbids: between positions, and of keys."""
    causal = torch.ones(N_QUERY, N_QUERY, dtype=torch.bool).triu(1)
    padding = torch.arange(N_QUERY) >= QUERY_LENGTHS[:, None]
    return causal if kind in ("causal", "both") else None, padding if kind in ("padding", "both") else None


def compared(
    ours: nn.Module, theirs: nn.Module, outputs: tuple[Tensor, Tensor], inputs: list[tuple[Tensor, Tensor]]
) -> float:
    """Return the worst difference of outputs and, through one sum at random over them, of all gradients."""
    found, expected = outputs
    direction = torch.randn_like(expected)
    (found * direction).sum().backward()
    (expected * direction).sum().backward()
    differences = [worst(one.grad, other.grad) for one, other in inputs]
    return max(worst(found, expected), worst_gradient(ours, theirs), *differences)


def test_the_layer_of_the_first_seed_row():
    """`nn.MultiheadAttention(32, num_heads=8)` on `[10, 1, 32]`, position first: its weights are the mean of heads."""
    torch.manual_seed(5)
    theirs, ours = nn.MultiheadAttention(32, num_heads=8), MultiHeadAttention(32, 8)
    copied(theirs, ours)
    x = torch.rand(10, 1, 32)
    expected, average = theirs(x, x, x)
    assert (expected.shape, average.shape) == ((10, 1, 32), (1, 10, 10))
    rows = x.transpose(0, 1)
    found, weights = ours(rows, rows, rows)
    assert worst(found.transpose(0, 1), expected) <= TOLERANCE[torch.float32]
    assert worst(weights.mean(1), average) <= TOLERANCE[torch.float32]


@pytest.mark.parametrize(("d_model", "n_heads", "_"), SIZES)
@pytest.mark.parametrize("masked", [False, True])
def test_multi_head_attention(d_model, n_heads, _, masked, dtype):
    """Queries of one text, keys and values of two others, the last of them of its own."""
    theirs = nn.MultiheadAttention(d_model, n_heads, batch_first=True, dtype=dtype)
    ours = MultiHeadAttention(d_model, n_heads).to(dtype)
    copied(theirs, ours)
    inputs = [at_random(BATCH, n, d_model, dtype=dtype) for n in (N_QUERY, N_KEY, N_KEY)]
    twins = [twin(one) for one in inputs]
    hidden = torch.arange(N_KEY) >= KEY_LENGTHS[:, None] if masked else None
    found, weights = ours(*inputs, padding_mask(KEY_LENGTHS, N_KEY) if masked else None)
    expected, their_weights = theirs(*twins, key_padding_mask=hidden, average_attn_weights=False)
    assert weights.shape == (BATCH, n_heads, N_QUERY, N_KEY)
    assert worst(weights, their_weights) <= TOLERANCE[dtype]
    assert compared(ours, theirs, (found, expected), list(zip(inputs, twins, strict=True))) <= TOLERANCE[dtype]


def test_the_gradient_of_the_weights_themselves(dtype):
    """A loss may be taken of the weights, as those do that teach a head where to look."""
    theirs, ours = nn.MultiheadAttention(15, 3, batch_first=True, dtype=dtype), MultiHeadAttention(15, 3).to(dtype)
    copied(theirs, ours)
    x = at_random(BATCH, N_QUERY, 15, dtype=dtype)
    y = twin(x)
    weights, expected = ours(x, x, x)[1], theirs(y, y, y, average_attn_weights=False)[1]
    direction = torch.randn_like(expected)
    (weights * direction).sum().backward()
    (expected * direction).sum().backward()
    assert worst(x.grad, y.grad) <= TOLERANCE[dtype]


@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize(("d_model", "n_heads", "d_feedforward"), SIZES)
def test_encoder_layer(d_model, n_heads, d_feedforward, kind, norm_first, dtype):
    theirs = nn.TransformerEncoderLayer(
        d_model, n_heads, d_feedforward, 0.0, batch_first=True, norm_first=norm_first, dtype=dtype
    )
    ours = EncoderLayer(d_model, n_heads, d_feedforward, norm_first=norm_first).to(dtype)
    copied(theirs, ours)
    x = at_random(BATCH, N_QUERY, d_model, dtype=dtype)
    y = twin(x)
    between, of_keys = their_masks(kind)
    found, weights = ours(x, mask_of(kind))
    with attentions_of(theirs) as looked:
        expected = theirs(y, between, of_keys)
    assert worst(weights, looked[0]) <= TOLERANCE[dtype]
    assert compared(ours, theirs, (found, expected), [(x, y)]) <= TOLERANCE[dtype]


@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
@pytest.mark.parametrize("last_norm", [False, True], ids=["", "last norm"])
def test_encoder(norm_first, last_norm, dtype):
    n_layers, d_model = 3, 15
    layer = nn.TransformerEncoderLayer(d_model, 5, 23, 0.0, batch_first=True, norm_first=norm_first, dtype=dtype)
    norm = nn.LayerNorm(d_model, dtype=dtype) if last_norm else None
    theirs = nn.TransformerEncoder(layer, n_layers, norm, enable_nested_tensor=False)
    layers = [EncoderLayer(d_model, 5, 23, norm_first=norm_first) for _ in range(n_layers)]
    ours = Encoder(layers, nn.LayerNorm(d_model) if last_norm else None).to(dtype)
    for parameter in theirs.parameters():  # torch's layers start as copies of each other
        nn.init.normal_(parameter, std=0.3)
    copied(theirs, ours)
    x = at_random(BATCH, N_QUERY, d_model, dtype=dtype)
    y = twin(x)
    between, of_keys = their_masks("both")
    found, weights = ours(x, mask_of("both"))
    with attentions_of(theirs) as looked:
        expected = theirs(y, between, of_keys)
    assert len(weights) == len(looked) == n_layers
    assert all(worst(one, other) <= TOLERANCE[dtype] for one, other in zip(weights, looked, strict=True))
    assert all(worst(one, other) > 0.1 for one, other in pairwise(weights)), "layers that look alike prove little"
    assert compared(ours, theirs, (found, expected), [(x, y)]) <= TOLERANCE[dtype]


@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("d_model", "n_heads", "d_feedforward"), SIZES)
def test_decoder_layer(d_model, n_heads, d_feedforward, masked, norm_first, dtype):
    theirs = nn.TransformerDecoderLayer(
        d_model, n_heads, d_feedforward, 0.0, batch_first=True, norm_first=norm_first, dtype=dtype
    )
    ours = DecoderLayer(d_model, n_heads, d_feedforward, norm_first=norm_first).to(dtype)
    copied(theirs, ours)
    x, memory = (at_random(BATCH, n, d_model, dtype=dtype) for n in (N_QUERY, N_KEY))
    y, their_memory = twin(x), twin(memory)
    kind = "both" if masked else "none"
    between, of_keys = their_masks(kind)
    of_memory = torch.arange(N_KEY) >= KEY_LENGTHS[:, None] if masked else None
    found, weights, cross = ours(x, memory, mask_of(kind), padding_mask(KEY_LENGTHS, N_KEY) if masked else None)
    with attentions_of(theirs) as looked:
        expected = theirs(y, their_memory, between, tgt_key_padding_mask=of_keys, memory_key_padding_mask=of_memory)
    assert cross.shape == (BATCH, n_heads, N_QUERY, N_KEY)
    assert max(worst(weights, looked[0]), worst(cross, looked[1])) <= TOLERANCE[dtype]
    assert compared(ours, theirs, (found, expected), [(x, y), (memory, their_memory)]) <= TOLERANCE[dtype]


def stacks(n_encoder: int, n_decoder: int, *, norm_first: bool, dtype: torch.dtype) -> tuple[nn.Module, nn.Module]:
    """Return nn.Transformer with 5 heads in a width of 15, and ours with its weights."""
    theirs = nn.Transformer(15, 5, n_encoder, n_decoder, 23, 0.0, batch_first=True, norm_first=norm_first, dtype=dtype)
    encoder = [EncoderLayer(15, 5, 23, norm_first=norm_first) for _ in range(n_encoder)]
    decoder = [DecoderLayer(15, 5, 23, norm_first=norm_first) for _ in range(n_decoder)]
    ours = EncoderDecoder(Encoder(encoder, nn.LayerNorm(15)), Decoder(decoder, nn.LayerNorm(15))).to(dtype)
    copied(theirs, ours)
    return ours, theirs


@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
def test_decoder(norm_first, dtype):
    both, their_both = stacks(1, 3, norm_first=norm_first, dtype=dtype)
    ours, theirs = both.decoder, their_both.decoder
    x, memory = (at_random(BATCH, n, 15, dtype=dtype) for n in (N_QUERY, N_KEY))
    y, their_memory = twin(x), twin(memory)
    between, of_keys = their_masks("both")
    found, weights, cross = ours(x, memory, mask_of("both"))
    with attentions_of(theirs) as looked:
        expected = theirs(y, their_memory, between, tgt_key_padding_mask=of_keys)
    for one, other in zip([map for pair in zip(weights, cross, strict=True) for map in pair], looked, strict=True):
        assert worst(one, other) <= TOLERANCE[dtype]
    assert compared(ours, theirs, (found, expected), [(x, y), (memory, their_memory)]) <= TOLERANCE[dtype]


@pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])
@pytest.mark.parametrize("own_mask", [False, True])
def test_encoder_decoder(norm_first, own_mask, dtype):
    """Source padding is hidden from the encoder and from cross-attention; the decoder is causal without being told."""
    ours, theirs = stacks(2, 3, norm_first=norm_first, dtype=dtype)
    source, target = (at_random(BATCH, n, 15, dtype=dtype) for n in (N_KEY, N_QUERY))
    their_source, their_target = twin(source), twin(target)
    hidden = torch.arange(N_KEY) >= KEY_LENGTHS[:, None]
    own = torch.ones(N_QUERY, N_QUERY, dtype=torch.bool).tril(2) if own_mask else None
    found, encoder, decoder, cross = ours(source, target, padding_mask(KEY_LENGTHS, N_KEY), own)
    with attentions_of(theirs) as looked:
        expected = theirs(
            their_source,
            their_target,
            tgt_mask=~(causal_mask(N_QUERY) if own is None else own),
            src_key_padding_mask=hidden,
            memory_key_padding_mask=hidden,
        )
    in_order = [*encoder, *(map for pair in zip(decoder, cross, strict=True) for map in pair)]
    assert [len(encoder), len(decoder), len(cross)] == [2, 3, 3]
    assert all(worst(one, other) <= TOLERANCE[dtype] for one, other in zip(in_order, looked, strict=True))
    pairs = [(source, their_source), (target, their_target)]
    assert compared(ours, theirs, (found, expected), pairs) <= TOLERANCE[dtype]


def test_masks_in_small():
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert padding_mask(torch.tensor([2, 0, 3]), 3).tolist() == [
        [[[True, True, False]]],
        [[[False, False, False]]],
        [[[True, True, True]]],
    ]


@pytest.mark.parametrize("n_heads", [4, 0, -1, 17])
def test_heads_that_do_not_divide_the_width(n_heads):
    with pytest.raises(
        ValueError, match=f"^{n_heads} heads do not divide a width of 15: choose a divisor of the width"
    ):
        MultiHeadAttention(15, n_heads)


def test_axes_are_checked():
    """Keys and values of different lengths, and queries of another width, contradict the names of the axes."""
    attention = MultiHeadAttention(15, 3)
    query, key, value = torch.rand(2, 5, 15), torch.rand(2, 7, 15), torch.rand(2, 11, 15)
    attention(query, key, key)
    for wrong in ((query, key, value), (torch.rand(2, 5, 13), key, key), (torch.rand(3, 5, 15), key, key)):
        with pytest.raises(TypeCheckError):
            attention(*wrong)
    with pytest.raises(TypeCheckError):
        EncoderLayer(15, 3, 7)(torch.zeros(2, 5, 15, dtype=torch.long))
