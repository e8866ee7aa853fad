"""Which attention and which head the page shows first, and what exports show: the browser's selection, fitted."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from analysis.selection import Region, Selection, nearest_head
from analysis.truth import truth_of
from models import Attention, AttentionTrace, Model
from models.method_names import name_method
from ui.panels.examples import example_of
from ui.panels.truth import best_head
from ui.state.inspect import INSPECT, head_is_chosen, mark_head_chosen, opened_selection


def choose_kind(trace: AttentionTrace) -> Attention:
    """Show the kinds of attention if there are several, and return the chosen one."""
    choice = INSPECT.current()
    kind = choice.kind
    if kind not in trace.kinds:
        kind = _first_kind(trace)
        if choice.kind:
            st.info(f"There is no {choice.kind} attention here: {kind} attention is shown instead.")
        if kind != choice.kind and len(trace.kinds) > 1:
            INSPECT.update(kind=kind)
    if len(trace.kinds) > 1:
        st.segmented_control(
            "Attention", trace.kinds, **INSPECT.widget_args("kind"), required=True, label_visibility="collapsed"
        )
    return trace[kind]


def _first_kind(trace: AttentionTrace) -> str:
    """Return the kind to show first: that of a task's right answers; when words listen to a sound; else the first."""
    known = [kind for kind in trace.kinds if truth_of(trace[kind]) is not None]
    listening = [kind for kind in trace.kinds if kind == "cross" and trace.source.audio is not None]
    return next(iter([*known, *listening, *trace.kinds]))


def open_head(model: Model | None, att: Attention) -> None:
    """Choose the head to show first, where neither the link nor the visitor has chosen one.

    A trace from a file has no model, whose best heads are known.
    """
    if head_is_chosen():
        return
    mark_head_chosen()
    choice = INSPECT.current()
    example = None if model is None or choice.messages else example_of(choice.model, choice.text)
    best = None if model is None else best_head(model)
    if best is not None:
        INSPECT.select(layer=best[0], head=best[1])
    elif example is not None and not (choice.token or choice.region):
        INSPECT.select(**example.selection)
    else:
        layer, head = nearest_head(att, choice.layer, choice.head)
        INSPECT.select(layer=layer, head=head)


def open_sound(att: Attention) -> None:
    """Show the frames of a sound first, without the padding after its end, where no other region is chosen."""
    here = (att.source.audio, att.kind, att.n_query)
    opened, earlier = st.session_state.get("sound opened", (None, ""))
    if att.source.audio is None or here == opened:
        return
    n_heard = sum(not key.special for key in att.key_tokens)
    n_queries = att.n_query if att.kind == "cross" else n_heard
    padded_at_end = 0 < n_heard < att.n_key and not any(key.special for key in att.key_tokens[:n_heard])
    region = str(Region(range(n_queries), range(n_heard))) if padded_at_end else ""
    st.session_state["sound opened"] = (here, region)
    if INSPECT.current().region in ("", earlier) and region != INSPECT.current().region:
        INSPECT.select(region=region)


def fitted_selection(att: Attention) -> Selection:
    """Return what the browser shows, as far as it has reported it; say what of a link this text does not have."""
    if _is_opened_with(att):
        opened = opened_selection(INSPECT.opening())
        # A map that goes down from a layer has no heads to choose, so that there is nothing to say of them.
        down = name_method(att.method).down
        _, notices = (replace(opened, heads=(0,)) if down else opened).fit(att)
        for notice in notices:
            st.info(notice)
    fitted, _ = INSPECT.current().selection().fit(att)
    return fitted


def _is_opened_with(att: Attention) -> bool:
    """Return whether the opening was chosen for this text: the browser adapts it to later ones."""
    opening, here = INSPECT.opening(), (att.source, att.kind, att.method)
    if st.session_state.get("opening seen", ("",))[0] != opening.id:
        st.session_state["opening seen"] = (opening.id, here)
    return st.session_state["opening seen"][1] == here
