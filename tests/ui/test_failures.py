"""What a visitor reads when something fails: a refusal as it is, else a remedy for what was being done."""

import logging
import re
from pathlib import Path

import pytest

from models.errors import NoText
from ui import failures

UNEXPECTED = "Something went wrong that Headlight did not expect; the details are in the server's log."


def test_a_refusal_is_said_as_it_is():
    assert failures.sentence(NoText("Type a word."), "opening 'x'") == "Type a word."


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
        assert failures.sentence(ValueError("a secret"), doing) == f"{UNEXPECTED} {remedy}"
    assert caplog.messages == [f"{doing} failed"]
    assert "a secret" in caplog.text


def test_every_page_does_something_that_has_a_remedy():
    code = "".join(path.read_text() for path in (Path(failures.__file__).parent).rglob("*.py"))
    done = re.findall(r'(?:sentence\(\w+, f?|_tried\(.*, )"(\w+)', code)
    assert len(done) >= 7
    assert set(done) == set(failures._REMEDIES)
