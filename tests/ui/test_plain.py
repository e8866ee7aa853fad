"""Messages quote visitors and are read as Markdown: nothing of a quotation may act."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.plain import plain
from ui.settings import NotAllowed, allowed_models, check_allowed


@given(st.text())
def test_every_punctuation_mark_is_escaped_and_the_words_stay(text):
    shown = plain(text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>\[\]()*_`#$:!|~&]", shown)
    assert "\n" not in shown
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown) == " ".join(text.split())


def test_any_model_may_be_opened_unless_the_operator_lists_some(monkeypatch):
    monkeypatch.delenv("HEADLIGHT_MODELS", raising=False)
    assert allowed_models() is None
    check_allowed("any/thing")
    monkeypatch.setenv("HEADLIGHT_MODELS", "minilm, org/model ,")
    assert allowed_models() == ("minilm", "org/model")
    check_allowed("org/model")
    with pytest.raises(NotAllowed, match=r"This server opens only these models: minilm, org/model\."):
        check_allowed("/etc")
