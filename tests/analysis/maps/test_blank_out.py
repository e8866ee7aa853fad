"""The blank-out check, against single traces with a masked token and against each method's own map."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)

from analysis import attention_flow, blank_out, gradient_attention, rollout, value_weighted
from analysis.maps.blanks import _rank_correlation
from models import HeadlightError, load_model
from models.capture.cost import Budget
from tests.helpers.small_models import TARGET
from tests.helpers.with_heads import save_with_head

pytestmark = pytest.mark.slow

TEXT = "The cat sat on the mat."
METHODS = ["attention", "value-weighted", "rollout", "flow", "gradient"]


def test_the_correlation_is_that_of_ranks_and_nan_where_there_are_none():
    generator = np.random.default_rng(5)
    for n in (3, 7, 13):
        first, second = generator.normal(size=n), generator.normal(size=n)
        ranks = [np.argsort(np.argsort(each)) for each in (first, second)]
        assert _rank_correlation(first, second) == pytest.approx(np.corrcoef(*ranks)[0, 1])
        assert _rank_correlation(first, np.exp(first)) == pytest.approx(1)
    nan = np.array([1.0, np.nan, 3.0])
    for first, second in (([1.0, 2.0], [2.0, 1.0]), ([1.0, 2.0, 3.0], [5.0, 5.0, 5.0]), (nan, nan)):
        assert np.isnan(_rank_correlation(np.array(first), np.array(second)))


def test_an_embedding_is_read_from_all_tokens(minilm):
    table = blank_out(minilm, TEXT)
    trace = minilm.trace(TEXT)
    att, before = trace["encoder"], trace.outputs.embedding()
    assert list(table.columns) == ["token", "effect", *METHODS]
    assert list(table["token"]) == [token.display for token in att.key_tokens]
    assert table.attrs["reads"] == tuple(range(att.n_key))
    assert table.attrs["left_out"] == {}
    for place in (0, 2, att.n_key - 1):
        after = minilm.trace(TEXT, mask_tokens=[place]).outputs.embedding()
        expected = 1 - before @ after / np.linalg.norm(before) / np.linalg.norm(after)
        assert table["effect"][place] == pytest.approx(expected, abs=1e-5)
    maps = {
        "attention": att,
        "value-weighted": value_weighted(minilm, TEXT),
        "rollout": rollout(att),
        "flow": attention_flow(att),
        "gradient": gradient_attention(minilm, TEXT, rollout=True),
    }
    for name, found in maps.items():
        np.testing.assert_allclose(table[name], found.layer(5).mean((0, 1)), rtol=1e-5, err_msg=name)
        rho = table.attrs["rank_correlation"][name]
        ranks = [np.argsort(np.argsort(table[column])) for column in ("effect", name)]
        assert rho == pytest.approx(np.corrcoef(*ranks)[0, 1])


@pytest.mark.parametrize(
    ("family", "auto", "text", "expected"),
    [
        ("gpt2", AutoModelForCausalLM, TEXT, lambda trace: (len(trace["decoder"].key_tokens) - 1,)),
        ("bert", AutoModelForSequenceClassification, TEXT, lambda trace: (0,)),
        ("gpt2", AutoModelForSequenceClassification, TEXT, lambda trace: (len(trace["decoder"].key_tokens) - 1,)),
        ("bert", AutoModelForMaskedLM, "The cat [MASK] on [MASK].", lambda trace: trace.outputs.masked),
    ],
)
def test_an_answer_is_read_where_the_model_reads_it(family, auto, text, expected, tmp_path):
    save_with_head(family, auto, tmp_path, pad_token_id=0)
    model = load_model(tmp_path)
    trace, table = model.trace(text), blank_out(model, text)
    reads = table.attrs["reads"]
    assert reads == expected(trace)
    att = next(iter(trace.attentions.values()))
    np.testing.assert_allclose(table["attention"], att.layer(1)[:, list(reads)].mean((0, 1)), rtol=1e-5)
    # A token that is alone in reading the answer still reads itself, so it is not compared.
    compared = [place for place in range(att.n_key) if reads != (place,)]
    assert len(compared) == att.n_key - (len(reads) == 1)
    for name in METHODS:
        expected_rho = _rank_correlation(*(table[column].to_numpy()[compared] for column in ("effect", name)))
        assert table.attrs["rank_correlation"][name] == pytest.approx(expected_rho, nan_ok=True)


def test_a_decoder_reads_a_text_by_its_cross_attention(tmp_path):
    save_with_head("t5", AutoModelForSeq2SeqLM, tmp_path)
    model = load_model(tmp_path)
    table = blank_out(model, TEXT, target=TARGET)
    trace = model.trace(TEXT, target=TARGET)
    last = len(trace["cross"].query_tokens) - 1
    assert table.attrs["reads"] == (last,)
    np.testing.assert_allclose(table["attention"], trace["cross"].layer(2)[:, last].mean(0), rtol=1e-5)
    gradient = gradient_attention(model, TEXT, kind="cross", decoder_text=TARGET).layer(2)[:, last].mean(0)
    np.testing.assert_allclose(table["gradient"], gradient, rtol=1e-5)
    for name in ("rollout", "flow"):
        assert table[name].isna().all()
        assert np.isnan(table.attrs["rank_correlation"][name])
        assert "one text attends to another" in table.attrs["left_out"][name]
    assert len(table) == len(trace["cross"].key_tokens)


def test_one_token_has_no_effect_and_progress_ends_the_check(tmp_path, loaded):
    save_with_head("gpt2", AutoModelForCausalLM, tmp_path)
    model = load_model(tmp_path)
    table = blank_out(model, [7])
    assert table["effect"].isna().all()
    assert all(np.isnan(rho) for rho in table.attrs["rank_correlation"].values())
    seen = []
    blank_out(model, TEXT, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[0][0] < 20
    assert seen[-1] == (100, 100)

    class Ended(Exception):
        pass

    def end(done, total):
        if done > 40:
            raise Ended

    with pytest.raises(Ended):
        blank_out(model, TEXT, progress=end)
    with pytest.raises(HeadlightError, match="this server allows"):
        blank_out(model, TEXT, budget=Budget(n_bytes=1000))
    with pytest.raises(HeadlightError, match="choose another model, such as minilm"):
        blank_out(loaded("bloom"), TEXT)
