"""One model, many visitors: traces at the same time, failures in the middle, plain calls between."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import models
from models import errors
from models.capture import interface as capture
from models.capture.forward import model_inputs

pytestmark = pytest.mark.slow

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dogs", "because", "cats", "sat", "on", "mats"]
# Different lengths, and every third so long that it is cut: the cut is a state of the tokenizer.
TEXTS = [" ".join(WORDS[number % 5 :] * (20 if number % 3 == 0 else 1 + number % 4)) for number in range(24)]


def summary(trace: models.AttentionTrace) -> list[np.ndarray]:
    return [trace[kind].layer(layer) for kind in trace.kinds for layer in range(trace[kind].n_layers)]


def traced(model: models.Model, text: str) -> tuple[list[np.ndarray], tuple[str, ...], list[int]]:
    trace = model.trace(text, target="the cat") if "cross" in model.card.kinds else model.trace(text)
    return summary(trace), trace.notices, [token.id for token in trace[trace.kinds[0]].query_tokens]


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "gpt2", "bart", "minilm"])
def test_sixteen_threads_see_what_one_sees(family, loaded, minilm):
    model = minilm if family == "minilm" else loaded(family)
    texts = TEXTS[:16] if family == "minilm" else TEXTS
    serial = [traced(model, text) for text in texts]
    assert any("are shown" in " ".join(notices) for _, notices, _ in serial) or family == "minilm"
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda text: traced(model, text), texts))
    for one, other in zip(serial, together, strict=True):
        assert one[1:] == other[1:]
        for expected, found in zip(one[0], other[0], strict=True):
            np.testing.assert_array_equal(found, expected)


def test_the_tokenizer_is_read_by_one_thread_at_a_time(loaded):
    """A fast tokenizer keeps the cut as a state: unguarded, a thread finds another's or `Already borrowed`."""
    reader = loaded("bert")._inputs.reader
    texts = TEXTS * 7
    serial = [reader.tokenize(text).inputs["input_ids"] for text in texts]
    with ThreadPoolExecutor(8) as pool:
        together = [sequence.inputs["input_ids"] for sequence in pool.map(reader.tokenize, texts)]
    assert together == serial


def test_an_error_in_the_middle_of_a_forward_leaves_no_recorder(loaded, monkeypatch):
    model = loaded("bert")
    before = summary(model.trace(TEXTS[1]))

    class Interrupted(Exception):
        pass

    def fail(*given, **options):
        assert capture._recorder.get() is not None
        assert len(capture._recorder.get().calls) == 1  # the first layer was recorded
        raise Interrupted

    monkeypatch.setattr(model.module.encoder.layer[1], "forward", fail)
    with pytest.raises(Interrupted):
        model.trace(TEXTS[1])
    assert capture._recorder.get() is None
    monkeypatch.undo()
    for found, expected in zip(summary(model.trace(TEXTS[1])), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_plain_calls_record_nothing(loaded):
    """Somebody else's forward on the same module, in the same moment, stays out of the trace."""
    model = loaded("gpt2")
    inputs = model_inputs(model.module, {"input_ids": [5, 6, 7], "attention_mask": [1, 1, 1]})
    expected = [traced(model, text) for text in TEXTS]
    stop = threading.Event()

    def call_plainly() -> int:
        n_calls = 0
        with torch.inference_mode():
            while not stop.is_set():
                model.module(**inputs)
                n_calls += 1
        return n_calls

    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(call_plainly)
        try:
            found = [traced(model, text) for text in TEXTS]
        finally:
            stop.set()
        assert other.result() > 0
    for one, two in zip(expected, found, strict=True):
        assert len(one[0]) == len(two[0])
        for left, right in zip(one[0], two[0], strict=True):
            np.testing.assert_array_equal(right, left)


def test_two_recorders_in_two_threads_do_not_meet(loaded):
    model = loaded("bert")
    inputs = model_inputs(model.module, {"input_ids": [2, 17, 18, 3], "attention_mask": [1] * 4})
    meet = threading.Barrier(2)

    def record() -> int:
        with torch.inference_mode(), capture.recording() as calls:
            meet.wait(timeout=20)
            model.module(**inputs)
            meet.wait(timeout=20)
        return len(calls)

    with ThreadPoolExecutor(2) as pool:
        counts = [pool.submit(record) for _ in range(2)]
        assert [count.result() for count in counts] == [2, 2]


def count_hooks(module: torch.nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


@pytest.mark.parametrize("family", ["bert", "llama", "bart", "deberta-v2"])
def test_a_trace_changes_nothing_on_the_model(family, loaded):
    model = loaded(family)
    before = {name: parameter.clone() for name, parameter in model.module.named_parameters()}
    hooks = count_hooks(model.module)  # transformers has some of its own, for output_attentions
    traced(model, TEXTS[1])
    assert not model.module.training
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.module.named_parameters())
    assert count_hooks(model.module) == hooks


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "bart"])
def test_a_model_in_training_is_refused_and_left_in_training(family, loaded):
    """Dropout would make other weights in each pass; a model set back here would train on without it."""
    model = loaded(family)
    expected = summary(model.trace(TEXTS[1]))
    sentence = r"is in training mode, .*: call model\.module\.eval\(\) before a trace, and model\.module\.train\(\) to"
    for part in (model.module, list(model.module.modules())[-1]):  # also one forgotten part of it
        part.train()
        try:
            for trace in (lambda: model.trace(TEXTS[1]), lambda: model.trace_batch(TEXTS[1:3])):
                with pytest.raises(errors.BrokenModel, match=sentence):
                    trace()
            assert part.training
        finally:
            model.module.eval()
    for found, before in zip(summary(model.trace(TEXTS[1])), expected, strict=True):
        np.testing.assert_array_equal(found, before)


@pytest.mark.parametrize("family", ["bert", "bart"])
def test_another_attention_function_is_refused_with_the_call_that_sets_it_back(family, loaded):
    model = loaded(family)
    expected = summary(model.trace(TEXTS[1]))
    model.module.set_attn_implementation("eager")
    try:
        with pytest.raises(errors.BrokenModel, match=r"has 'eager' now: .*set_attn_implementation\('headlight'\) b"):
            model.trace(TEXTS[1])
    finally:
        model.module.set_attn_implementation("headlight")
    for found, before in zip(summary(model.trace(TEXTS[1])), expected, strict=True):
        np.testing.assert_array_equal(found, before)


def test_the_source_names_the_precision_of_this_trace_and_not_of_loading(folder_of):
    model = models.load_model(str(folder_of("bert")))
    assert model.trace(TEXTS[1]).source.dtype == "float32"
    model.module.half()
    assert model.trace(TEXTS[1]).source.dtype == model.trace_batch(TEXTS[1:3])[1].source.dtype == "float16"
    assert model.card.dtype == "float32"
