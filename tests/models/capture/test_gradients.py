"""The pass with gradients: what it computes by hand, what it leaves behind, and what it refuses."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from analysis import gradient_attention, targets_of
from models import load_model
from models.capture.cost import Budget
from models.capture.gradient_calls import WithGradients
from models.capture.gradient_layer import GradientLayer
from models.capture.gradients import trace_gradient
from models.capture.interventions import Place
from models.capture.replay import Replay
from models.errors import BadSelection, HeadlightError, NoAnswer, NoAttention, NotEnoughMemory
from tests.helpers.small_models import SENTENCE
from tests.helpers.with_heads import save_with_head


def test_the_gradient_of_a_linear_goal_is_the_value_that_a_head_reads():
    """y = sum over queries of direction . output, so dy/dA[head, query, key] = direction . value[kv_head, key]."""
    generator = torch.Generator().manual_seed(3)
    n_heads, n_kv_heads, n, d = 6, 2, 5, 7
    query, key = torch.randn(n_heads, n, d, generator=generator), torch.randn(n_kv_heads, n, d, generator=generator)
    value, direction = torch.randn(1, n_kv_heads, n, d, generator=generator), torch.randn(d, generator=generator)
    replay = Replay(query, key, d**-0.5, causal=True)
    taken = WithGradients(None, "A model")
    place = Place("self", 0)
    output = taken.change_output(place, (replay,), value, torch.empty(1, n, n_heads, d))
    goal = (output[0, :, 1] @ direction).sum() - (output[0, :, 4] @ direction).sum()
    (gradient,) = torch.autograd.grad(goal, [taken.weights[place]])
    layer = GradientLayer.of(taken.weights[place], replay)
    layer.multiply(gradient)
    for head in range(n_heads):
        weights = (query[head] @ key[head // 3].T * d**-0.5).masked_fill(~torch.ones(n, n).tril().bool(), -torch.inf)
        reads = {1: value[0, 0] @ direction, 4: -value[0, 1] @ direction}.get(head, torch.zeros(n))
        expected = (weights.softmax(-1) * reads).clamp(min=0)
        torch.testing.assert_close(layer.rows(slice(head, head + 1), slice(None))[0], expected)
    torch.testing.assert_close(layer.allowed(slice(None), slice(None))[0], torch.ones(n, n).tril().bool())


@pytest.fixture
def classifier(tmp_path):
    save_with_head("bert", AutoModelForSequenceClassification, tmp_path, id2label={0: "BAD", 1: "GOOD", 2: "ODD"})
    return load_model(tmp_path)


@pytest.mark.slow
def test_a_head_that_is_switched_off_has_no_gradient_and_a_constant_answer_none_at_all(classifier):
    before = gradient_attention(classifier, SENTENCE, "GOOD")
    att = gradient_attention(classifier, SENTENCE, "GOOD", ablate={(0, 2): "zero"})
    for layer, head in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2)):
        assert att.weights(layer, head).max() > 0
        assert before.weights(layer, head).min() == 0
    assert not att.weights(0, 2).any()
    assert before.weights(0, 2).any()
    masked = gradient_attention(classifier, SENTENCE, "GOOD", mask_tokens=[3])
    assert not np.delete(masked.layer(1)[:, :, 3], 3, axis=1).any()
    with torch.no_grad():
        classifier.module.classifier.weight.zero_()
    assert not any(gradient_attention(classifier, SENTENCE, "GOOD").layer(layer).any() for layer in (0, 1))


@pytest.mark.slow
def test_the_shared_model_stays_as_it_was(classifier):
    module, before = classifier.module, classifier.trace(SENTENCE)
    weights = {name: weight.clone() for name, weight in module.state_dict().items()}
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules()]
    att = gradient_attention(classifier, SENTENCE, "ODD", rollout=True)
    again = classifier.trace(SENTENCE)
    for layer in range(2):
        np.testing.assert_array_equal(before["encoder"].layer(layer), again["encoder"].layer(layer))
        step = att.weights(layer, 0) - (att.weights(layer - 1, 0) if layer else np.eye(att.n_key))
        assert step.min() >= 0
        assert step.max() > 0
    assert before.outputs.labels() == again.outputs.labels()
    assert all(weight.grad is None and not weight.requires_grad for weight in module.parameters())
    assert all(torch.equal(weight, weights[name]) for name, weight in module.state_dict().items())
    assert [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules()] == hooks


@pytest.mark.slow
def test_a_module_in_memory_keeps_its_gradients_and_tables_of_inference_mode_are_read(tmp_path):
    save_with_head("llama", AutoModelForCausalLM, tmp_path)
    module = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    model = load_model(module, tokenizer=load_model(tmp_path).tokenizer)
    expected = gradient_attention(load_model(tmp_path), SENTENCE)
    with torch.inference_mode():
        module.model.rotary_emb.inv_freq = module.model.rotary_emb.inv_freq.clone()
        module.model.embed_tokens.register_buffer("table", torch.ones(1))
    for _ in range(2):
        np.testing.assert_allclose(
            gradient_attention(model, SENTENCE).layer(2), expected.layer(2), rtol=0, atol=1e-6 * expected.layer(2).max()
        )
    assert all(weight.grad is None and weight.requires_grad for weight in module.parameters())
    with torch.inference_mode():
        module.lm_head.weight = torch.nn.Parameter(module.lm_head.weight.clone())
    with pytest.raises(NoAttention, match=r"made in torch\.inference_mode"):
        gradient_attention(model, SENTENCE)


@pytest.mark.slow
def test_progress_counts_both_ways_and_may_end_either(classifier):
    seen = []
    gradient_attention(classifier, SENTENCE, progress=lambda done, total: seen.append((done, total)))
    assert [each for each in seen if each[1] == 4 and each[0]] == [(1, 4), (2, 4), (3, 4), (4, 4)]

    class Ended(Exception):
        pass

    def end_at(number):
        def progress(done, total):
            if total == 4 and done == number:
                raise Ended

        return progress

    for number in (1, 3):
        with pytest.raises(Ended):
            gradient_attention(classifier, SENTENCE, progress=end_at(number))
    others, errors = [classifier.trace("The fox.")["encoder"].layer(1)], []

    def trace():
        try:
            others.extend(classifier.trace("The fox.")["encoder"].layer(1) for _ in range(5))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=trace)
    thread.start()
    maps = [gradient_attention(classifier, SENTENCE).layer(0) for _ in range(5)]
    thread.join()
    assert not errors
    assert all(np.array_equal(one, maps[0]) for one in maps)
    assert all(np.array_equal(one, others[0]) for one in others)


REFUSED = {
    "nonsense": "no class 'nonsense': this model has the classes 0 to 2 (BAD, GOOD, ODD)",
    "class:3": "no class '3'",
    "class:-1": "no class '-1'",
    "class:1@2": "labels the whole text",
    "class:1@999": "no position 999",
    "token:7": "predicts no tokens: it has a head for text-classification",
    "": "no class ''",
}


@pytest.mark.slow
def test_what_is_not_there_is_refused(classifier, minilm, loaded, tmp_path):
    for target, sentence in REFUSED.items():
        with pytest.raises(HeadlightError) as refusal:
            gradient_attention(classifier, SENTENCE, target)
        assert sentence in str(refusal.value), target
    with pytest.raises(NoAnswer, match="gives no classes: it has no head"):
        gradient_attention(minilm, "A cat.", "class:1")
    with pytest.raises(BadSelection, match="this model has no head, so leave the target out"):
        gradient_attention(minilm, "A cat.", "Paris")
    with pytest.raises(NoAttention, match="choose another model, such as minilm"):
        gradient_attention(loaded("bloom"), SENTENCE)
    with pytest.raises(BadSelection, match="this model has encoder and decoder and cross"):
        gradient_attention(loaded("bart"), SENTENCE, kind="self")
    with pytest.raises(BadSelection, match='choose kind="encoder"'):
        gradient_attention(loaded("bart"), SENTENCE, kind="cross", rollout=True)
    with pytest.raises(BadSelection, match="Nothing of the cross attention reaches the length"):
        gradient_attention(loaded("bart"), SENTENCE, "embedding", kind="cross", decoder_text="The fox.")
    save_with_head("gpt2", AutoModelForCausalLM, tmp_path / "gpt2")
    decoder = load_model(tmp_path / "gpt2")
    for target, sentence in (
        ("token:307", "ids 0 to 306"),
        (" the the", "is 2 tokens (' the', ' the')"),
        ("class:1", "gives no classes"),
        ("token:1@99", "no position 99"),
    ):
        with pytest.raises(HeadlightError) as refusal:
            gradient_attention(decoder, SENTENCE, target)
        assert sentence in str(refusal.value)
    number = decoder.tokenizer.convert_tokens_to_ids("Ġthe")
    for target in (" the", "Ġthe", f"token:{number}", "token: the"):
        assert (
            gradient_attention(decoder, SENTENCE, target).notices[0] == "The gradient is of ' the' as the next token."
        )


@pytest.mark.slow
def test_a_long_text_is_refused_before_it_is_computed(minilm):
    plain = minilm.estimate(SENTENCE)
    with pytest.raises(NotEnoughMemory, match=r"Tracing \d+ tokens needs about .* and this server allows"):
        gradient_attention(minilm, SENTENCE, budget=Budget(n_bytes=2 * plain.n_bytes))
    assert trace_gradient(minilm, SENTENCE, budget=Budget(n_bytes=100 * plain.n_bytes)).title


@pytest.mark.slow
def test_weights_that_are_not_numbers_give_a_sentence_or_no_numbers(classifier):
    with torch.no_grad():
        classifier.module.bert.encoder.layer[1].attention.self.value.bias.fill_(torch.nan)
    with pytest.raises(NoAnswer, match="not a number"):
        gradient_attention(classifier, SENTENCE)
    att = gradient_attention(classifier, SENTENCE, "embedding")
    assert np.isnan(att.layer(0)).all()
    assert [value for value, _ in targets_of(classifier.trace(SENTENCE))] == ["embedding"]
