"""What a page reads: its controls, the trace that comes of it, and what has to be said of it."""

from __future__ import annotations

import streamlit as st

from analysis.trust.notices import may_wait
from analysis.truth import truth_of
from models import AttentionTrace, Model
from models.input_builder import OWN_TEXT_NOTICE
from ui.messages import describe_error, escape_markdown, show_notices
from ui.panels.causes_changes import change_notices
from ui.panels.causes_traces import Traced, traced
from ui.panels.conversation import reads_conversation
from ui.panels.picture_input import picture_controls
from ui.panels.sentences import sentence_controls
from ui.panels.sound_input import sound_controls
from ui.panels.text_input import text_input
from ui.panels.trace_details import describe_trace
from ui.panels.trace_file import Shown
from ui.state import link
from ui.state.inspect import INSPECT


def show_reading(
    shown: Shown, notices: list[str], *, verb: str = "Inspect", all_lines: bool = False, has_trust: bool = True
) -> tuple[AttentionTrace | None, Traced | None]:
    """Show what was read, and what has to be said of it; return the trace, None if there is none.

    With a model, the trace comes with the one before the visitor's changes. `verb` is on the button beside the text. A
    page that shows `all_lines` offers to read each line by itself, and no choice between them. On a page that
    `has_trust`, what leaves the pictures as they are read is said in the panel of trust alone.
    """
    model, opened = shown.model, shown.opened
    both: Traced | None = None
    said: list[str] = []
    if opened is not None:
        describe_trace(opened)
        trace: AttentionTrace | None = opened.trace
    else:
        assert model is not None  # the page shows one of both
        _controls(model, verb, all_lines)
        both = _trace(model)
        trace = None if both is None else both.trace
        said = list(model.card.notices)
        notices = [*notices, *change_notices()]
    if trace is not None:
        # If the right answer is known, the panel of the task says what the model wrote.
        known = model is not None and any(truth_of(trace[kind]) is not None for kind in trace.kinds)
        # What the changes did is said where they are listed.
        of_trace = trace.notices if both is None else both.untouched.notices
        said += [notice for notice in of_trace if not (known and notice == OWN_TEXT_NOTICE)]
    show_notices([*notices, *(notice for notice in said if not (has_trust and may_wait(notice)))])
    return trace, both


def _controls(model: Model, verb: str, all_lines: bool) -> None:
    """Show the controls of what the model reads: a picture, a sound, a text."""
    if model.card.modality in ("image", "text and image"):
        picture_controls(model)
    if model.card.modality == "sound":
        sound_controls(model)
    if model.card.modality in ("text", "text and image"):
        text_input(model, verb, all_lines=all_lines)
        if not reads_conversation(model):
            sentence_controls(all_lines=all_lines)


def _trace(model: Model) -> Traced | None:
    """Return the traces of the chosen text; None if it cannot be traced, with one sentence about why."""
    try:
        return traced(model)
    except BaseException as error:
        st.error(escape_markdown(describe_error(error, "tracing")), icon=":material/error:")
        return None


def show_about_address(shown: Shown, trace: AttentionTrace) -> None:
    """Say what the address does not restore, if there is such a thing."""
    about = _about_address(shown, trace)
    if about:
        st.caption(about)


def _about_address(shown: Shown, trace: AttentionTrace) -> str:
    if shown.opened is not None:
        return "" if shown.opened.own else "The trace is in no link: whoever opens the address needs the file too."
    if trace.image is not None:
        return "The picture is in no link: the address restores everything but the picture."
    if trace.source.audio is not None:
        return "The sound is in no link: the address restores everything but the sound."
    if not link.fits_link(INSPECT.current()):
        return "The text is too long for a link: the address restores everything but the text."
    return ""
