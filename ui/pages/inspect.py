"""The Inspect page: a sentence, all heads of a model, and one head in detail."""

from __future__ import annotations

import streamlit as st

from models import Attention, AttentionTrace
from models.method_names import name_method
from ui.messages import guarded
from ui.panels.causes import causes_panel, show_consequences
from ui.panels.causes_difference import describe_difference
from ui.panels.causes_task import task_effects_panel
from ui.panels.causes_traces import Traced
from ui.panels.conversation import reads_conversation
from ui.panels.export import export_controls
from ui.panels.head_pictures import show_patches, show_signal, show_sound
from ui.panels.heads_open import link_to_heads
from ui.panels.instrument import show_instrument
from ui.panels.maps import ATTENTION, choose_method, derived_map
from ui.panels.outputs import show_outputs
from ui.panels.reading import show_about_address, show_reading
from ui.panels.selection import choose_kind, fitted_selection, open_head, open_sound
from ui.panels.sentences import sentences_of
from ui.panels.trace_details import save_controls
from ui.panels.trace_file import Shown, choose_source
from ui.panels.trust import trust_panel
from ui.panels.truth import heads_panel, task_panel
from ui.state.inspect import INSPECT
from viz.figures.base import Subject
from viz.figures.signal import Signal
from viz.figures.sound import SoundFigure


def page() -> None:
    """Show what is read, its trace and the pictures, from top to bottom."""
    about_link = INSPECT.restore()
    row = st.container(key="model-row", horizontal=True, vertical_alignment="center", gap="small")
    shown = choose_source(row)
    if shown.model is None and shown.opened is None:
        INSPECT.publish()
        return
    about_map = st.container(key="about-map")
    # In a container of their own: a sentence that comes or goes must not move the instrument to another place among the
    # elements of the page, where Streamlit would draw it anew.
    above = st.container()
    with above:
        trace, both = show_reading(shown, [*about_link, *shown.notices])
    if trace is None:
        INSPECT.publish()
        return
    with row:
        of_model = choose_kind(trace)
        choose_method()
        link_to_heads()
    with about_map:
        moved = None if both is None else both.difference(of_model.kind)
        if moved is not None:
            describe_difference(moved)
        att = moved or derived_map(shown, trace, of_model)
    save_controls(shown, trace)
    if shown.model is not None:
        with above:
            task_panel(shown.model, trace)
    _pictures(shown, trace, att, both, is_derived=att is not of_model)


@st.fragment
@guarded
def _pictures(shown: Shown, trace: AttentionTrace, att: Attention, both: Traced | None, *, is_derived: bool) -> None:
    """Show the instrument, the exports, and the pictures that follow the instrument's selection.

    The browser reports a selection a moment after the visitor's last change; this part alone runs then.
    """
    model, opened = shown.model, shown.opened
    open_head(model, att)
    open_sound(att)
    with st.container():
        selection, choice = fitted_selection(att), INSPECT.current()
    options, subject = choice.draw_options(), Subject(att, trace.image)
    # A container that is always there: answers that come or go must not move the instrument.
    with st.container(key="outputs"):
        with st.container(gap="xsmall"):
            if both is None or both.changed is None:
                show_outputs(trace, att, selection)
            show_consequences(shown.model, both, att, selection)
        # The worst that the checks find must be seen without scrolling; they run after the pictures are on their way.
        with st.container(key="questions", horizontal=True, gap="medium"):
            causes_panel(shown.model, both, att, selection)
            about_trust = st.container(key="trust-place")
    with_text = trace.image is not None and trace.source.text != ""
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
    # The traces of the other texts are attentions, over which no other map can be ranked.
    alone = model is None or reads_conversation(model) or att.method != ATTENTION
    sentences = [] if model is None or alone else sentences_of(model, att)
    show_instrument(att, sentences, file="" if opened is None else opened.name, is_derived=is_derived)
    layer, head = selection.of_one_head()
    if Signal().fits(subject):
        show_signal(subject, selection, options)
    if trace.image is not None and not with_text:
        show_patches(subject, selection, options)
    if model is not None:
        heads_panel(model, layer, -1 if name_method(att.method).down else head)
        task_effects_panel(model)
    with about_trust:
        trust_panel(shown, trace)
    show_about_address(shown, trace)


page()
