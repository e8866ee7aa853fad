"""Whatever is pasted gives a trace or one sentence, never another exception."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import models
from models.errors import NoText

pytestmark = pytest.mark.slow

FAMILIES = ["bert", "gpt2", "llama", "t5"]  # WordPiece, byte level, byte fallback, unigram
TEXTS = {
    "NUL": "a\x00b",
    "controls": "".join(map(chr, range(32))) + "x\x7f\x80\x9f",
    "lone surrogates": "\ud83d and \udc00 alone",
    "emoji with joiners": "👩\u200d👩\u200d👧\u200d👦 🏴\U000e0067\U000e0062\U000e007f",
    "zero-width inside": "c\u200da\u200bt\ufeff",
    "bidi": "abc \u202egnirts\u202c \u2067שלום\u2069",
    "stacked accents": "Z" + "\u0301" * 500,
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)><b>x</b>&lt;&#0;",
    "Markdown": "# [a](javascript:alert(1)) ![x](y) `z` **b** | t |\n|---|---|",
    "LaTeX": r"$x$ \(\frac{1}{0}\) $$\input{/etc/passwd}$$ \end{document}",
    "templates": "{{7*7}} ${7*7} %s %n {0} {self.__class__}",
    "special tokens": "[CLS] [SEP] [PAD] [MASK] <s> </s> <pad> <unk> <0x00> <0xFF> ##x Ġ ▁",
    "private and unassigned": "\ue000\U0010ffff\uffff\ufffe cat",
    "Chinese": "猫坐在垫子上，因为它累了。",
    "one word of many letters": "donaudampfschiff" * 3000,
    "blank lines": "\n" * 5000 + "cat",
}


def traced_or_refused(model: models.Model, text: str) -> models.AttentionTrace | None:
    try:
        trace = model.trace(text, target="cat") if "cross" in model.card.kinds else model.trace(text)
    except NoText:
        return None
    for kind in trace.kinds:
        sums = trace[kind].weights(0, 0).sum(-1)
        assert np.abs(sums - 1).max() <= 1e-5
        for token in trace[kind].query_tokens:
            token.display.encode("utf-8")  # no surrogate comes out
    return trace


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", TEXTS)
def test_odd_text_is_traced(text, family, loaded):
    assert traced_or_refused(loaded(family), TEXTS[text]) is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_only_surrogates_are_replaced_or_refused(family, loaded):
    # BERT's normaliser strips U+FFFD, the others read it.
    trace = traced_or_refused(loaded(family), "\ud800\udbff")
    assert (trace is None) == (family == "bert")


@pytest.mark.parametrize("text", ["", " \n\t", "\x00", "\u200d\u200d\u200d", "\u2028\u2029"])
@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_to_see_is_refused(text, family, loaded):
    with pytest.raises(NoText):
        loaded(family).trace(text)


@pytest.mark.parametrize("text", ["the cat sat on a mat " * 47_620, "a" * 1_000_000], ids=["words", "one letter"])
@pytest.mark.parametrize("family", ["bert", "gpt2", "minilm"])
def test_a_megabyte_is_cut_or_read_as_one_unknown_word(text, family, loaded, minilm):
    model = minilm if family == "minilm" else loaded(family)
    trace = traced_or_refused(model, text)
    attention = trace[trace.kinds[0]]
    if text.startswith("aa") and family != "gpt2":
        assert [token.text for token in attention.query_tokens] == ["[CLS]", "[UNK]", "[SEP]"]
        assert trace.notices[0].startswith("The only token of the text is [UNK]")
    else:
        assert attention.n_query == model.card.max_tokens
        assert trace.notices[0].startswith(f"The first {model.card.max_tokens} of ")


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=()), max_size=40))
def test_any_text_is_traced_or_refused(family, loaded, text):
    traced_or_refused(loaded(family), text)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(exclude_categories=()), max_size=30),
    pair=st.text(st.characters(exclude_categories=()), max_size=30),
)
def test_any_pair_is_traced_or_refused(loaded, text, pair):
    try:
        trace = loaded("bert").trace(text, text_pair=pair)
    except NoText:
        return
    assert trace.source.text_pair == pair


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(target=st.text(st.characters(exclude_categories=()), max_size=30))
def test_any_target_is_traced_or_refused(loaded, target):
    try:
        trace = loaded("bart").trace("the cat", target=target)
    except NoText:
        return
    assert trace["cross"].n_query == trace["decoder"].n_key
