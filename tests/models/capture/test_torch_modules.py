"""torch's own attention modules, traced, against the weights that they give themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from models import trace_module
from models.capture.torch_notices import MISREAD
from tests.helpers.torch_modules import (
    CALLS,
    D_MODEL,
    N_HEADS,
    N_KEY,
    N_QUERY,
    N_ROWS,
    causal,
    compare,
    decoder_weights,
    encoder_weights,
    forbidden,
    padding,
    random,
    spread,
    stack,
)

pytestmark = pytest.mark.slow


def test_the_seed():
    """Measured: 1.5e-8."""
    module, x = nn.MultiheadAttention(32, num_heads=8), random(10, 1, 32)
    output, averaged = module.eval()(x, x, x)
    att = trace_module(module, x, x, x)["encoder"]
    assert (att.n_layers, att.n_heads) == (1, 8)
    assert output.shape == (10, 1, 32)
    assert averaged.shape == (1, 10, 10)
    np.testing.assert_allclose(att.layer(0).mean(0), averaged[0].detach().numpy(), rtol=0, atol=2e-6)


SELF = {
    "plain": ({}, {}),
    "even heads on the fast path": ({"num_heads": 4, "embed_dim": 36, "batch_first": True}, {}),
    "batch first": ({"batch_first": True}, {}),
    "no bias": ({"bias": False}, {}),
    "bias_k": ({"add_bias_kv": True}, {}),
    "a zero key": ({"add_zero_attn": True}, {}),
    "both, masked": (
        {"add_zero_attn": True, "add_bias_kv": True},
        {"attn_mask": forbidden(N_KEY, N_KEY), "key_padding_mask": padding(N_ROWS, N_KEY)},
    ),
    "boolean mask": ({}, {"attn_mask": forbidden(N_KEY, N_KEY)}),
    "boolean mask, fast path": (
        {"num_heads": 4, "embed_dim": 36, "batch_first": True},
        {"attn_mask": forbidden(N_KEY, N_KEY)},
    ),
    "additive mask": ({}, {"attn_mask": random(N_KEY, N_KEY, seed=5)}),
    "mask per head": ({}, {"attn_mask": forbidden(N_ROWS * N_HEADS, N_KEY, N_KEY)}),
    "additive mask per head": ({}, {"attn_mask": random(N_ROWS * N_HEADS, N_KEY, N_KEY, seed=5)}),
    "causal": ({}, {"attn_mask": causal(N_KEY), "is_causal": True}),
    "padding": ({"batch_first": True}, {"key_padding_mask": padding(N_ROWS, N_KEY)}),
    "padding and causal": ({}, {"key_padding_mask": padding(N_ROWS, N_KEY).float() * -1e9, "attn_mask": causal(N_KEY)}),
    "float64": ({"dtype": torch.float64}, {}),
    "one head": ({"num_heads": 1}, {}),
}


@pytest.mark.parametrize("item", [0, 2])
@pytest.mark.parametrize("name", SELF)
def test_self_attention(name, item):
    options, call = SELF[name]
    options = {"embed_dim": D_MODEL, "num_heads": N_HEADS, **options}
    module = spread(nn.MultiheadAttention(**options)).eval()
    shape = (N_ROWS, N_KEY) if options.get("batch_first") else (N_KEY, N_ROWS)
    x = random(*shape, options["embed_dim"]).to(options.get("dtype", torch.float32))
    with torch.no_grad():
        trace = trace_module(module, x, x, x, item=item, **call)
    expected = module(x, x, x, average_attn_weights=False, **call)[1][item]
    compare(trace, "encoder", [expected])
    assert trace.kinds == ("encoder",)
    assert trace.notices == ()
    added = [token.text for token in trace["encoder"].key_tokens if token.special]
    assert added == [name for name, on in (("[bias]", "add_bias_kv"), ("[zero]", "add_zero_attn")) if options.get(on)]


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("sizes", [{}, {"kdim": 13}, {"kdim": 13, "vdim": 17}])
def test_cross_attention(sizes, batch_first):
    module = spread(nn.MultiheadAttention(D_MODEL, N_HEADS, batch_first=batch_first, **sizes)).eval()
    query = random(N_ROWS, N_QUERY, D_MODEL)
    key = random(N_ROWS, N_KEY, sizes.get("kdim", D_MODEL), seed=1)
    value = random(N_ROWS, N_KEY, sizes.get("vdim", D_MODEL), seed=2)
    if not batch_first:
        query, key, value = (x.transpose(0, 1) for x in (query, key, value))
    call = {"key_padding_mask": padding(N_ROWS, N_KEY), "attn_mask": forbidden(N_QUERY, N_KEY)}
    words, target = [f"k{n}" for n in range(N_KEY)], [f"q{n}" for n in range(N_QUERY)]
    trace = trace_module(module, query, key, value, item=1, tokens=words, target_tokens=target, **call)
    compare(trace, "cross", [module(query, key, value, average_attn_weights=False, **call)[1][1]])
    assert [token.text for token in trace["cross"].query_tokens] == target
    assert [token.text for token in trace["cross"].key_tokens] == words
    assert trace.source.text == "k0 k1 k2 k3 k4 k5 k6 k7 k8 k9 k10"
    assert trace.source.target == "q0 q1 q2 q3 q4 q5 q6"
    token = trace["cross"].key_tokens[10]
    assert trace.source.text[token.start : token.end] == "k10"


@pytest.mark.parametrize("batch_first", [True, False])
def test_unbatched(batch_first):
    module = spread(nn.MultiheadAttention(D_MODEL, N_HEADS, batch_first=batch_first)).eval()
    x, mask, padded = random(N_KEY, D_MODEL), forbidden(N_HEADS, N_KEY, N_KEY), padding(N_ROWS, N_KEY)[2]
    expected = module(x, x, x, attn_mask=mask, key_padding_mask=padded, average_attn_weights=False)[1]
    trace = trace_module(module, x, x, x, attn_mask=mask, key_padding_mask=padded)
    compare(trace, "encoder", [expected])
    assert not trace["encoder"].layer(0)[..., 9:].any()


def test_the_causal_hint_is_heeded_where_torch_heeds_it():
    """Without weights or padding, torch reads the hint and not the mask."""
    module, x = spread(nn.MultiheadAttention(D_MODEL, N_HEADS)).eval(), random(N_KEY, 1, D_MODEL)
    call = {"attn_mask": torch.zeros(N_KEY, N_KEY), "is_causal": True, "need_weights": False}
    true = module(x, x, x, attn_mask=causal(N_KEY), average_attn_weights=False)[1][0]
    compare(trace_module(module, x, x, x, **call), "encoder", [true])
    compare(
        trace_module(module, x, x, x, **{**call, "need_weights": True}),
        "encoder",
        [module(x, x, x, average_attn_weights=False)[1][0]],
    )


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("name", CALLS)
def test_encoder(name, norm_first, grad):
    """With `grad` off torch would take its fast path, on nested tensors where there is padding."""
    module, x, call = stack(norm_first=norm_first), random(N_ROWS, N_KEY, 20), CALLS[name]
    renamed = {"mask": "attn_mask", "src_key_padding_mask": "key_padding_mask"}
    own = {renamed[key]: value for key, value in call.items() if key in renamed}
    expected = encoder_weights(list(module.layers), x, item=2, **own)
    with torch.set_grad_enabled(grad):
        trace = trace_module(module, x, item=2, **call)
    assert trace.kinds == ("encoder",)
    assert trace.notices == ((MISREAD,) if name == "additive per head" and not grad else ())
    # Padded queries are not computed on nested tensors, and no weight depends on them.
    compare(trace, "encoder", expected)
    if "padding" in name:
        assert not np.stack([trace["encoder"].layer(layer) for layer in range(3)])[..., 9:].any()


def test_torch_misreads_a_mask_of_numbers():
    """Why there is a notice: if torch mends its fast path, this fails and the notice can go."""
    module, x, mask = stack(), random(N_ROWS, N_KEY, 20), random(N_KEY, N_KEY, seed=3).relu()
    mask[:, 0] = 0
    with torch.no_grad():
        assert torch.equal(module(x, mask=mask), module(x, mask=mask != 0))
    assert (module(x, mask=mask) - module(x, mask=mask != 0)).abs().max() > 0.1


def test_one_layer_and_odd_heads_and_no_batch():
    module, x = stack(5, 35, batch_first=False), random(N_KEY, 35)
    compare(trace_module(module.layers[0], x), "encoder", [encoder_weights([module.layers[0]], x[:, None])[0]])


@pytest.mark.parametrize("norm_first", [True, False])
def test_decoder(norm_first):
    layer = nn.TransformerDecoderLayer(20, 4, 23, batch_first=True, norm_first=norm_first)
    module = spread(nn.TransformerDecoder(layer, 2)).eval()
    tgt, memory = random(N_ROWS, N_QUERY, 20), random(N_ROWS, N_KEY, 20, seed=1)
    padded = padding(N_ROWS, N_KEY)
    decoder, cross = decoder_weights(
        list(module.layers), tgt, memory, 1, {"attn_mask": causal(N_QUERY)}, {"key_padding_mask": padded}
    )
    call = {"tgt_mask": causal(N_QUERY), "memory_key_padding_mask": padded}
    trace = trace_module(module, tgt, memory, item=1, **call)
    assert trace.kinds == ("decoder", "cross")
    compare(trace, "decoder", decoder)
    compare(trace, "cross", cross)
    first = trace_module(module.layers[0], tgt, memory, item=1, **call)
    np.testing.assert_array_equal(first["cross"].layer(0), trace["cross"].layer(0))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("grad", [True, False])
def test_transformer(grad):
    """The decoder sees the padded memory: computed where torch needs gradients, else 0 before the last norm."""
    module = spread(nn.Transformer(20, 4, 2, 2, 23, batch_first=True)).eval()
    src, tgt, padded = random(N_ROWS, N_KEY, 20), random(N_ROWS, N_QUERY, 20, seed=1), padding(N_ROWS, N_KEY)
    with torch.set_grad_enabled(grad):
        memory = module.encoder(src, src_key_padding_mask=padded)
        decoder, cross = decoder_weights(
            list(module.decoder.layers), tgt, memory, 2, {"attn_mask": causal(N_QUERY)}, {}
        )
        trace = trace_module(
            module, src, tgt, item=2, src_key_padding_mask=padded, tgt_mask=causal(N_QUERY), tokens=list("abcdefghijk")
        )
    assert trace.kinds == ("encoder", "decoder", "cross")
    compare(trace, "encoder", encoder_weights(list(module.encoder.layers), src, 2, key_padding_mask=padded))
    compare(trace, "decoder", decoder)
    compare(trace, "cross", cross)
    assert "".join(token.display for token in trace["cross"].key_tokens) == "abcdefghijk"
