"""Healthy models raise no warning, and are compared with the eager attention of their own families."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from analysis import check_norms, check_trace, check_with_eager
from models import load_model
from models.capture.own_eager import attend_by_definition
from models.errors import NotEnoughMemory
from models.scratch.tasks import TASKS

pytestmark = pytest.mark.slow
SENTENCE = "The cat sat on the mat because it was tired."
HEALTHY = ("minilm", "smollm2", "e5", "scratch:brackets", "scratch:dates", "scratch:recall")


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_model_raises_no_warning(name, request):
    model = request.getfixturevalue("minilm") if name == "minilm" else load_model(name)
    text = TASKS[name.removeprefix("scratch:")].examples[0] if name.startswith("scratch:") else SENTENCE
    trace = model.trace(text)
    found = (*check_trace(trace, model), *check_with_eager(model, trace))
    assert [finding for finding in found if finding.level not in ("ok", "note")] == []
    assert {"rows", "capture", "dropout", "training", "heads", "eager attention"} <= {each.name for each in found}
    assert all(finding.sentence.endswith((".", ")")) for finding in found)


@pytest.mark.parametrize(
    "family", ["gpt2", "llama", "gemma2", "gpt_oss", "modernbert", "bart", "t5", "deberta-v2", "bloom"]
)
def test_the_eager_attention_of_a_family_is_the_one_that_was_captured(family, loaded):
    """Masks, windows, biases, caps, sinks, two sides, and weights that the model itself returned."""
    model = loaded(family)
    trace = model.trace("the cat sat on the mat because it was tired and the mat was warm")
    (found,) = check_with_eager(model, trace)
    assert (found.level, found.number < 1e-5) == ("ok", True), found
    materialised = model.card.capture == "materialised"
    assert ("second pass" in found.sentence) == materialised
    (captured,) = [each for each in check_trace(trace, model) if each.name == "capture"]
    assert ("(materialised), because it does not compute them" in captured.sentence) == materialised


def test_another_visitor_sees_nothing_of_the_comparison(minilm):
    """A pass of another thread between the layers of the comparison is the usual one."""
    expected = minilm.trace("a dog barks").attentions["encoder"].layer(3)
    found = []

    def visit() -> None:
        found.append(minilm.trace("a dog barks").attentions["encoder"].layer(3))

    def between(done: int, total: int) -> None:
        if done == 2:
            thread = threading.Thread(target=visit)
            thread.start()
            threads.append(thread)

    threads: list[threading.Thread] = []
    trace = minilm.trace(" ".join([SENTENCE] * 8))
    assert check_with_eager(minilm, trace, progress=between)[0].level == "ok"
    for thread in threads:
        thread.join(30)
    assert len(found) == 1
    np.testing.assert_array_equal(found[0], expected)


def test_a_comparison_that_does_not_fit_into_memory_is_refused(minilm, monkeypatch):
    trace = minilm.trace(SENTENCE)
    monkeypatch.setattr("models.memory.free_bytes", lambda: 1000)
    with pytest.raises(NotEnoughMemory, match="Comparing with eager attention needs about"):
        check_with_eager(minilm, trace)


@pytest.mark.parametrize(
    "inputs",
    [
        {"text": SENTENCE, "add_special_tokens": False},
        {"text": SENTENCE, "text_pair": "A dog barked."},
        {"text": ["The", "cats", "sat"]},
        {"text": [101, 4937, 102]},
    ],
)
def test_the_same_tokens_are_read_once_more(minilm, inputs):
    trace = minilm.trace(**inputs)
    (found,) = check_with_eager(minilm, trace)
    assert found.level == "ok", found


def test_traces_that_cannot_be_compared_say_why(minilm):
    trace = minilm.trace(SENTENCE)
    (found,) = check_with_eager(load_model("scratch:recall"), trace)
    assert found.level == "note"
    assert "open that model" in found.sentence


def test_a_picture_is_compared_if_it_is_given_once_more():
    model, picture = load_model("scratch:digits"), np.random.default_rng(2).integers(0, 255, (31, 29, 3), np.uint8)
    trace = model.trace(image=picture)
    (found,) = check_with_eager(model, trace, image=picture)
    assert found.level == "ok"
    assert found.number < 1e-5
    (found,) = check_norms(model, trace, image=picture)
    assert 0.5 < found.number <= 1
    for check in (check_with_eager, check_norms):
        (found,) = check(model, trace)
        assert "a trace does not keep its picture" in found.sentence


def test_attention_by_the_definition_is_that_of_torch():
    generator = torch.Generator().manual_seed(3)
    query = torch.randn(2, 6, 5, 7, generator=generator)
    key, value = (torch.randn(2, 3, 11, width, generator=generator) for width in (7, 13))
    bias = torch.randn(1, 6, 5, 11, generator=generator)
    part = torch.nn.Module()
    output, weights = attend_by_definition(part, query, key, value, bias, 0.3, is_causal=False)
    assert (output.shape, weights.dtype) == ((2, 5, 6, 13), torch.float64)
    expected = scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=0.3, enable_gqa=True)
    torch.testing.assert_close(output.transpose(1, 2), expected, atol=1e-5, rtol=0)
    square, own = torch.randn(1, 2, 5, 7, generator=generator), torch.nn.Module()
    output, weights = attend_by_definition(own, square, square, square, None)
    expected = scaled_dot_product_attention(square, square, square, is_causal=True)
    torch.testing.assert_close(output.transpose(1, 2), expected, atol=1e-5, rtol=0)
    _, capped = attend_by_definition(
        own, square, square, square, None, 1.0, softcap=0.5, s_aux=torch.tensor([0.0, 1.0])
    )
    scores = 0.5 * torch.tanh(square.double() @ square.double().transpose(-1, -2) / 0.5)
    for head, sink in enumerate((0.0, 1.0)):
        row = torch.cat([scores[0, head, 4], torch.tensor([sink])])
        torch.testing.assert_close(capped[0, head, 4], row.softmax(-1)[:-1])
