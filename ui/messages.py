"""What went wrong, as one sentence for the visitor; the details are for the log."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import streamlit as st
from streamlit.runtime.scriptrunner_utils.exceptions import ScriptControlException

from models import HeadlightError

log = logging.getLogger("headlight.ui")
Given = ParamSpec("Given")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Not failures: Streamlit ends a run with them, and Python a program.
_NO_FAILURES = (ScriptControlException, KeyboardInterrupt, SystemExit, GeneratorExit)
# What helps against an unexpected failure depends on what failed: the first word of what was being done.
_REMEDIES = {
    "opening": "Choose another model, or try again.",
    "replaying": "Choose another task, or train it yourself.",
    "tracing": "Try another text.",
    "looking": "Try another text or head.",
    "starting": "Try other settings.",
    "resuming": "Start a new training.",
    "showing": "Reload the page.",
}


def describe_error(error: BaseException, doing: str) -> str:
    """Return a refusal as it is, and of an error that nobody expected what failed, and what may help.

    `doing` says what was being done, as in "opening 'minilm'" or "tracing": it goes into the log, its first word
    into the sentence. What only ends a run or the program is raised again.
    """
    if isinstance(error, _NO_FAILURES):
        raise error
    if isinstance(error, HeadlightError):
        log.info("%s: %s", doing, error)
        return str(error)
    log.error("%s failed", doing, exc_info=error)
    remedy = _REMEDIES.get(doing.split(" ", 1)[0], "Try again.")
    return f"Something went wrong that Headlight did not expect; the details are in the server's log. {remedy}"


@contextmanager
def failures_shown(doing: str) -> Iterator[None]:
    """Show whatever fails inside as one sentence: also a panic of Rust code, which is no Exception."""
    try:
        yield
    except BaseException as error:
        st.error(escape_markdown(describe_error(error, doing)), icon=":material/error:")


def guarded(function: Callable[Given, None]) -> Callable[Given, None]:
    """Return a part of a page that shows its own failure; Streamlit runs a fragment without what is around it."""

    @wraps(function)
    def guard(*arguments: Given.args, **options: Given.kwargs) -> None:
        with failures_shown("showing the page"):
            function(*arguments, **options)

    return guard


def escape_markdown(text: str) -> str:
    """Return Markdown that shows `text` to the letter, on one line: no link, image, emphasis, emoji or TeX."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))
