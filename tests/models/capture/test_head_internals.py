"""A head from the inside: its steps are the trace's weights, and its output is what the model's own module computes."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel, AutoModelForSeq2SeqLM

from models import HeadlightError
from models.capture.cost import Budget
from models.capture.head_internals import HeadInternals, head_internals
from models.capture.interface import recording
from tests.helpers.rounding import OF_PASSES
from tests.helpers.small_models import SENTENCE, TARGET

pytestmark = pytest.mark.slow

# Worst difference between the head's output here and in the model's own pass, outputs of up to 4 in float32:
# measured 6e-7 (minilm) and at most 4.2e-6 (llama, of ten small families).
TOLERANCE = OF_PASSES


@contextmanager
def given_to(module: nn.Module, calls: list[torch.Tensor]):
    """Note what a module is given while the block runs."""
    hook = module.register_forward_pre_hook(lambda _, given: calls.append(given[0].detach()))
    try:
        yield
    finally:
        hook.remove()


def logits_of(found: HeadInternals) -> np.ndarray:
    """The steps again, from the parts that are named."""
    scaled = found.scaling * (found.q @ found.k.T)
    if found.softcap is not None:
        scaled = found.softcap * np.tanh(scaled / found.softcap)
    if found.bias is not None:
        scaled = scaled + found.bias
    return np.where(found.mask, scaled, -np.inf)


def check_steps(found: HeadInternals, *, n_query: int, n_key: int, d_head: int) -> None:
    assert found.q.shape == found.output.shape == (n_query, d_head)
    assert found.k.shape == found.v.shape == (n_key, d_head)
    np.testing.assert_allclose(found.scores, found.q @ found.k.T, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.logits, logits_of(found), rtol=0, atol=1e-4)
    logits = found.logits.astype(np.float64)
    if found.sink is not None:
        logits = np.c_[logits, np.full(n_query, found.sink)]
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    weights = (exponentials / exponentials.sum(-1, keepdims=True))[:, :n_key]
    np.testing.assert_allclose(found.weights, weights, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.output, found.weights @ found.v, rtol=0, atol=1e-5)
    assert found.exact < TOLERANCE


def test_minilm_computes_the_same_in_its_own_module(minilm):
    """BERT's self-attention gives its heads side by side to `attention.output.dense`."""
    found = head_internals(minilm, "The cat sat on the mat because it was tired.", 5, 11)
    check_steps(found, n_query=13, n_key=13, d_head=32)
    module = AutoModel.from_pretrained(minilm.module.config._name_or_path, attn_implementation="eager").eval()
    calls: list[torch.Tensor] = []
    with given_to(module.encoder.layer[5].attention.output.dense, calls), torch.inference_mode():
        module(input_ids=torch.tensor([[token.id for token in found.query_tokens]]))
    np.testing.assert_allclose(found.output, calls[0][0, :, 11 * 32 : 12 * 32].numpy(), rtol=0, atol=TOLERANCE)
    assert found.weights[8, 2] == pytest.approx(0.71181, abs=1e-5)
    assert [token.text for token in found.key_tokens][:3] == ["[CLS]", "the", "cat"]


@pytest.mark.parametrize(("layer", "head"), [(0, 0), (2, 7), (5, 11)])
def test_the_weights_are_the_traces_own(minilm, layer, head):
    found = head_internals(minilm, SENTENCE, layer, head)
    np.testing.assert_array_equal(found.weights, minilm.trace(SENTENCE)["encoder"].weights(layer, head))
    other = head_internals(minilm, SENTENCE, layer, (head + 1) % 12)
    assert np.abs(other.output - found.output).max() > 0.01


@pytest.mark.parametrize(("family", "head"), [("llama", 0), ("llama", 2), ("llama", 5), ("gemma2", 3), ("gpt_oss", 4)])
def test_heads_that_share_keys_read_the_right_ones(loaded, folder_of, family, head):
    model = loaded(family)
    found = head_internals(model, SENTENCE, 1, head)
    config = model.module.config
    n_heads, n_kv_heads = config.num_attention_heads, config.num_key_value_heads
    assert n_kv_heads < n_heads
    assert found.kv_head == head // (n_heads // n_kv_heads)
    n_tokens, d_head = len(found.query_tokens), found.q.shape[1]
    check_steps(found, n_query=n_tokens, n_key=n_tokens, d_head=d_head)
    assert not found.mask[0, 1:].any()
    module = AutoModel.from_pretrained(folder_of(family), attn_implementation="eager").eval()
    calls: list[torch.Tensor] = []
    with given_to(module.layers[1].self_attn.o_proj, calls), torch.inference_mode():
        module(input_ids=torch.tensor([[token.id for token in found.query_tokens]]), use_cache=False)
    own = calls[0][0, :, head * d_head : (head + 1) * d_head].numpy()
    np.testing.assert_allclose(found.output, own, rtol=0, atol=TOLERANCE)


def test_a_decoder_that_looks_at_its_encoder(loaded, folder_of):
    model = loaded("bart")
    found = head_internals(model, SENTENCE, 2, 5, kind="cross", target=TARGET)
    n_query, n_key = len(found.query_tokens), len(found.key_tokens)
    assert n_query != n_key
    check_steps(found, n_query=n_query, n_key=n_key, d_head=6)
    module = AutoModelForSeq2SeqLM.from_pretrained(folder_of("bart"), attn_implementation="eager").eval()
    calls: list[torch.Tensor] = []
    ids = [torch.tensor([[token.id for token in tokens]]) for tokens in (found.key_tokens, found.query_tokens)]
    with given_to(module.model.decoder.layers[2].encoder_attn.out_proj, calls), torch.inference_mode():
        module(input_ids=ids[0], decoder_input_ids=ids[1], use_cache=False)
    np.testing.assert_allclose(found.output, calls[0][0, :, 30:36].numpy(), rtol=0, atol=TOLERANCE)
    for kind in ("encoder", "decoder"):
        other = head_internals(model, SENTENCE, 1, 2, kind=kind, target=TARGET)
        trace = model.trace(SENTENCE, target=TARGET)
        np.testing.assert_array_equal(other.weights, trace[kind].weights(1, 2))
        assert other.exact < TOLERANCE


@pytest.mark.parametrize(
    ("family", "named"), [("t5", "bias"), ("gemma2", "softcap"), ("gpt_oss", "sink"), ("modernbert", None)]
)
def test_what_a_family_adds_to_the_score_has_a_name(loaded, family, named):
    found = head_internals(loaded(family), SENTENCE, 1, 1)
    for term in ("bias", "softcap", "sink"):
        assert (getattr(found, term) is not None) == (term == named), term
    n_tokens, d_head = len(found.query_tokens), found.q.shape[1]
    check_steps(found, n_query=n_tokens, n_key=n_tokens, d_head=d_head)
    if named == "sink":
        assert (found.weights.sum(-1) < 0.999).any()
    if family == "t5":
        assert found.scaling == 1.0


def test_a_family_that_gives_only_weights_is_refused(loaded):
    with pytest.raises(HeadlightError, match=r"returns its weights but not its queries and keys .*such as minilm"):
        head_internals(loaded("bloom"), SENTENCE, 0, 0)


@pytest.mark.parametrize(
    ("layer", "head", "kind", "sentence"),
    [
        (6, 0, None, "There is no layer 6"),
        (0, 12, None, "There is no head 12"),
        (-1, 0, None, "There is no layer -1"),
        (0, -1, None, "There is no head -1"),
        (0, 0, "cross", "There is no 'cross' attention here: this model has encoder."),
    ],
)
def test_what_is_not_there_is_refused(minilm, layer, head, kind, sentence):
    with pytest.raises(HeadlightError, match=sentence):
        head_internals(minilm, "A cat.", layer, head, kind=kind)


def test_the_budget_holds_here_too(minilm):
    cost = minilm.estimate("A cat.")
    with pytest.raises(HeadlightError, match="this server allows"):
        head_internals(minilm, "A cat.", 0, 0, budget=Budget(n_bytes=cost.n_bytes))


def test_nothing_can_be_changed_and_nothing_is_left_behind(minilm):
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in minilm.module.modules()]
    found = head_internals(minilm, "A cat.", 3, 4)
    for name in ("q", "k", "v", "scores", "scaled", "mask", "logits", "weights", "output"):
        array = getattr(found, name)
        assert not array.flags.writeable, name
        assert array.base is None, name
    after = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in minilm.module.modules()]
    assert after == hooks


def test_values_are_kept_only_for_who_asks(loaded):
    seen = []
    model = loaded("bert")
    ids = torch.tensor([[2, 7, 11, 3]])
    with (
        recording(on_layer_output=lambda module, value, output: seen.append((value.shape, output.shape))),
        torch.no_grad(),
    ):
        model.module(input_ids=ids)
    config = model.module.config
    d_head = config.hidden_size // config.num_attention_heads
    heads = config.num_attention_heads
    assert seen == [((1, heads, 4, d_head), (1, 4, heads, d_head))] * config.num_hidden_layers
    with recording() as calls, torch.no_grad():
        model.module(input_ids=ids)
    assert not any("value" in vars(call) for call in calls)


def test_changing_the_values_changes_the_output(minilm, monkeypatch):
    """What is shown as v is what the head mixes: twice the values, twice the output, the same weights."""
    before = head_internals(minilm, "A cat sat.", 5, 3)
    projection = minilm.module.encoder.layer[5].attention.self.value
    for parameter in (projection.weight, projection.bias):
        monkeypatch.setattr(parameter, "data", parameter.data * 2)
    after = head_internals(minilm, "A cat sat.", 5, 3)
    np.testing.assert_array_equal(after.weights, before.weights)
    np.testing.assert_allclose(after.v, 2 * before.v, rtol=1e-6)
    np.testing.assert_allclose(after.output, 2 * before.output, rtol=1e-4, atol=1e-6)
