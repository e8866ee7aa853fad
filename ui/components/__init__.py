"""The pictures that live in the browser, as Streamlit components. Their JavaScript is in viz/browser.

Everything that can be clicked here can also be reached by an ordinary widget of the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic

import plotly.graph_objects as go
import streamlit as st

from viz.browser import script, style
from viz.wire.packing import pack_chart

# Plotly puts its styles into the document, where a shadow root would not see them.
_chart = st.components.v2.component("headlight_chart", css=style("chart"), js=script("chart"), isolate_styles=False)
_training = st.components.v2.component("headlight_training", css=style("training"), js=script("training"))
# These have no picture. What they bring would otherwise be sent again with every message of a picture.
_frames = st.components.v2.component("headlight_frames", js=script("frames"))
_address = st.components.v2.component("headlight_address", js=script("address"))
_connection = st.components.v2.component("headlight_connection", js=script("connection"))

# What a message of another shape ends in: none of our pictures sends one, and there may be no message (None).
_FORGED = (TypeError, ValueError, KeyError, OverflowError)


def connection() -> None:
    """Run the page when its browser has lost the server and found it again; last in a run, outside of any fragment.

    A server that was started anew has no fragments yet, and runs none that a message asks for. Another number in each
    run tells the browser that the page is drawn. The message of the browser has the query of its URL, which the new
    session reads (ui/state/open_page.py).
    """
    _connection(key="connection", data=monotonic(), height=1, on_found_change=lambda: None)


def chart(
    figure: go.Figure,
    key: str,
    alt: str,
    *,
    buttons: bool = False,
    on_box: Callable[[list[float], list[float]], None] | None = None,
    on_point: Callable[[int, int], None] | None = None,
) -> None:
    """Show a Plotly figure in a chart that stays when the figure changes; `st.plotly_chart` makes a chart anew.

    `on_box(x, y)` is called with the ends of a box that a visitor draws, in the units of the axes; `on_point(layer,
    head)` with the head that a clicked point stands for, its `customdata`.
    """

    def boxed() -> None:
        box = st.session_state[key].box
        try:
            x, y = ([float(end) for end in box[side]] for side in "xy")
        except _FORGED:
            return
        if on_box is not None and len(x) == len(y) == 2 and all(map(math.isfinite, (*x, *y))):
            on_box(x, y)

    def pointed() -> None:
        try:
            layer, head = map(int, st.session_state[key].point)
        except _FORGED:
            return
        if on_point is not None:
            on_point(layer, head)

    packed = pack_chart(figure, alt, buttons=buttons, clicks=on_point is not None)
    _chart(key=key, data=packed, on_box_change=boxed, on_point_change=pointed)


def address_bar(
    query: str, step: str, went: int, on_went: Callable[[str, int, int], None], *, selection: str | None = None
) -> None:
    """Make the browser's URL end in a query and the selection that the browser shows.

    Args:
        query: the parameters that the server owns.
        step: a change of it adds an entry to the browser's history; within a step, the present entry is renamed.
        went: the number of the last Back or Forward that the page has answered.
        on_went: called as `on_went(query, number, selected)` for Back and Forward, with the query to which they lead.
        selection: the parameters of the selection until the browser has one; None for a page that has no selection.
    """

    def gone() -> None:
        try:
            number, query, selected = st.session_state["address"].went
            number, selected = int(number), int(selected)
        except _FORGED:
            return
        on_went(str(query), number, selected)

    shown = {"query": query, "step": step, "went": went, "selection": selection}
    _address(key="address", data=shown, height=1, on_went_change=gone)


def training_picture(scene: bytes, frames: bytes, on_lacks: Callable[[], None]) -> None:
    """Show a training; `on_lacks()` is called when the browser has missed frames, so that all are sent again."""
    _training(key="training", data=scene, on_lacks_change=on_lacks)
    _frames(key="training frames", data=frames, height=1)
