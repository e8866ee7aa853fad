"""Models that are broken on purpose, each in another way: the checks name what is wrong with each of them.

No check can see a model whose parts were exchanged or cut in another way before it was saved: layers in another order,
or heads of another width in config.json. Its attention is computed as its files say.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from transformers import BertLMHeadModel, LlamaForCausalLM
from transformers.masking_utils import create_bidirectional_mask
from transformers.models.llama import modeling_llama

from analysis import Finding, check_against_random, check_norms, check_trace, check_with_eager
from models import Attention, AttentionTrace, Model, load_model
from models.checkpoints.architectures import build_untrained
from tests.helpers.broken_models import BROKEN, TEXT, Broken, with_capitals, without_lower_case
from tests.helpers.chat_templates import save_chat_model
from tests.helpers.small_models import FAMILIES

pytestmark = pytest.mark.slow
SENTENCE = "The cat sat on the mat in Paris."


def levels(found: tuple[Finding, ...]) -> dict[str, str]:
    """Return the worst level of each name."""
    return {finding.name: finding.level for finding in reversed(found)}


@pytest.fixture(scope="module")
def brackets() -> Model:
    return load_model("scratch:brackets")


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_broken_folder_is_named(broken: Broken, tmp_path):
    model, trace = broken.trace(tmp_path / "broken")
    name, level, sentence = broken.says
    found = [finding for finding in check_trace(trace, model) if finding.name == name]
    assert [finding.level for finding in found if sentence in finding.sentence] == [level], found


@pytest.mark.parametrize(
    ("spoil", "name", "text"),
    [
        (with_capitals, "lower case", SENTENCE),
        (without_lower_case, "unknown tokens", "THE CAT SAT ON A MAT"),
    ],
)
def test_a_tokenizer_of_another_case_is_named(minilm, spoil, name, text):
    assert levels(check_trace(minilm.trace(text), minilm)).get(name, "ok") in ("ok", "note")
    model = load_model(minilm.module, spoil(minilm.tokenizer))
    assert levels(check_trace(model.trace(text), model))[name] == "warning"


def _copy_heads(module: torch.nn.Module) -> None:
    for part in (module.encoder.layer[1].attention.self.query, module.encoder.layer[1].attention.self.key):
        part.weight.copy_(part.weight[:14].repeat(3, 1))
        part.bias.copy_(part.bias[:14].repeat(3))


def _silence_head(module: torch.nn.Module) -> None:
    module.encoder.layer[1].attention.output.dense.weight[:, 14:28] = 0


def _round_to_8_bits(module: torch.nn.Module) -> None:
    for tensor in module.parameters():
        tensor.copy_(tensor.to(torch.float8_e4m3fn))


@pytest.mark.parametrize(
    ("spoil", "name", "level", "number"),
    [
        (_copy_heads, "copied heads", "warning", 2),
        (_silence_head, "silent heads", "warning", 1),
        (_round_to_8_bits, "rounded weights", "note", None),
        (lambda module: module.encoder.layer[1].output.LayerNorm.weight.zero_(), "norms", "fault", 1),
        (lambda module: module.get_input_embeddings().weight.fill_(0.3), "embeddings", "fault", 5),
    ],
)
def test_a_module_that_is_broken_in_memory_is_named(loaded, monkeypatch, spoil, name, level, number):
    monkeypatch.setattr("analysis.trust.weights._LOOKED_AT", 1024)  # its matrices are small
    module, found = copy.deepcopy(loaded("bert").module), []
    for step in range(2):
        model = load_model(module, loaded("bert").tokenizer)
        trace = model.trace("the cat sat")
        found.append({each.name: each for each in (*check_trace(trace, model), *check_norms(model, trace))})
        if step == 0:
            with torch.no_grad():
                spoil(module)
    assert name not in found[0]
    assert found[1][name].level == level
    assert number in (None, found[1][name].number)


def test_special_tokens_that_are_missing_or_read_twice_are_named(minilm):
    bare = minilm.trace(SENTENCE, add_special_tokens=False)
    assert levels(check_trace(bare, minilm))["special tokens"] == "warning"
    twice = check_trace(minilm.trace("[CLS] the cat sat"), minilm)
    assert [each.level for each in twice if "adds it once more" in each.sentence] == ["warning"]
    ids = minilm.trace([1996, 4937, 2938, 2006])
    assert {"special tokens": "warning", "reading": "note"}.items() <= levels(check_trace(ids, minilm)).items()


def test_a_start_token_that_the_tokenizer_forgets_is_named(loaded):
    tokenizer = copy.deepcopy(loaded("llama").tokenizer)
    model = load_model(loaded("llama").module, tokenizer)
    trace = model.trace("the cat sat")
    assert "special tokens" not in levels(check_trace(trace, model))
    tokenizer.add_bos_token = True
    tokenizer.bos_token = "</s>"
    assert levels(check_trace(trace, model))["special tokens"] == "warning"


def test_training_mode_is_named():
    model = load_model("scratch:brackets")
    trace = model.trace(TEXT)
    assert levels(check_trace(trace, model))["dropout"] == "ok"
    model.module.train()
    assert levels(check_trace(trace, model))["dropout"] == "fault"


def test_a_decoder_without_its_causal_mask_is_named(loaded, monkeypatch):
    monkeypatch.setattr(modeling_llama, "create_causal_mask", create_bidirectional_mask)
    module = LlamaForCausalLM(FAMILIES["llama"]().config).eval()
    for layer in module.model.layers:
        layer.self_attn.is_causal = False
    model = load_model(module, loaded("llama").tokenizer)
    found = levels(check_trace(model.trace("the cat sat on the mat"), model))
    assert found["causal mask"] == "fault"


def test_a_family_that_reads_both_ways_needs_no_causal_mask(loaded):
    model = load_model(BertLMHeadModel(FAMILIES["bert"]().config).eval(), loaded("bert").tokenizer)
    assert model.module.can_generate()
    assert model.card.kinds == ("encoder",)
    assert "causal mask" not in levels(check_trace(model.trace("the cat sat"), model))


def test_a_model_of_conversations_that_reads_a_plain_text_is_noted(tmp_path):
    model = load_model(str(save_chat_model(tmp_path / "chat")))
    assert levels(check_trace(model.trace("hello"), model))["chat template"] == "note"
    asked = model.trace(messages=[{"role": "user", "content": "hello"}])
    assert "chat template" not in levels(check_trace(asked, model))


def test_heads_that_are_as_even_as_random_ones_are_named(minilm):
    (found,) = check_against_random(minilm, minilm.trace(SENTENCE))
    assert (found.level, found.number) == ("ok", 0)
    torch.manual_seed(5)
    untrained = load_model(build_untrained(minilm.module.config).eval(), minilm.tokenizer)
    trace = untrained.trace(SENTENCE)
    (found,) = check_against_random(untrained, trace)
    assert found.level == "warning"
    assert found.number > 0.9
    assert {"training": "fault", "uniform heads": "warning"}.items() <= levels(check_trace(trace, untrained)).items()


def changed(trace: AttentionTrace, scaling: float) -> AttentionTrace:
    """Return a trace whose second layer was captured with another scaling."""
    (kind,) = trace.kinds
    att = trace[kind]
    layers = [att.replay(layer) for layer in range(att.n_layers)]
    layers[1] = replace(layers[1], scaling=layers[1].scaling * scaling)
    spoilt = Attention(kind, layers, att.query_tokens, att.key_tokens, att.source)
    return replace(trace, attentions={kind: spoilt})


def test_a_capture_that_differs_from_eager_attention_is_named(brackets):
    trace = brackets.trace(TEXT)
    before = {name: tensor.clone() for name, tensor in brackets.module.state_dict().items()}
    (found,) = check_with_eager(brackets, trace)
    assert found.level == "ok"
    assert found.number < 2e-6
    (found,) = check_with_eager(brackets, changed(trace, 1.01))
    assert found.level == "fault"
    assert "encoder layer 1 head" in found.sentence
    assert all(torch.equal(before[name], tensor) for name, tensor in brackets.module.state_dict().items())
    assert brackets.module.config._attn_implementation == "headlight"


def test_noise_in_every_pass_is_named():
    model = load_model("scratch:brackets")
    torch.manual_seed(1)
    model.module.embedding.register_forward_hook(lambda part, given, output: torch.nn.functional.dropout(output, 0.2))
    (found,) = check_with_eager(model, model.trace(TEXT))
    assert found.level == "fault"
