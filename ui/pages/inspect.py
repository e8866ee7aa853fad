"""The Inspect page: a sentence, all heads of a model, and one head in detail."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from analysis.truth import truth_of
from models import AttentionTrace, Model
from models.model_input import OWN_TEXT_NOTICE
from ui.messages import describe_error, escape_markdown, guarded
from ui.panels import trace_request
from ui.panels.export import export_controls
from ui.panels.head_controls import fit_selection, head_controls
from ui.panels.head_pictures import show_heatmap, show_patches, show_signal, show_token_graph
from ui.panels.measures import show_measures, show_pairs
from ui.panels.model_picker import choose_model
from ui.panels.overview import overview
from ui.panels.picture_input import picture_controls
from ui.panels.regions import region_controls
from ui.panels.text_input import text_input
from ui.panels.truth import heads_panel, task_panel
from ui.state import link
from ui.state.inspect import INSPECT
from viz.figures.base import Subject
from viz.figures.signal import Signal
from viz.figures.token_graph import readable_region

_STYLE = Path(__file__).parents[1] / "style.css"


def page() -> None:
    """Show the text, its trace and the pictures, from top to bottom."""
    st.html(_STYLE)
    about_link = INSPECT.restore()
    model = choose_model()
    if model is None:
        INSPECT.publish()
        return
    if model.card.modality == "image":
        picture_controls(model)
    else:
        text_input(model)
    notices = [*about_link, *model.card.notices]
    trace = _trace(model)
    if trace is not None:
        # If the right answer is known, the panel of the task says what the model wrote.
        known = any(truth_of(trace[kind]) is not None for kind in trace.kinds)
        notices += [notice for notice in trace.notices if not (known and notice == OWN_TEXT_NOTICE)]
    for notice in notices:
        st.warning(escape_markdown(notice), icon=":material/info:")
    if trace is None:
        INSPECT.publish()
    else:
        task_panel(model, trace)
        _heads(model, trace)


def _trace(model: Model) -> AttentionTrace | None:
    """Return the trace of the chosen text; None if it cannot be traced, with one sentence about why."""
    try:
        return trace_request.trace(model)
    except BaseException as error:
        st.error(escape_markdown(describe_error(error, "tracing")), icon=":material/error:")
        return None


@st.fragment
@guarded
def _heads(model: Model, trace: AttentionTrace) -> None:
    """Show all heads and the chosen one; choosing another reruns this part alone.

    The pictures of the chosen head are sent first, into containers that exist before: the visitor waits for them.
    """
    INSPECT.now()
    att, selection = fit_selection(trace)
    choice = INSPECT.current()
    options, subject = choice.draw_options(), Subject(att, trace.image)
    layer, head = selection.of_one_head()
    controls = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    with st.container(key="pictures"):
        left, detail = st.columns([6, 5], gap="medium")
        lines, numbers = st.columns([6, 5], gap="medium")
    with lines:
        show_token_graph(subject, selection, options)
    with detail:
        show_heatmap(subject, selection, options)
        region_controls(att, choice)
    with left:
        overview(att, (layer, head), options)
        if Signal().fits(subject):
            show_signal(subject, selection, options)
    with controls:
        head_controls(trace, att, readable_region(att, selection))
        export_controls(subject, selection, options)
    # The maps of a small model leave room for other pictures below them.
    with left if model.card.task else numbers:
        if trace.image is not None:
            show_patches(subject, selection, options)
    with numbers:
        show_measures(att, layer, head)
        show_pairs(att, selection)
        heads_panel(model, layer, head)
    if trace.image is not None:
        st.caption("The picture is in no link: the address restores everything but the picture.")
    elif not link.fits_link(choice):
        st.caption("The text is too long for a link: the address restores everything but the text.")
    INSPECT.publish()


page()
