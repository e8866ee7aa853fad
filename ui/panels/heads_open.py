"""From a head of the page "Heads" to the same head on the Inspect page, and from there to all heads as numbers."""

from __future__ import annotations

import streamlit as st

from models.method_names import name_method
from ui.navigation import go, heads_page, inspect_page
from ui.state.heads import HEADS
from ui.state.inspect import INSPECT, mark_head_chosen
from viz.method_words import ATTENTION

# The session's key of what the browser does after a click.
_GOES = "heads goes"


def choose_head(layer: int, head: int) -> None:
    """Select the head that was clicked, and open it on the Inspect page if that is what a click does."""
    HEADS.update(head=f"{layer}.{head}")
    if HEADS.current().opens:
        open_in_inspect()


def open_in_inspect() -> None:
    """Let the Inspect page show the selected head of what both pages read, and go there in the next run."""
    selected = HEADS.now().selected
    if selected is None:
        return
    if name_method(INSPECT.now().show).down:
        INSPECT.update(show=ATTENTION)  # such a map has no single heads
    INSPECT.select(layer=selected[0], head=selected[1], heads="")
    mark_head_chosen()
    st.session_state[_GOES] = True


def go_if_asked() -> None:
    """Go to the Inspect page if a click has asked for it: Streamlit leaves a page only while it runs."""
    if st.session_state.pop(_GOES, False):
        go(inspect_page())


def link_to_heads() -> None:
    """Show the button of the Inspect page that shows all heads as numbers, for what it reads."""
    if st.button(
        "All heads as numbers",
        icon=":material/table_chart:",
        key="to heads",
        help="Measures of all heads, as a table and as pictures.",
    ):
        choice = INSPECT.current()
        HEADS.arrive(head=f"{choice.layer}.{choice.head}")
        go(heads_page())
