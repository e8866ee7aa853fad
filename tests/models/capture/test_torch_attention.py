"""Any module that holds torch's attention: traced, refused with one sentence, and left as it was."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import analysis
import viz
from models import HeadlightError, trace_module
from models.errors import BadSelection, NoAttention
from tests.helpers.torch_modules import (
    CALLS,
    D_MODEL,
    N_HEADS,
    N_KEY,
    N_QUERY,
    N_ROWS,
    TOLERANCE,
    compare,
    encoder_weights,
    random,
    spread,
    stack,
)

pytestmark = pytest.mark.slow


class Pictures(nn.Module):
    """A visitor's own vision transformer: normalised twice, one norm that learns in training, one dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(20)
        self.batch_norm = nn.BatchNorm1d(N_KEY)
        self.dropout = nn.Dropout(0.5)
        self.blocks = nn.ModuleList(nn.MultiheadAttention(20, 4, batch_first=True, dropout=0.3) for _ in range(2))
        self.unused = nn.MultiheadAttention(20, 4)
        self.summary = nn.MultiheadAttention(20, 2, batch_first=True)
        self.output: Tensor | None = None

    def forward(self, patches: Tensor, *, fail: bool = False) -> Tensor:
        x = self.dropout(self.batch_norm(patches))
        for block in self.blocks:
            x = x + block(self.norm(x), self.norm(x), self.norm(x), need_weights=False)[0]
        if fail:
            raise RuntimeError("in the middle")
        self.output = self.summary(x[:, :1], x, x)[0]
        return self.output


def test_any_module_and_it_is_left_as_it_was():
    module, patches = spread(Pictures()).train(), random(N_ROWS, N_KEY, 20)
    module.blocks[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    flags = [part.training for part in module.modules()]
    trace = trace_module(module, patches, item=1)
    assert trace.kinds == ("encoder", "cross")
    assert (trace["encoder"].n_layers, trace["cross"].n_layers) == (2, 1)
    assert (trace["cross"].n_query, trace["cross"].n_key) == (1, N_KEY)
    assert trace.notices == (
        "1 of 4 nn.MultiheadAttention modules gave no attention in this pass, the first of them unused: "
        "they were not called, or are compiled (pass the module from before it was compiled).",
    )
    with pytest.raises(RuntimeError, match="in the middle"):
        trace_module(module, patches, fail=True)
    assert [part.training for part in module.modules()] == flags
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert torch.is_grad_enabled()
    assert torch.overrides._get_current_function_mode() is None
    traced = module.output
    assert not traced.requires_grad
    np.testing.assert_allclose(traced, module.eval()(patches).detach(), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(trace["encoder"].layer(1), trace_module(module, patches, item=1)["encoder"].layer(1))


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("name", ["plain", "padding", "boolean mask", "padding and mask"])
def test_the_module_computes_what_it_always_does(name, grad):
    """Measured: 1.6e-6 where the fast path sums in another order, else 0; outputs are up to 3.4."""

    class Kept(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = stack()

        def forward(self, *inputs: Tensor, **call: Tensor) -> None:
            self.output = self.inner(*inputs, **call)

    module, x = Kept(), random(N_ROWS, N_KEY, 20)
    with torch.set_grad_enabled(grad):
        trace_module(module, x, **CALLS[name])
        expected = module.inner.eval()(x, **CALLS[name])
    np.testing.assert_allclose(module.output, expected.detach(), rtol=0, atol=1e-5)


class Attending(nn.Module):
    """A decoder layer of a visitor's own, as DETR has: keys are values with their places added."""

    def __init__(self) -> None:
        super().__init__()
        self.mine, self.theirs = nn.MultiheadAttention(20, 4), nn.MultiheadAttention(20, 4)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        x = self.mine(x + 1, x + 1, x)[0]
        return self.theirs(x, memory + 1, memory)[0]


def test_a_layer_that_attends_to_another_sequence_is_a_decoder():
    trace = trace_module(Attending(), random(N_QUERY, 1, 20), random(N_KEY, 1, 20), target_tokens="abcdefg")
    assert trace.kinds == ("decoder", "cross")
    assert trace["cross"].query_tokens == trace["decoder"].query_tokens
    assert trace["decoder"].key_tokens[3].text == "d"


def test_what_is_compiled_or_parametrised_is_found():
    module, x = stack(), random(N_ROWS, N_KEY, 20)
    plain = trace_module(module, x)
    compare(trace_module(torch.compile(module, backend="eager"), x), "encoder", encoder_weights(list(module.layers), x))
    nn.utils.parametrizations.weight_norm(module.layers[1].self_attn.out_proj)
    trace = trace_module(module, x)
    assert trace.notices == ()
    np.testing.assert_allclose(trace["encoder"].layer(2), plain["encoder"].layer(2), rtol=0, atol=TOLERANCE)


def test_a_query_that_may_attend_to_nothing():
    module, x = spread(nn.MultiheadAttention(D_MODEL, N_HEADS)).eval(), random(N_KEY, 1, D_MODEL)
    for holes in (False, True):
        mask = torch.zeros(N_KEY, N_KEY, dtype=torch.bool)
        mask[4] = True
        mask[6, 2] = holes
        trace = trace_module(module, x, x, x, attn_mask=mask)
        assert module(x, x, x, attn_mask=mask)[1][0, 4].isnan().all()
        np.testing.assert_allclose(trace["encoder"].weights(0, 3)[4], 1 / N_KEY, rtol=1e-6)
        assert not trace["encoder"].mask(0, 3)[4].any()
        assert trace.notices == (
            "1 encoder queries may attend to no key, so torch's own weights are NaN there: "
            "they are shown with equal weights on all keys.",
        )


def test_a_mask_that_changes_afterwards_changes_nothing():
    module, x, mask = spread(nn.MultiheadAttention(D_MODEL, N_HEADS)), random(N_KEY, 1, D_MODEL), random(N_KEY, N_KEY)
    att = trace_module(module, x, x, x, attn_mask=mask)["encoder"]
    before = att.layer(0)
    mask.fill_(3.0)
    x.zero_()
    np.testing.assert_array_equal(att.layer(0), before)


def test_threads_share_a_module():
    module, inputs = stack().train(), [random(N_ROWS, n, 20, seed=n) for n in (7, 11, 13, 17)]
    alone = [trace_module(module, x)["encoder"].layer(2) for x in inputs]
    found: list[np.ndarray | None] = [None] * len(inputs)
    start = threading.Barrier(len(inputs))

    def work(number: int) -> None:
        start.wait()
        for _ in range(5):
            found[number] = trace_module(module, inputs[number])["encoder"].layer(2)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(part.training for part in module.modules())


def test_pictures_and_figures_of_a_module():
    module, x = spread(nn.MultiheadAttention(D_MODEL, N_HEADS, add_zero_attn=True)), random(N_KEY, 1, D_MODEL)
    att = trace_module(module, x, x, x, tokens=[*"abcdefghij", "<b>"])["encoder"]
    shown = np.array(viz.heatmap(att, layer=0, head=2).data[0].z, dtype=np.float32)
    assert shown.shape == (N_KEY, N_KEY + 1)
    np.testing.assert_allclose(shown, att.weights(0, 2), rtol=0, atol=1e-6)
    assert viz.grid(att).data
    assert 0 < analysis.head_row(att, 0, 2)["entropy_bits"] < np.log2(N_KEY + 1)


SQUARE = random(5, 2, 20)
REFUSALS = {
    "item": (
        lambda: trace_module(nn.MultiheadAttention(20, 4), SQUARE, SQUARE, SQUARE, item=2),
        BadSelection,
        "There is no item 2: the batch has items 0 to 1.",
    ),
    "tokens": (
        lambda: trace_module(nn.MultiheadAttention(20, 4), SQUARE, SQUARE, SQUARE, tokens=["a", "b"]),
        BadSelection,
        "There are 5 encoder queries, but tokens has 2: give one for each, or leave tokens out.",
    ),
    "target tokens": (
        lambda: trace_module(nn.TransformerDecoderLayer(20, 4, 23), SQUARE, SQUARE, target_tokens=["a"]),
        BadSelection,
        "There are 5 cross queries, but target_tokens has 1: give one for each, or leave target_tokens out.",
    ),
    "no decoder": (
        lambda: trace_module(nn.MultiheadAttention(20, 4), SQUARE, SQUARE, SQUARE, target_tokens=["a"] * 5),
        BadSelection,
        "MultiheadAttention has no decoder for target_tokens to name: give them as tokens.",
    ),
    "no attention": (
        lambda: trace_module(nn.Linear(20, 4), SQUARE),
        NoAttention,
        "Linear called neither nn.MultiheadAttention nor scaled_dot_product_attention, so there is nothing to show: "
        "pass a module that is built from them, or open a model of transformers with load_model.",
    ),
    "compiled by torch.jit": (
        lambda: trace_module(torch.jit.script(stack()), SQUARE),
        NoAttention,
        "RecursiveScriptModule gives no attention to show. 3 of 3 nn.MultiheadAttention modules gave no attention in "
        "this pass, the first of them layers.0.self_attn: they were not called, or are compiled (pass the module from "
        "before it was compiled).",
    ),
    "nested": (
        lambda: trace_module(stack(), torch.nested.nested_tensor([SQUARE[0], SQUARE[1]])),
        NoAttention,
        "A nested tensor's attention is computed in one piece, without weights to read: pad the input with "
        "to_padded_tensor(0.0) and give the padding as a mask.",
    ),
}


@pytest.mark.filterwarnings("ignore")  # torch says that its own torch.jit and nested tensors will change
@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name):
    call, kind, sentence = REFUSALS[name]
    with pytest.raises(HeadlightError) as refusal:
        call()
    assert type(refusal.value) is kind
    assert str(refusal.value) == sentence


def test_layers_of_different_lengths_are_refused():
    class Towers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.MultiheadAttention(20, 4), nn.MultiheadAttention(20, 4)

        def forward(self, text: Tensor, picture: Tensor) -> None:
            self.one(text, text, text)
            self.other(picture, picture, picture)

    with pytest.raises(BadSelection, match=r"one has 7 queries and 7 keys, another 11 and 11\. Give tokens and target"):
        trace_module(Towers(), random(N_QUERY, 1, 20), random(N_KEY, 1, 20))


def test_attention_beside_the_modules_is_told():
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(20, 4)

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, self.attention(x, x, x)[0])

    assert trace_module(Mixed(), SQUARE).notices == (
        "The attention of 1 module is not shown, because its rows are not the items of the batch but windows, groups "
        "or frames of the input: the module.",
    )
