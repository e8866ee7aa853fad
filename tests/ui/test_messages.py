"""What a visitor reads after an error: the sentence of a HeadlightError, else a remedy for what was being done."""

import logging
import re
from pathlib import Path

import pytest
from streamlit.runtime.scriptrunner import RerunData, RerunException, StopException
from streamlit.testing.v1 import AppTest

from models.errors import NoText
from ui import messages

UNEXPECTED = "Something went wrong that Headlight did not expect; the details are in the server's log."


def test_the_sentence_of_a_headlight_error_is_shown_unchanged():
    assert messages.describe_error(NoText("Type a word."), "opening 'x'") == "Type a word."


@pytest.mark.parametrize(
    ("doing", "remedy"),
    [
        ("opening 'minilm'", "Choose another model, or try again."),
        ("replaying /a/b", "Choose another task, or train it yourself."),
        ("tracing", "Try another text."),
        ("looking inside a head", "Try another text or head."),
        ("starting a training", "Try other settings."),
        ("resuming a training", "Start a new training."),
        ("anything else", "Try again."),
    ],
)
def test_the_remedy_fits_what_was_being_done(doing, remedy, caplog):
    with caplog.at_level(logging.ERROR, logger="headlight.ui"):
        assert messages.describe_error(ValueError("a secret"), doing) == f"{UNEXPECTED} {remedy}"
    assert caplog.messages == [f"{doing} failed"]
    assert "a secret" in caplog.text


def test_every_remedy_belongs_to_something_that_a_page_does():
    code = "".join(path.read_text() for path in (Path(messages.__file__).parent).rglob("*.py"))
    done = re.findall(r'(?:describe_error\(\w+, f?|_try\(.*, |failures_shown\()"(\w+)', code)
    assert len(done) >= 7
    assert set(done) == set(messages._REMEDIES)


class PanicException(BaseException):
    """As pyo3 raises it: not a subclass of Exception."""


def test_a_panic_of_rust_code_is_one_sentence(caplog):
    assert messages.describe_error(PanicException("rust details"), "tracing").startswith(UNEXPECTED)
    assert "rust details" in caplog.text


@pytest.mark.parametrize("signal", [RerunException(RerunData()), StopException(), KeyboardInterrupt(), SystemExit(1)])
def test_exceptions_that_end_a_run_or_the_program_are_raised_again(signal):
    with pytest.raises(type(signal)):
        messages.describe_error(signal, "tracing")


def broken_page():
    """A page whose fragment and whose last line panic; Streamlit catches neither."""
    import streamlit as st

    from ui.messages import failures_shown, guarded

    class PanicException(BaseException):
        pass

    @st.fragment
    @guarded
    def part():
        raise PanicException("a secret")

    st.text("before")
    part()
    st.text("between")
    with failures_shown("showing the page"):
        raise PanicException("a secret")


def test_a_part_that_panics_shows_a_sentence_and_the_rest_of_the_page_stays(caplog):
    app = AppTest.from_function(broken_page, default_timeout=20).run()
    assert [text.value for text in app.text] == ["before", "between"]
    assert [error.value.replace("\\", "") for error in app.error] == [f"{UNEXPECTED} Reload the page."] * 2
    assert not app.exception
