"""Modules that call `scaled_dot_product_attention` themselves, against the weights that they would compute by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers as tf
from torch import Tensor, nn

from models import trace_module
from models.errors import BadSelection, NoAttention
from tests.helpers.own_modules import (
    D_MODEL,
    CrossAttention,
    CrossBlock,
    Groups,
    Latents,
    LucidAttention,
    TimmAttention,
    TimmBlock,
    TimmTransformer,
    WindowBlock,
    weights_of,
)
from tests.helpers.torch_modules import causal, compare, random, spread

pytestmark = pytest.mark.slow
IMAGE, X = random(3, 3, 8, 12, seed=1), random(3, 7, D_MODEL, seed=2)


def as_by_hand(module: nn.Module, other: nn.Module) -> nn.Module:
    other.load_state_dict(module.state_dict())
    return other.eval()


def test_timm_with_the_function_gives_the_weights_that_it_gives_without():
    module = spread(TimmTransformer()).train()
    trace = trace_module(module, IMAGE, item=2)
    by_hand = as_by_hand(module, TimmTransformer(fused=False))
    by_hand(IMAGE)
    compare(trace, "encoder", [block.attn.weights[2] for block in by_hand.blocks])
    assert (trace.kinds, trace.notices) == (("encoder",), ())
    assert module.training
    assert not module._forward_hooks
    with pytest.raises(BadSelection, match="There is no item 3: the batch has items 0 to 2"):
        trace_module(module, IMAGE, item=3)


@pytest.mark.parametrize("module", [TimmTransformer(fused=False), LucidAttention()])
def test_softmax_by_hand_is_refused_with_what_would_work(module):
    given = IMAGE if isinstance(module, TimmTransformer) else X
    with pytest.raises(NoAttention, match=r"computed by hand with a softmax: .*To show it, .*set_fused_attn\(True\)"):
        trace_module(module, given)


def test_softmax_by_hand_beside_the_function_is_named():
    module = nn.Sequential(TimmBlock(), LucidAttention(), TimmBlock(fused=False))
    assert trace_module(module, X).notices == (
        "The attention of 2 modules is not shown, because it is computed by hand with a softmax: 1.attend, 2.attn. "
        "To show it, let them call scaled_dot_product_attention (timm: timm.layers.set_fused_attn(True) before the "
        "model is made).",
    )


@pytest.mark.parametrize("shape", [(7, 7), (1, 7), (3, 1, 1, 7), (3, 5, 7, 7), (1, 5, 7, 7)])
@pytest.mark.parametrize("kind", ["boolean", "additive"])
def test_masks(shape, kind):
    allowed = torch.rand(shape, generator=torch.Generator().manual_seed(4)) < 0.6
    allowed[..., 0] = True
    mask = allowed.clone() if kind == "boolean" else torch.zeros(shape).masked_fill(~allowed, -torch.inf)
    module = spread(TimmAttention())
    by_hand = as_by_hand(module, TimmAttention(fused=False))
    by_hand(X, allowed)
    att = trace_module(module, X, mask, item=1)
    compare(att, "encoder", [by_hand.weights[1]])
    before = att["encoder"].layer(0)
    mask.fill_(1)
    np.testing.assert_array_equal(att["encoder"].layer(0), before)
    np.testing.assert_array_equal(att["encoder"].mask(0, 4), allowed.expand(3, 5, 7, 7)[1, 4].numpy())


@pytest.mark.parametrize(("n_key_heads", "flat"), [(1, False), (5, False), (5, True)])
def test_grouped_queries_causal_and_scale(n_key_heads, flat):
    module = spread(Groups(n_key_heads, flat=flat)).eval()
    q, k, _ = module.split(X)
    expected = weights_of(q, k, scale=0.7, mask=causal(7) == 0)[2]
    trace = trace_module(module, X, item=2, tokens="abcdefg")
    compare(trace, "encoder", [expected])
    assert trace["encoder"].key_heads(0) == ((0,) * 5 if n_key_heads == 1 else (0, 1, 2, 3, 4))


def test_one_head_and_no_batch():
    class Plain(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.scaled_dot_product_attention(x, x * 2, x)

    for given, item, expected in ((X, 1, X[1]), (X[0], 0, X[0])):
        compare(trace_module(Plain(), given, item=item), "encoder", [weights_of(expected, 2 * expected)[None]])


@pytest.mark.parametrize("n_rows", [1, 3])
def test_windows_are_named_and_not_shown(n_rows):
    x = random(n_rows, 16, D_MODEL)
    with pytest.raises(NoAttention, match=r"rows are not the items of the batch but windows.*: attn"):
        trace_module(WindowBlock(), x)
    trace = trace_module(nn.Sequential(TimmBlock(), WindowBlock()), x)
    assert trace["encoder"].n_layers == 1
    assert "windows, groups or frames of the input: 1.attn" in trace.notices[0]


def test_a_layer_with_a_context_of_the_same_length_is_cross_attention():
    module, context = spread(CrossBlock()).eval(), random(3, 7, D_MODEL, seed=9)
    trace = trace_module(module, X, context, tokens="tuvwxyz", target_tokens="abcdefg")
    assert trace.kinds == ("decoder", "cross")
    assert [token.text for token in trace["decoder"].key_tokens] == list("abcdefg")
    assert [token.text for token in trace["cross"].key_tokens] == list("tuvwxyz")
    heads = (-1, 5, 4)
    with torch.no_grad():
        q, k = module.mine.to_q(X)[0].view(heads), module.mine.to_kv(X)[0, :, :D_MODEL].view(heads)
        compare(trace, "decoder", [weights_of(q.transpose(0, 1), k.transpose(0, 1))])
        x = X + module.mine(X)
        q, k = module.theirs.to_q(x)[0].view(heads), module.theirs.to_kv(context)[0, :, :D_MODEL].view(heads)
        compare(trace, "cross", [weights_of(q.transpose(0, 1), k.transpose(0, 1))])


class TorchBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(D_MODEL, 4, batch_first=True)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        context = x if context is None else context
        return self.attention(x, context, context)[0]


@pytest.mark.parametrize("n_latents", [3, 5])
@pytest.mark.parametrize("block", [CrossAttention, TorchBlock])
def test_latents_are_named_as_the_attending_side(block, n_latents):
    names, words = [f"l{n}" for n in range(n_latents)], list("abcde")
    trace = trace_module(Latents(n_latents, block), random(2, 5, D_MODEL), tokens=words, target_tokens=names)
    assert trace.kinds == ("decoder", "cross")
    assert [trace[kind].n_layers for kind in trace.kinds] == [2, 2]
    sides = [(names, names), (names, words)]
    for kind, (queries, keys) in zip(trace.kinds, sides, strict=True):
        assert [token.text for token in trace[kind].query_tokens] == queries
        assert [token.text for token in trace[kind].key_tokens] == keys
    inner = ".attention" if block is TorchBlock else ""
    assert trace.notices == (
        f"Of the cross layers, 0 is blocks.0{inner}, 1 is blocks.2{inner}.",
        f"Of the decoder layers, 0 is blocks.1{inner}, 1 is blocks.3{inner}.",
    )


def test_layers_with_other_positions_are_named():
    class Reader(nn.Module):
        """A Perceiver IO: questions attend to the latents."""

        def __init__(self) -> None:
            super().__init__()
            self.latents, self.last = Latents(3), CrossAttention()

        def forward(self, x: Tensor, questions: Tensor) -> Tensor:
            return self.last(questions, context=self.latents(x))

    given = (random(2, 5, D_MODEL), random(2, 6, D_MODEL))
    trace = trace_module(Reader(), *given)
    assert [trace[kind].n_layers for kind in ("decoder", "cross")] == [2, 2]
    assert "1 cross layers have other positions and are not shown: last (6 x 3)." in trace.notices[-1]
    trace = trace_module(Reader(), *given, tokens="xyz", target_tokens="abcdef")
    assert (trace["cross"].n_layers, trace["cross"].n_query, trace["encoder"].n_layers) == (1, 6, 2)
    assert [token.text for token in trace["encoder"].key_tokens] == list("xyz")


class Classifier(nn.Module):
    def __init__(self, implementation: str) -> None:
        super().__init__()
        size = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 8}
        config = tf.BertConfig(**size, vocab_size=50, max_position_embeddings=30)
        self.bert = spread(tf.BertModel(config))
        self.bert.set_attn_implementation(implementation)
        self.linear = nn.Linear(12, 2)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.linear(self.bert(ids, attention_mask=mask).last_hidden_state[:, 0])


def test_a_model_of_transformers_inside_a_module():
    ids = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 0]])
    mask = (ids > 0).long()
    module = Classifier("sdpa")
    eager = as_by_hand(module, Classifier("eager"))
    trace = trace_module(module, ids, mask, item=1, tokens=["a", "b", "c", "[PAD]"])
    compare(trace, "encoder", [one[1] for one in eager.bert(ids, mask, output_attentions=True).attentions])
    assert trace.notices == ()
    with pytest.raises(NoAttention, match=r"BertModel .*'eager'.*load_model\(module\.bert, tokenizer\).*'sdpa'\) this"):
        trace_module(eager, ids)


def test_an_eager_encoder_below_a_decoder_is_named():
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = Classifier("eager").bert, nn.TransformerDecoderLayer(12, 3, 16)

        def forward(self, ids: Tensor, target: Tensor) -> Tensor:
            return self.decoder(target, self.encoder(ids).last_hidden_state.transpose(0, 1))

    module, given = Both(), (torch.tensor([[1, 2, 3, 4]]), random(3, 1, 12))
    trace = trace_module(module, *given)
    assert trace.kinds == ("decoder", "cross")
    assert any("load_model(module.encoder, tokenizer)" in notice for notice in trace.notices)
    module.encoder.set_attn_implementation("sdpa")
    trace = trace_module(module, *given)
    assert (trace.kinds, trace.notices) == (("encoder", "decoder", "cross"), ())


def test_dropout_in_evaluation_mode_is_named():
    class Careless(TimmAttention):
        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.qkv(x).unflatten(-1, (3, 5, 4)).permute(2, 0, 3, 1, 4)
            return nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=0.3)

    assert "in evaluation mode too" in trace_module(Careless(), X).notices[0]
