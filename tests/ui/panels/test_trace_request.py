"""A long run on the page: estimated, confirmed, watched, stopped without loss, refused above the budget."""

import threading
from contextlib import nullcontext

import pytest
from streamlit.testing.v1 import AppTest

from models import Model
from models.capture.cost import Estimate
from models.tokens import TokenReader
from tests.helpers.inspect_page import message, messages, run, tokens
from tests.helpers.page_elements import widget
from tests.helpers.tokenizer_kinds import save_translator
from ui.panels import trace_request
from ui.services.jobs import Stopped
from ui.services.settings import BadSetting, ask_seconds, budget, cache_bytes, file_bytes
from ui.services.traces import TraceRequest

pytestmark = pytest.mark.slow
SECONDS = 20


class Gate:
    """Lets the test release a forward pass layer by layer."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.free = threading.Semaphore(0)
        self.stopped = threading.Event()


@pytest.fixture
def gate(monkeypatch) -> Gate:
    """Every forward pass waits at each layer, and every run counts as long."""
    gate, trace = Gate(), Model.trace

    def slow(model, text, *, progress=None, **options):
        def wait_for_test(done, total):
            gate.inside.set()
            assert gate.free.acquire(timeout=SECONDS)
            try:
                progress(done, total)
            except Stopped:
                gate.stopped.set()
                raise

        return trace(model, text, progress=wait_for_test, **options)

    monkeypatch.setattr(Model, "trace", slow)
    monkeypatch.setenv("HEADLIGHT_ASK_SECONDS", "0")
    return gate


def said(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption))


def bar(app: AppTest) -> str:
    return app.get("progress")[0].proto.text


def opened(monkeypatch, text: str) -> AppTest:
    """The page that shows one text, after another text was requested."""
    monkeypatch.setenv("HEADLIGHT_ASK_SECONDS", "60")
    app = run(text=f"Birds sing at dawn before: {text}")
    monkeypatch.setenv("HEADLIGHT_ASK_SECONDS", "0")
    widget(app, "text").set_value(text).run()
    return app


def test_a_long_run_must_be_confirmed_and_the_old_pictures_stay(monkeypatch):
    app = opened(monkeypatch, "A text that takes long")
    assert "This is a long run (7 tokens: about" in said(app)
    assert "The pictures below still show what was inspected before." in said(app)
    assert "dawn" in tokens(app)
    app.button(key="start").click().run()
    app.run()
    assert "takes" in tokens(app)
    assert "long run" not in said(app)
    assert messages(app) == []


def test_the_reading_of_a_long_text_is_shown_and_the_trace_does_not_repeat_it(monkeypatch):
    monkeypatch.setenv("HEADLIGHT_ASK_SECONDS", "60")
    app, text = run(), "Birds sing at dawn, and the sky is red. " * 3000
    waited, spinner, encoded, encode = [], trace_request.st.spinner, [], TokenReader._encode

    def spinning(words, **options):
        waited.append(words)
        return spinner(words, **options)

    def encoding(reader, text, *more, **options):
        encoded.append(len(text))
        return encode(reader, text, *more, **options)

    monkeypatch.setattr(trace_request.st, "spinner", spinning)
    monkeypatch.setattr(TokenReader, "_encode", encoding)
    widget(app, "text").set_value(text).run()
    assert any("The first 256 of 33,002 tokens are shown" in message for message in messages(app))
    assert waited[:2] == ["Reading 120,000 characters …", "Tracing …"]
    assert encoded == [len(text)]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (TraceRequest("m", text="a" * 99_999), None),
        (TraceRequest("m", text="a" * 99_999, pair="b"), "Reading 100,000 characters …"),
        (TraceRequest("m", target="a" * 1_100_000), "Reading 1.1 million characters …"),
    ],
)
def test_how_much_is_read(request_, words, monkeypatch):
    said, estimate = [], Estimate(1, 1, 1.0)
    monkeypatch.setattr(trace_request.st, "spinner", lambda words: said.append(words) or nullcontext())
    monkeypatch.setattr(TraceRequest, "estimate", lambda wanted, model: estimate)
    assert trace_request._estimate(None, request_) is estimate
    assert said == ([] if words is None else [words])


def test_the_reading_of_a_long_text_can_be_stopped_and_started_again(monkeypatch):
    monkeypatch.setenv("HEADLIGHT_ASK_SECONDS", "60")
    app, text, go_on, estimate = (
        run(text="Birds sing"),
        "Fish swim at night. " * 6_000,
        threading.Event(),
        Model.estimate,
    )

    def slow(model, *given, **options):
        go_on.wait(SECONDS)
        return estimate(model, *given, **options)

    monkeypatch.setattr(Model, "estimate", slow)
    monkeypatch.setattr(trace_request, "READING_SECONDS", 0.1)
    widget(app, "text").set_value(text).run()
    assert bar(app) == "Reading 120,000 characters …"
    assert "birds" in tokens(app)
    app.button(key="stop").click().run()
    assert "Stopped. This text has 120,000 characters." in said(app)
    assert "birds" in tokens(app)
    go_on.set()
    app.button(key="start").click().run()
    monkeypatch.setattr(trace_request, "READING_SECONDS", 60.0)
    app.run()
    assert any("The first 256 of" in message for message in messages(app))
    assert messages(app) == [message for message in messages(app) if "tokens are shown" in message]


def test_a_run_shows_its_layers_and_stops(monkeypatch, gate):
    gate.free.release(6)
    app = opened(monkeypatch, "A text that is stopped")
    app.button(key="start").click().run()
    assert gate.inside.wait(SECONDS)
    gate.free.release(2)
    app.run()
    assert "Tracing" in bar(app)
    assert "The pictures below still show what was inspected before." in said(app)
    app.button(key="stop").click().run()
    gate.free.release(10)
    assert gate.stopped.wait(SECONDS)
    assert "Stopped. This is a long run" in said(app)
    assert "dawn" in tokens(app)
    app.button(key="start").click().run()
    gate.free.release(10)
    for _ in range(20):
        app.run()
        if "stopped" in tokens(app):
            break
    assert "stopped" in tokens(app)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("HEADLIGHT_MOST_SECONDS", "0", "and this server allows 0.0 s to one text: shorten the text"),
        ("HEADLIGHT_MOST_BYTES", "1000", "and this server allows 1.0 kB to one text: shorten the text"),
        ("HEADLIGHT_MOST_SECONDS", "soon", "HEADLIGHT_MOST_SECONDS has to be a number from 0, such as 60 or 4e9"),
    ],
)
def test_above_the_budget_it_is_refused_with_the_remedy(monkeypatch, name, value, sentence):
    monkeypatch.setenv(name, value)
    app = run(text=f"This text is over budget by {name} {value}")
    assert any(sentence in message for message in messages(app)), messages(app)
    assert message(app) is None


def test_settings_are_numbers(monkeypatch):
    for name in ("ASK_SECONDS", "MOST_SECONDS", "MOST_BYTES", "CACHE_BYTES", "FILE_BYTES"):
        monkeypatch.delenv(f"HEADLIGHT_{name}", raising=False)
    assert (budget().seconds, budget().n_bytes) == (None, None)
    assert (ask_seconds(), cache_bytes(), file_bytes()) == (5.0, 3e9, 1e8)
    monkeypatch.setenv("HEADLIGHT_MOST_BYTES", "4e9")
    monkeypatch.setenv("HEADLIGHT_MOST_SECONDS", " 60 ")
    assert (budget().seconds, budget().n_bytes) == (60, 4_000_000_000)
    for wrong in ("-1", "nan", "inf", "1 GB"):
        monkeypatch.setenv("HEADLIGHT_ASK_SECONDS", wrong)
        with pytest.raises(BadSetting, match="HEADLIGHT_ASK_SECONDS has to be a number from 0"):
            ask_seconds()


def test_no_special_tokens_are_added_if_the_visitor_says_so():
    app = run(text="the cat", add_special_tokens="off")
    assert tokens(app) == ["the", "cat"]
    (popover,) = [each for each in app.get("popover") if "special" in each.proto.popover.label]
    assert popover.proto.popover.label == "More: no special tokens"
    widget(app, "add_special_tokens").set_value(True).run()
    assert tokens(app) == ["[CLS]", "the", "cat", "[SEP]"]


def test_a_model_without_languages_asks_for_none_and_ignores_those_of_the_link():
    app = run(text="the cat", src_lang="fr_XX", tgt_lang="de_DE")
    assert tokens(app) == ["[CLS]", "the", "cat", "[SEP]"]
    assert messages(app) == []
    assert not [each for each in app.selectbox if "Language" in each.label]


def test_a_translator_reads_its_languages(tmp_path):
    folder = save_translator(tmp_path)
    app = run(model=str(folder), text="the cat", target="a hund", src_lang="fr_XX", tgt_lang="ro_RO", kind="encoder")
    assert tokens(app)[-1] == "fr_XX"
    assert [each.label for each in app.selectbox if "Language" in each.label] == [
        "Language of the text",
        "Language of the target",
    ]
    widget(app, "src_lang").set_value("de_DE").run()
    assert tokens(app)[-1] == "de_DE"
    app = run(model=str(folder), text="the cat", target="a hund", tgt_lang="ro_RO", kind="decoder")
    assert tokens(app)[0] == "ro_RO"
