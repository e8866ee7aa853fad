"""Errors as one sentence for the visitor, with the details in the log; and text that is safe inside Markdown."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import streamlit as st
from streamlit.runtime.scriptrunner_utils.exceptions import ScriptControlException

from models import HeadlightError

log = logging.getLogger("headlight.ui")
Given = ParamSpec("Given")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Not errors: Streamlit uses the first to end a run, and Python the others to end the program or a generator.
_CONTROL_FLOW = (ScriptControlException, KeyboardInterrupt, SystemExit, GeneratorExit)
# What may help after an unexpected error, by the first word of what was being done.
_REMEDIES = {
    "opening": "Choose another model, or try again.",
    "replaying": "Choose another task, or train it yourself.",
    "tracing": "Try another text.",
    "looking": "Try another text or head.",
    "starting": "Try other settings.",
    "resuming": "Start a new training.",
    "reading": "Save the trace again, and open the new file.",
    "showing": "Reload the page.",
    "measuring": "Try again, or try another text.",
    "checking": "Reload the page.",
}


def describe_error(error: BaseException, doing: str) -> str:
    """Return the sentence for the visitor: that of a HeadlightError, or a general one with a remedy for other errors.

    `doing` says what was being done, such as "opening 'minilm'" or "tracing". It goes into the log, and its first word
    selects the remedy. Exceptions that only end a run or the program are raised again.
    """
    if isinstance(error, _CONTROL_FLOW):
        raise error
    if isinstance(error, HeadlightError):
        log.info("%s: %s", doing, error)
        return str(error)
    log.error("%s failed", doing, exc_info=error)
    remedy = _REMEDIES.get(doing.split(" ", 1)[0], "Try again.")
    return f"Something went wrong that Headlight did not expect; the details are in the server's log. {remedy}"


@contextmanager
def failures_shown(doing: str) -> Iterator[None]:
    """Show any error inside as one sentence, including a panic of Rust code, which is no Exception."""
    try:
        yield
    except BaseException as error:
        st.error(escape_markdown(describe_error(error, doing)), icon=":material/error:")


def show_notices(notices: Sequence[str]) -> None:
    """Show notices in one box, since each box would move the pictures down by three lines."""
    if notices:
        written = [escape_markdown(notice) for notice in notices]
        st.warning("\n".join(f"- {each}" for each in written) if written[1:] else written[0], icon=":material/info:")


def guarded(function: Callable[Given, None]) -> Callable[Given, None]:
    """Return a part of a page that shows its own errors: Streamlit reruns a fragment without the code around it."""

    @wraps(function)
    def show_failures(*arguments: Given.args, **options: Given.kwargs) -> None:
        with failures_shown("showing the page"):
            function(*arguments, **options)

    return show_failures


def escape_markdown(text: str) -> str:
    """Return Markdown that shows `text` literally, on one line: no link, image, emphasis, emoji or TeX."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))
