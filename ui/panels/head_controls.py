"""The ordinary widgets that choose a head and how it is drawn, and what is shown if the text has no such head."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from analysis.selection import Region, Selection, nearest_head
from analysis.truth import truth_of
from models import Attention, AttentionTrace
from ui.state.inspect import AUTOMATIC, INSPECT, choose_selection, head_is_chosen, mark_head_chosen
from viz.colours import CONTRASTS, PALETTES
from viz.labels import label, tokens_in

_CONTRAST_NAMES = {"linear": "linear", "root": "square root"}


def fit_selection(trace: AttentionTrace) -> tuple[Attention, Selection]:
    """Return the chosen attention and the nearest selection that it has; a sentence on the page tells each change."""
    choice = INSPECT.current()
    kind = choice.kind
    if kind not in trace.kinds:
        # A model of a task opens with the attention whose right answers are known.
        kind = next((each for each in trace.kinds if truth_of(trace[each]) is not None), trace.kinds[0])
        if choice.kind:
            st.info(f"There is no {choice.kind} attention here: {kind} attention is shown instead.")
    att, selection = trace[kind], choice.selection()
    if not head_is_chosen():
        layer, head = nearest_head(att, choice.layer, choice.head)
        selection = replace(selection, layer=layer, heads=(head,))
    mark_head_chosen()
    selection, notices = selection.fit(att)
    for notice in notices:
        st.info(notice)
    choose_selection(selection)
    return att, selection


def head_controls(trace: AttentionTrace, att: Attention, shown: Region) -> None:
    """Show the controls of kind, layer, head and drawing, and of the token to isolate among those in `shown`."""
    if len(trace.kinds) > 1:
        st.selectbox("Attention", trace.kinds, **INSPECT.widget_args("kind"), width=130)
    st.selectbox("Layer", range(att.n_layers), **INSPECT.widget_args("layer"), width=95)
    st.selectbox("Head", range(att.heads_in(INSPECT.current().layer)), **INSPECT.widget_args("head"), width=95)
    st.slider(
        "Flow threshold",
        0.0,
        1.0,
        step=0.01,
        **INSPECT.widget_args("threshold"),
        width=200,
        help="Lines below this weight are left out; the flow says how much attention stays.",
    )
    st.selectbox("Colours", (AUTOMATIC, *PALETTES), **INSPECT.widget_args("palette"), width=140)
    st.selectbox(
        "Contrast",
        tuple(CONTRASTS),
        **INSPECT.widget_args("contrast"),
        width=140,
        format_func=_CONTRAST_NAMES.__getitem__,
        help="With square root, colour and opacity follow the root of the weight, which shows weak attention.",
    )
    if truth_of(att) is not None:
        st.toggle("Truth", **INSPECT.widget_args("truth"), help="Outline where the right answer stands.")
    names = {"": "all tokens", **_labels_by_name(att, shown)}
    st.selectbox(
        "Isolate",
        tuple(names),
        **INSPECT.widget_args("token"),
        width=140,
        format_func=lambda name: names.get(name, name),
        help="Shows the flow of one token alone, as a click on it does.",
    )


def _labels_by_name(att: Attention, region: Region) -> dict[str, str]:
    """Return the labels of a region's tokens by their names, such as "query:8"."""
    queries, keys = tokens_in(att, region)
    sides = (("query", queries, region.queries), ("key", keys, region.keys))
    return {
        f"{side}:{position}": f"{label(token)} ({side} {position})"
        for side, tokens, span in sides
        for position, token in zip(span, tokens, strict=True)
    }
