"""One text per line: which of them is traced, what the page says, and over which texts heads are ranked."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from models import Model
from models.errors import NotEnoughMemory
from tests.helpers.inspect_page import instrument, messages, run, tokens
from tests.helpers.page_elements import address, chosen, widget
from ui.panels.sentences import LONGEST_LABEL, MOST_LINES
from ui.services.instrument_traces import find
from ui.services.traces import TraceRequest

pytestmark = pytest.mark.slow
LINES = "Birds sing at dawn\nFish swim\nThe sky is red"


def said(app: AppTest) -> list[str]:
    return [caption.value for caption in app.caption if "The model reads" in caption.value]


def options(app: AppTest) -> list[str]:
    return widget(app, "sentence").options


def traced(app: AppTest) -> list[list[str] | None]:
    """Return the words of each text over which heads are ranked, None for one that is not traced."""
    sentences = instrument(app)[0]["sentences"]
    attentions = [find(each["trace"]) if each["trace"] else None for each in sentences]
    return [None if att is None else [token.text for token in att.query_tokens[1:-1]] for att in attentions]


def test_lines_are_one_sequence_unless_the_visitor_separates_them():
    app = run(text=LINES)
    assert tokens(app)[1:-1] == ["birds", "sing", "at", "dawn", "fish", "swim", "the", "sky", "is", "red"]
    assert said(app) == ["The model reads these 3 lines as one sequence."]
    assert instrument(app)[0]["sentences"] == []
    assert not [each for each in app.selectbox if each.key == "sentence"]
    widget(app, "lines").set_value(True).run()
    assert tokens(app)[1:-1] == ["birds", "sing", "at", "dawn"]
    assert address(app)["lines"] == "on"
    (caption,) = said(app)
    assert caption.startswith("The model reads 3 texts, one per line, each by itself.")
    assert said(run(text="One line")) == []


def test_the_chosen_line_is_shown_and_all_are_ranked():
    app = run(text=LINES, lines="on", sentence="1")
    assert options(app) == ["1. Birds sing at dawn", "2. Fish swim", "3. The sky is red"]
    assert tokens(app)[1:-1] == ["fish", "swim"]
    assert traced(app) == [["birds", "sing", "at", "dawn"], ["fish", "swim"], ["the", "sky", "is", "red"]]
    header, _ = instrument(app)
    assert [each["label"] for each in header["sentences"]] == LINES.splitlines()
    assert header["sentences"][1]["trace"] == header["trace"]
    names = [each["trace"] for each in header["sentences"]]
    widget(app, "sentence").set_value(2).run()
    assert tokens(app)[1:-1] == ["the", "sky", "is", "red"]
    assert address(app)["sentence"] == "2"
    header, _ = instrument(app)
    # The browser keeps what a visitor has locked in each text by these names.
    assert [each["trace"] for each in header["sentences"]] == names
    assert header["trace"] == names[2]


def test_empty_lines_are_no_texts():
    app = run(text="\n\nFish swim\n   \n\t\nBirds sing\n", lines="on", sentence="1")
    assert options(app) == ["1. Fish swim", "2. Birds sing"]
    assert tokens(app)[1:-1] == ["birds", "sing"]
    app = run(text="\n \nFish swim\n", lines="on")
    (caption,) = said(app)
    assert caption.startswith("The model reads one text.")
    assert traced(app) == []
    app = run(text=" \n\t\n", lines="on")
    assert any("There is nothing to inspect" in message for message in messages(app))


def test_too_many_lines_are_told_and_not_read():
    text = "\n".join(f"Line {number}" for number in range(MOST_LINES + 5))
    app = run(text=text, lines="on", sentence="35")
    assert messages(app) == [f"Only the first {MOST_LINES} of {MOST_LINES + 5} lines are read."]
    assert len(options(app)) == len(traced(app)) == MOST_LINES
    # The last one that is read.
    assert tokens(app)[1:-1] == ["line", "31"]
    assert traced(app)[31] == ["line", "31"]


def test_a_line_that_is_gone_is_followed_by_the_last_one():
    app = run(text=LINES, lines="on", sentence="2")
    widget(app, "text").set_value("Fish swim\nBirds sing").run()
    assert tokens(app)[1:-1] == ["birds", "sing"]
    assert options(app) == ["1. Fish swim", "2. Birds sing"]
    assert widget(app, "sentence").value == chosen(app, "inspect").sentence == 1


def test_another_wording_keeps_the_number_of_the_line():
    app = run(text=LINES, lines="on", sentence="1")
    widget(app, "text").set_value(LINES.replace("Fish swim", "Dogs run")).run()
    assert tokens(app)[1:-1] == ["dogs", "run"]
    assert widget(app, "sentence").value == 1
    widget(app, "sentence").set_value(0).run()
    assert tokens(app)[1:-1] == ["birds", "sing", "at", "dawn"]


def test_a_line_that_cannot_be_traced_has_no_name_and_the_others_are_ranked(monkeypatch):
    trace = Model.trace

    def refuse(model, text, **options):
        if "unlucky" in text:
            raise NotEnoughMemory("too much")
        return trace(model, text, **options)

    monkeypatch.setattr(Model, "trace", refuse)
    app = run(text="Birds sing at dawn here\nAn unlucky line\nFish swim there", lines="on")
    assert traced(app) == [["birds", "sing", "at", "dawn", "here"], None, ["fish", "swim", "there"]]
    assert messages(app) == []
    # The line itself says why.
    widget(app, "sentence").set_value(1).run()
    assert messages(app) == ["too much"]


def test_a_line_that_would_take_long_is_not_traced_unasked(monkeypatch):
    started, start = [], TraceRequest.start
    monkeypatch.setattr(
        TraceRequest, "start", lambda request, *given: started.append(request.text) or start(request, *given)
    )
    estimate = TraceRequest.estimate

    def slow(request, model):
        found = estimate(request, model)
        return replace(found, seconds=1e6) if "slow" in request.text else found

    monkeypatch.setattr(TraceRequest, "estimate", slow)
    app = run(text="A quick line of a text\nA slow line of a text", lines="on")
    assert started == ["A quick line of a text"]
    assert traced(app) == [["a", "quick", "line", "of", "a", "text"], None]


def test_a_long_line_is_cut_in_the_list_and_not_for_the_model():
    line = "word " * 40
    app = run(text=f"{line}\nFish *swim*", lines="on")
    assert options(app)[0] == f"1. {line[: LONGEST_LABEL - 1]}…"
    assert tokens(app)[1:-1] == ["word"] * 40
    assert [len(each["label"]) for each in instrument(app)[0]["sentences"]] == [LONGEST_LABEL, 11]
