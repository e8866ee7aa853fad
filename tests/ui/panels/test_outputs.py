"""What the page shows of a model's answers."""

from __future__ import annotations

import html
import re

import pytest
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from models import load_model
from tests.helpers.inspect_page import run, select
from tests.helpers.with_heads import save_with_head

pytestmark = pytest.mark.slow
TEXT = "The cat sat on the mat."


def lines(app) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return each question that the panel names, with the names and values of its answers."""
    shown = [element.proto.body for element in app.get("html") if 'class="outputs"' in element.proto.body]
    found = []
    for line in re.findall(r'<div class="line">(.*?)</div>', "".join(shown)):
        (asked,) = re.findall(r'class="asked">(.*?)</span>', line)
        answers = re.findall(r"<b>(.*?)</b> <span>(.*?)</span>", line)
        found.append((html.unescape(asked), [(html.unescape(name), html.unescape(value)) for name, value in answers]))
    return found


def test_a_model_without_a_head_shows_nothing():
    assert lines(run(text=TEXT)) == []


def test_labels_and_their_names_are_data(tmp_path):
    names = {0: "<script>alert(1)</script>", 1: "fine", 2: '"onmouseover="alert(1)'}
    save_with_head("bert", AutoModelForSequenceClassification, tmp_path, id2label=names)
    app = run(model=str(tmp_path), text=TEXT)
    ((asked, answers),) = lines(app)
    labels = load_model(tmp_path).trace(TEXT).outputs.labels()
    assert asked == "The model answers:"
    assert [value for _, value in answers] == [f"{label.probability:.1%}" for label in labels]
    assert [name[:10] for name, _ in answers] == [label.name[:10] for label in labels]
    written = "".join(element.proto.body for element in app.get("html"))
    assert "<script>" not in written
    assert '"onmouseover' not in written


def test_words_follow_the_token_that_is_selected(tmp_path):
    save_with_head("gpt2", AutoModelForCausalLM, tmp_path)
    outputs = load_model(tmp_path).trace(TEXT).outputs
    last = len(outputs.tokens) - 1
    app = run(model=str(tmp_path), text=TEXT)
    for token, position in (("", last), ("query:2", 2), ("key:1", 1)):
        if token:
            select(app, token=token)
        ((asked, answers),) = lines(app)
        assert asked.startswith("After “")
        assert f"(position {position})" in asked
        words = outputs.top_words(position)
        assert [value for _, value in answers] == [
            f"{word.probability:.1%}" if word.probability >= 0.001 else "<0.1%" for word in words
        ]
    # The third word ends with another piece than the third one.
    select(app, token="query:2", unit="words")
    pieces = load_model(tmp_path).trace(TEXT)["decoder"].words().pieces[0][2]
    assert f"(position {pieces[-1]})" in lines(app)[0][0]


def test_masks_come_first(tmp_path):
    save_with_head("bert", AutoModelForMaskedLM, tmp_path)
    app = run(model=str(tmp_path), text="The [MASK] sat on the [MASK].")
    assert [asked for asked, _ in lines(app)] == [
        f"At “[MASK]” (position {position}) the model expects:" for position in (2, 6)
    ]
    select(app, token="query:1")
    assert [asked for asked, _ in lines(app)] == ["At “the” (position 1) the model expects:"]


def test_labels_of_tokens_leave_out_those_outside(tmp_path):
    save_with_head("bert", AutoModelForTokenClassification, tmp_path, id2label={0: "O", 1: "B-PER", 2: "I-PER"})
    outputs = load_model(tmp_path).trace(TEXT).outputs
    best = [outputs.token_labels(position, 1)[0] for position in range(len(outputs.tokens))]
    expected = [
        f"{token.display}: {label.name}"
        for token, label in zip(outputs.tokens, best, strict=True)
        if label.name != "O" and not token.special
    ]
    app = run(model=str(tmp_path), text=TEXT)
    assert expected
    assert [name for name, _ in lines(app)[0][1]] == expected
    select(app, token="query:3")
    assert [name for name, _ in lines(app)[0][1]] == [label.name for label in outputs.token_labels(3)]


def test_spans_are_quoted_from_the_second_text(tmp_path):
    save_with_head("bert", AutoModelForQuestionAnswering, tmp_path)
    app = run(model=str(tmp_path), text="Who sat?", pair=TEXT)
    ((asked, answers),) = lines(app)
    assert asked == "The model's answer in the text:"
    assert len(answers) == 3
    assert all(name in TEXT for name, _ in answers)
