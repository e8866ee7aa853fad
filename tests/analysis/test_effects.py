"""What the output loses without a head or a token: golden figures, closed forms, and one changed trace at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    BertModel,
)

from analysis import effects, token_effects
from analysis.causes.comparison import compare
from models import changed_outputs, errors, load_model
from models.capture.cost import Budget
from models.capture.growing import grows
from models.terms import Terms
from tests.helpers.paths import golden
from tests.helpers.rounding import OF_PASSES
from tests.helpers.small_models import SENTENCE, TARGET, with_head
from tests.helpers.with_heads import save_with_head

GOLDEN = golden("minilm_ablation")["ablation"]


def test_effects_in_closed_form():
    found = compare(Terms("", "embedding"), np.array([3.0, 4.0]), np.array([[4.0, 3.0], [3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [[1 - 0.96, 0, np.nan], [0.96, 1, np.nan]], atol=1e-12)
    words = Terms("", "probabilities", answers=np.array([0, 1]))
    before, after = np.log([[0.5, 0.5], [0.25, 0.75]]), np.log([[[0.25, 0.75], [0.5, 0.5]]])
    bits = [0.5 * np.log2(2) + 0.5 * np.log2(2 / 3), 0.25 * np.log2(0.5) + 0.75 * np.log2(1.5)]
    np.testing.assert_allclose(compare(words, before, after)[:, 0], [0.25, 0.625, 0.375, np.mean(bits)])
    joint = Terms("", "probabilities", answers=np.array([0, 1]), joint=True)
    np.testing.assert_allclose(compare(joint, before, after)[:, 0], [0.25, 0.375, 0.125, np.sum(bits)])
    with np.errstate(divide="ignore"):
        outside = np.log([[[0.0, 1.0], [0.5, 0.5]]])
    assert np.isinf(compare(words, before, outside)[3, 0])  # an answer that became impossible
    assert np.isnan(compare(words, before, outside * np.nan)).sum() == 3
    numbers = compare(Terms("", "numbers"), np.array([1.0, 2.0]), np.array([[2.0, 0.0]]))
    np.testing.assert_allclose(numbers[:, 0], [1.5, 1.5, 1.0])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["zero", "uniform"])
def test_effects_of_the_bundled_encoder(how, minilm):
    table = effects(minilm, GOLDEN["text"], how)
    assert table.index.names == ["layer", "head"]
    np.testing.assert_allclose(table["cosine"].to_numpy().reshape(6, 12), GOLDEN[how], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(table["effect"], 1 - table["cosine"])
    assert table.attrs["terms"] == "the sentence embedding"


@pytest.mark.slow
def test_effects_on_the_next_token_are_those_of_single_traces(tmp_path):
    model = load_model(str(with_head("llama", tmp_path)))
    table = effects(model, SENTENCE, "previous")
    assert list(table.index) == [(layer, head) for layer in range(3) for head in range(6)]
    (answer,) = model.trace(SENTENCE).outputs.top_words(-1, 1)
    changed = model.trace(SENTENCE, ablate={(1, 0): "previous"}).outputs.top_words(-1, 100)
    words = {word.token.id: word.probability for word in changed}
    assert table.loc[(1, 0), "before"] == pytest.approx(answer.probability, abs=OF_PASSES)
    assert table.loc[(1, 0), "probability"] == pytest.approx(words[answer.token.id], abs=OF_PASSES)
    np.testing.assert_array_equal(table["effect"], table["before"] - table["probability"])
    assert table.attrs["answer"] == str(answer).split()[0]
    assert table.attrs["positions"] == (len(model.trace(SENTENCE)["decoder"].query_tokens) - 1,)
    both = effects(model, SENTENCE, heads=[(1, 2)], ablate={(0, 5): "zero"}, mask_tokens=[3])
    one = model.trace(SENTENCE, ablate={(0, 5): "zero", (1, 2): "zero"}, mask_tokens=[3]).outputs
    own = model.trace(SENTENCE, ablate={(0, 5): "zero"}, mask_tokens=[3]).outputs.top_words(-1, 1)[0]
    words = {word.token.id: word.probability for word in one.top_words(-1, 100)}
    assert both["probability"].item() == pytest.approx(words[own.token.id], abs=OF_PASSES)


@pytest.mark.slow
def test_rows_of_a_batch_do_not_depend_on_their_number(tmp_path, monkeypatch):
    model = load_model(str(with_head("gpt2", tmp_path)))
    whole, calls = effects(model, SENTENCE), list[tuple[int, int]]()
    monkeypatch.setattr("models.changed_outputs.MOST_ROWS", 4)
    parts = effects(model, SENTENCE, progress=lambda done, total: calls.append((done, total)))
    np.testing.assert_allclose(parts, whole, rtol=0, atol=OF_PASSES)
    assert calls[-1] == (6, 6)  # two layers, in the untouched pass and in two batches
    assert sorted(calls) == calls
    with pytest.raises(errors.TooLong, match="this server allows"):
        effects(model, SENTENCE, budget=Budget(seconds=0.0))

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        effects(model, SENTENCE, progress=stop)
    np.testing.assert_array_equal(effects(model, SENTENCE), parts)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "shares"), [("bert", True), ("gemma2", True), ("bart", False)])
def test_rows_that_share_layers_give_what_whole_rows_give(family, shares, loaded, monkeypatch):
    model, given = loaded(family), {"target": TARGET} if family == "bart" else {}
    n_rows: list[list[int]] = []
    growing = changed_outputs.growing
    monkeypatch.setattr(changed_outputs, "growing", lambda module, n: n_rows.append(list(n)) or growing(module, n))
    shared = effects(model, SENTENCE, "mean", **given)
    n_layers, n_heads = model.card.sizes[model.card.kinds[0]]
    assert n_rows == ([[n_heads] * n_layers] if shares else [])
    backwards = [*reversed(shared.index)]  # rows in another order than the layers are whole
    whole = effects(model, SENTENCE, "mean", heads=backwards, **given)
    assert len(n_rows) == int(shares)
    np.testing.assert_allclose(whole.loc[shared.index], shared, rtol=0, atol=OF_PASSES)


def test_a_model_that_fixes_the_number_of_rows_does_not_share_layers():
    class Fixed(BertModel):
        def forward(self, input_ids: torch.Tensor, **options: Any) -> Any:
            found = super().forward(input_ids, **options)
            found.last_hidden_state = found.last_hidden_state.view(len(input_ids), -1, self.config.hidden_size)
            return found

    size = {"vocab_size": 7, "hidden_size": 6, "num_attention_heads": 3, "num_hidden_layers": 2, "intermediate_size": 5}
    inputs = {"input_ids": torch.tensor([[1, 2, 3, 4]])}
    for kind, shares in ((BertModel, True), (Fixed, False)):
        module = kind(BertConfig(**size)).eval()
        with torch.inference_mode():
            assert grows(module, inputs, module(**inputs), 2) is shares


@pytest.mark.slow
@pytest.mark.parametrize(
    ("auto", "terms", "text"),
    [
        (AutoModelForMaskedLM, "the masked tokens", f"[MASK] {SENTENCE} [MASK]"),
        (AutoModelForSequenceClassification, "the label", SENTENCE),
        (AutoModelForTokenClassification, "the labels of the tokens", SENTENCE),
        (AutoModelForQuestionAnswering, "the answer", "Who sat?"),
    ],
)
def test_effects_in_the_terms_of_each_head(auto, terms, text, tmp_path):
    save_with_head("bert", auto, tmp_path, **({"num_labels": 5} if "Classification" in auto.__name__ else {}))
    model = load_model(str(tmp_path))
    inputs = {"text_pair": SENTENCE} if terms == "the answer" else {}
    table = effects(model, text, **inputs)
    assert table.attrs["terms"] == terms
    untouched, changed = (
        model.trace(text, **inputs).outputs,
        model.trace(text, ablate={(1, 2): "zero"}, **inputs).outputs,
    )
    before, after = (answer_of(terms, untouched, one) for one in (untouched, changed))
    assert table.loc[(1, 2), "before"] == pytest.approx(before, abs=OF_PASSES)
    assert table.loc[(1, 2), "probability"] == pytest.approx(after, abs=OF_PASSES)
    assert (table["divergence_bits"] > 0).all()


def answer_of(terms: str, untouched: Any, outputs: Any) -> float:
    """Return the probability of the untouched answer, from what is public."""
    if terms == "the masked tokens":
        found = []
        for position in untouched.masked:
            answer = untouched.top_words(position, 1)[0].token.id
            found.append({word.token.id: word.probability for word in outputs.top_words(position, 157)}[answer])
        return float(np.mean(found))
    if terms == "the label":
        return {label.id: label.probability for label in outputs.labels()}[untouched.labels(1)[0].id]
    if terms == "the labels of the tokens":
        own = [n for n, token in enumerate(untouched.tokens) if not token.special]
        answers = [untouched.token_labels(n, 1)[0].id for n in own]
        each = [{label.id: label.probability for label in outputs.token_labels(n)} for n in own]
        return float(np.mean([one[answer] for one, answer in zip(each, answers, strict=True)]))
    (best,) = untouched.spans(1)
    inside = torch.tensor([token.segment == 1 and token.start is not None for token in outputs.tokens])
    first, last = outputs.logits.masked_fill(~inside, -torch.inf).softmax(-1)
    return float(first[best.first] * last[best.last])


@pytest.mark.slow
def test_numbers_each_kind_and_our_own_networks(tmp_path, loaded):
    save_with_head("bert", AutoModelForSequenceClassification, tmp_path, num_labels=1, problem_type="regression")
    table = effects(load_model(str(tmp_path)), SENTENCE)
    assert table.columns.tolist() == ["effect", "before", "value"]
    np.testing.assert_allclose(table["effect"], (table["value"] - table["before"]).abs())
    cross = effects(loaded("t5"), SENTENCE, "uniform", kind="cross", target=TARGET)
    assert len(cross) == 15
    assert cross.attrs["kind"] == "cross"
    own = effects(load_model("scratch:brackets"), "( ( ) )")
    assert own.attrs["terms"] == "the outputs of the model"
    assert own["effect"].idxmax() == (2, 1)


@pytest.mark.slow
def test_what_has_no_effect_to_measure_is_nan_or_one_sentence(minilm, loaded):
    alone = token_effects(minilm, [2003])
    assert alone["effect"].isna().all()
    assert alone.index.tolist() == [0]
    for asked, sentence in (
        ({"how": "off"}, "cannot be changed by 'off'"),
        ({"kind": "cross"}, "no 'cross' attention"),
        ({"heads": [(0, 12)]}, "no head 12"),
        ({"mask_tokens": [0, 1, 2]}, "has all 3 positions"),
    ):
        with pytest.raises(errors.BadSelection, match=sentence):
            effects(minilm, [101, 2003, 102], **asked)
    for measure in (effects, token_effects):
        with pytest.raises(errors.BadSelection, match="cannot be changed: choose another model"):
            measure(loaded("deberta-v2"), SENTENCE)
    assert effects(minilm, "A cat.", heads=[]).empty
