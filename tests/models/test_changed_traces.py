"""Heads switched off or forced, and masked tokens, against hooks on transformers' own eager models."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from models import AttentionTrace, errors
from tests.helpers.plain_changes import MASKED, allowed_pairs, pattern_by_hand, plain_pass
from tests.helpers.rounding import OF_PASSES
from tests.helpers.same_trace import assert_same_trace, bits
from tests.helpers.small_models import SENTENCE, TARGET

pytestmark = pytest.mark.slow


ABLATE: dict[str, dict[Any, str]] = {
    "bert": {(0, 0): "zero", (0, 2): "uniform", (1, 0): "mean", (1, 1): "previous"},
    "gpt2": {(0, 0): "mean", (0, 2): "first", (1, 0): "self", (1, 1): "uniform"},
    "llama": {(0, 5): "zero", (0, 1): "previous", (1, 4): "uniform", (2, 0): "mean"},
    "t5": {
        (0, 1): "uniform",
        (1, 2): "mean",
        ("decoder", 0, 3): "zero",
        ("decoder", 1, 0): "previous",
        ("cross", 1, 4): "uniform",
        ("cross", 2, 0): "mean",
    },
}


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "t5"])
def test_a_changed_trace_is_what_hooks_on_the_plain_model_give(family, loaded, folder_of):
    model, target = loaded(family), {"target": TARGET} if family == "t5" else {}
    before = model.trace(SENTENCE, **target)
    weights_before = [bits(one) for one in model.module.state_dict().values()]
    trace = model.trace(SENTENCE, ablate=ABLATE[family], mask_tokens=MASKED, **target)
    expected, hidden = plain_pass(family, folder_of(family), trace)
    forced = {one[:3]: one[3] for one in trace.source.ablate if one[3] not in ("zero", "mean")}
    largest = 0.0
    for kind in trace.kinds:
        att = trace[kind]
        for layer in range(att.n_layers):
            for head in range(att.heads_in(layer)):
                found, plain = att.weights(layer, head), expected[kind][layer][0, head].numpy()
                if (kind, layer, head) in forced:
                    of = "decoder_of_two" if (family, kind) == ("t5", "decoder") else kind
                    allowed = allowed_pairs(of, att.n_query, att.n_key)
                    how = forced[kind, layer, head]
                    plain = np.array([pattern_by_hand(how, row.tolist(), q) for q, row in enumerate(allowed)])
                np.testing.assert_allclose(found, plain, rtol=0, atol=OF_PASSES)
                largest = max(largest, float(np.abs(found - before[kind].weights(layer, head)).max()))
    assert largest > 0.1  # the changes were not too small to see
    kept = [position for position in range(hidden.shape[1]) if position not in MASKED]
    np.testing.assert_allclose(trace.outputs.embedding(), hidden[0, kept].mean(0), rtol=0, atol=OF_PASSES)
    assert [bits(one) for one in model.module.state_dict().values()] == weights_before
    assert_same_trace(model.trace(SENTENCE, **target), before)


def test_a_batch_changes_each_text_as_alone(loaded):
    texts = [SENTENCE, "The cat sat on the mat."]
    for family, ablate in (
        ("bert", ABLATE["bert"]),
        ("llama", ABLATE["llama"]),
        ("t5", {(0, 1): "mean", ("cross", 1, 2): "mean"}),
    ):
        model = loaded(family)
        targets = [TARGET, "A lazy dog."] if family == "t5" else None
        batch = model.trace_batch(texts, targets=targets, ablate=ablate, mask_tokens=[[2], [0, 3]])
        for number, (text, masked) in enumerate(zip(texts, ([2], [0, 3]), strict=True)):
            target = {} if targets is None else {"target": targets[number]}
            alone = model.trace(text, ablate=ablate, mask_tokens=masked, **target)
            assert batch[number].source == alone.source
            assert batch[number].notices == alone.notices
            np.testing.assert_allclose(batch[number].outputs.embedding(), alone.outputs.embedding(), atol=OF_PASSES)
            for kind in alone.kinds:
                for layer in range(alone[kind].n_layers):
                    np.testing.assert_allclose(
                        batch[number][kind].layer(layer), alone[kind].layer(layer), atol=OF_PASSES
                    )
    with pytest.raises(errors.NoText, match="mask_tokens has 1 entries for 2 texts"):
        model.trace_batch(texts, mask_tokens=[[1]])


def test_threads_do_not_see_the_changes_of_others(loaded):
    model = loaded("bert")
    asked: list[dict[str, Any]] = [
        {},
        {"ablate": {(0, 1): "zero"}},
        {"ablate": {(0, 1): "uniform", (1, 2): "mean"}},
        {"mask_tokens": [3]},
    ] * 4
    serial = [model.trace(SENTENCE, **one) for one in asked]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda one: model.trace(SENTENCE, **one), asked))
    for one, other in zip(serial, together, strict=True):
        assert_same_trace(one, other)


def test_forced_layers_and_changes_survive_a_file(loaded, tmp_path):
    trace = loaded("llama").trace(SENTENCE, ablate=ABLATE["llama"], mask_tokens=MASKED)
    for suffix in (".npz", ".json"):
        trace.save(tmp_path / f"trace{suffix}")
        read = AttentionTrace.load(tmp_path / f"trace{suffix}")
        assert_same_trace(trace, read)
        np.testing.assert_array_equal(read.outputs.embedding(), trace.outputs.embedding())
    assert trace.source.ablate[0] == ("decoder", 0, 1, "previous")
    assert trace.source.mask_tokens == MASKED
    with pytest.raises(errors.BadSelection, match="some heads are forced"):
        trace["decoder"].replay(0)
    assert trace["decoder"].replay(2).n_key_heads == 2


def test_notices_say_what_was_changed(loaded):
    trace = loaded("llama").trace(SENTENCE, ablate=ABLATE["llama"], mask_tokens=MASKED)
    assert trace.notices[-5:] == (
        "Head 0.5 is switched off: its output is 0. The maps show the weights as the model computed them.",
        "Head 2.0 is replaced by the mean of the output over the text. The maps show the weights as the model computed "
        "them.",
        "Head 1.4 is forced to attend to all tokens that it may see, alike.",
        "Head 0.1 is forced to attend to the token before.",
        "Tokens 1 'The' and 4 's' are masked: no other token may attend to them, in any layer.",
    )
    many = loaded("llama").trace(SENTENCE, ablate={(layer, head): "zero" for layer in (0, 1) for head in range(6)})
    assert "Heads 0.0, 0.1, 0.2, 0.3, 0.4, 0.5 and 6 more are switched off: their outputs are 0." in many.notices[-1]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"ablate": {(2, 0): "zero"}}, "no layer 2 to ablate: the encoder attention has the layers 0 to 1"),
        ({"ablate": {(0, 3): "zero"}}, "no head 3 to ablate: layer 0 has the heads 0 to 2"),
        ({"ablate": {("cross", 0, 0): "zero"}}, "no 'cross' attention here"),
        ({"ablate": {(0, 0): "off"}}, "cannot be changed by 'off': choose one of zero, mean, uniform"),
        ({"ablate": {"0.0": "zero"}}, r"is \(layer, head\) or \(kind, layer, head\), not '0.0'"),
        ({"ablate": {(0, True): "zero"}}, "has whole numbers"),
        ({"mask_tokens": [99]}, "no position 99 to mask"),
        ({"mask_tokens": [-1]}, "positions count from 0"),
        ({"mask_tokens": range(200)}, "no position 199 to mask"),
    ],
)
def test_what_cannot_be_changed_is_one_sentence(asked, sentence, loaded):
    with pytest.raises(errors.HeadlightError, match=sentence):
        loaded("bert").trace(SENTENCE, **asked)


def test_materialised_models_and_patterns_of_another_text_are_refused(loaded):
    for asked in ({"ablate": {(0, 0): "zero"}}, {"mask_tokens": [1]}):
        with pytest.raises(errors.BadSelection, match="cannot be changed: choose another model"):
            loaded("deberta-v2").trace(SENTENCE, **asked)
    with pytest.raises(errors.BadSelection, match='cross attention, which reads another text, so it has no "self"'):
        loaded("t5").trace(SENTENCE, target=TARGET, ablate={("cross", 0, 0): "self"})
