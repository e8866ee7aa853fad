"""Messages quote visitors and are rendered as Markdown: a quotation must have no effect as markup."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.messages import escape_markdown
from ui.services.settings import NotAllowed, allowed_models, allowed_revision


@given(st.text())
def test_every_punctuation_mark_is_escaped_and_the_words_stay(text):
    shown = escape_markdown(text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>\[\]()*_`#$:!|~&]", shown)
    assert "\n" not in shown
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown) == " ".join(text.split())


def test_any_model_may_be_opened_unless_the_operator_lists_some(monkeypatch):
    monkeypatch.delenv("HEADLIGHT_MODELS", raising=False)
    assert allowed_models() is None
    assert allowed_revision("any/thing", "refs/pr/7") == "refs/pr/7"
    monkeypatch.setenv("HEADLIGHT_MODELS", "minilm, org/model ,")
    assert allowed_models() == ("minilm", "org/model")
    assert allowed_revision("org/model", "") == ""
    with pytest.raises(NotAllowed, match=r"This server opens only these models: minilm, org/model\."):
        allowed_revision("/etc", "")


def test_a_listed_model_is_opened_at_the_listed_revision_alone(monkeypatch):
    """Anyone can upload weights to a model on the hub: a pull request is a revision."""
    monkeypatch.setenv("HEADLIGHT_MODELS", "org/model, org/fixed@v1.2, /srv/models@2/own")
    assert allowed_models() == ("org/model", "org/fixed", "/srv/models@2/own")
    assert [allowed_revision("org/fixed", asked) for asked in ("", "v1.2")] == ["v1.2", "v1.2"]
    assert allowed_revision("/srv/models@2/own", "") == ""
    for name, known in (("org/model", "the hub's own"), ("org/fixed", "v1.2")):
        with pytest.raises(NotAllowed) as refusal:
            allowed_revision(name, "refs/pr/7")
        assert str(refusal.value) == (
            f"This server opens only one revision of {name}, {known}: leave the revision out."
        )
