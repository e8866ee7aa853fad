"""The Inspect page: a sentence, all heads of a model, and one head in detail."""

from __future__ import annotations

import streamlit as st

from analysis.truth import truth_of
from models import Attention, AttentionTrace, Model
from models.input_builder import OWN_TEXT_NOTICE
from ui.messages import describe_error, escape_markdown, guarded
from ui.panels import trace_request
from ui.panels.conversation import reads_conversation
from ui.panels.export import export_controls
from ui.panels.head_pictures import show_patches, show_signal, show_sound
from ui.panels.instrument import show_instrument
from ui.panels.model_picker import choose_model
from ui.panels.outputs import show_outputs
from ui.panels.picture_input import picture_controls
from ui.panels.selection import choose_kind, fitted_selection, open_head, open_sound
from ui.panels.sentences import sentence_controls, sentences_of
from ui.panels.sound_input import sound_controls
from ui.panels.text_input import text_input
from ui.panels.truth import heads_panel, task_panel
from ui.state import link
from ui.state.inspect import INSPECT
from viz.figures.base import Subject
from viz.figures.signal import Signal
from viz.figures.sound import SoundFigure


def page() -> None:
    """Show the text, its trace and the pictures, from top to bottom."""
    about_link = INSPECT.restore()
    row = st.container(key="model-row", horizontal=True, vertical_alignment="center", gap="small")
    model = choose_model(row)
    if model is None:
        INSPECT.publish()
        return
    # In a container of their own: a sentence that comes or goes must not move the instrument to another place among the
    # elements of the page, where Streamlit would draw it anew.
    above = st.container()
    with above:
        trace = _inputs(model, about_link)
    if trace is None:
        INSPECT.publish()
    else:
        with row:
            att = choose_kind(trace)
        with above:
            task_panel(model, trace)
        _pictures(model, trace, att)


def _inputs(model: Model, about_link: list[str]) -> AttentionTrace | None:
    """Show what the model reads, and what has to be said of it; return the trace, None if there is none."""
    if model.card.modality in ("image", "text and image"):
        picture_controls(model)
    if model.card.modality == "sound":
        sound_controls(model)
    if model.card.modality in ("text", "text and image"):
        text_input(model)
        if not reads_conversation(model):
            sentence_controls()
    notices = [*about_link, *model.card.notices]
    trace = _trace(model)
    if trace is not None:
        # If the right answer is known, the panel of the task says what the model wrote.
        known = any(truth_of(trace[kind]) is not None for kind in trace.kinds)
        notices += [notice for notice in trace.notices if not (known and notice == OWN_TEXT_NOTICE)]
    if notices:
        # In one box, since each box would move the pictures down by three lines.
        written = [escape_markdown(notice) for notice in notices]
        st.warning("\n".join(f"- {each}" for each in written) if written[1:] else written[0], icon=":material/info:")
    return trace


def _trace(model: Model) -> AttentionTrace | None:
    """Return the trace of the chosen text; None if it cannot be traced, with one sentence about why."""
    try:
        return trace_request.trace(model)
    except BaseException as error:
        st.error(escape_markdown(describe_error(error, "tracing")), icon=":material/error:")
        return None


@st.fragment
@guarded
def _pictures(model: Model, trace: AttentionTrace, att: Attention) -> None:
    """Show the instrument, the exports, and the pictures that follow the instrument's selection.

    The browser reports a selection a moment after the visitor's last change; this part alone runs then.
    """
    open_head(model, att)
    open_sound(att)
    with st.container():
        selection, choice = fitted_selection(att), INSPECT.current()
    options, subject = choice.draw_options(), Subject(att, trace.image)
    # A container that is always there: answers that come or go must not move the instrument.
    with st.container(key="outputs"):
        show_outputs(trace, att, selection)
    with_text = model.card.modality == "text and image" and trace.image is not None
    with st.container(key="export-row", horizontal=True, horizontal_alignment="right", gap="small"):
        export_controls(subject, selection, options)
    # A container in every run: the instrument must not move to another place among the elements of the page.
    with st.container():
        if SoundFigure().fits(subject):
            show_sound(subject, selection, options)
        if with_text:
            show_patches(subject, selection, options)
    # The browser adds the history entry of a new text before the instrument fits its selection to it: else the entry of
    # the text before would get that selection.
    INSPECT.publish()
    show_instrument(att, [] if reads_conversation(model) else sentences_of(model, att))
    layer, head = selection.of_one_head()
    if Signal().fits(subject):
        show_signal(subject, selection, options)
    if trace.image is not None and not with_text:
        show_patches(subject, selection, options)
    heads_panel(model, layer, head)
    if trace.image is not None:
        st.caption("The picture is in no link: the address restores everything but the picture.")
    elif model.card.modality == "sound":
        st.caption("The sound is in no link: the address restores everything but the sound.")
    elif not link.fits_link(choice):
        st.caption("The text is too long for a link: the address restores everything but the text.")


page()
