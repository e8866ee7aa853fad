"""The canvas pictures as Streamlit components. Their JavaScript stands in viz/browser, which exports share.

Everything that can be clicked here can also be reached by an ordinary widget of the page.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from viz.browser import script, style

_grid = st.components.v2.component("headlight_grid", css=style("grid"), js=script("grid"))
_flow = st.components.v2.component("headlight_flow", css=style("flow"), js=script("flow"))
_training = st.components.v2.component("headlight_training", css=style("training"), js=script("training"))
# Likewise the frames of a training: some come every second, and the picture's code and scene need not.
_frames = st.components.v2.component(
    "headlight_frames",
    js="""export default function ({ data }) {
  if (data === window.headlightFrames) return;
  window.headlightFrames = data;
  window.dispatchEvent(new CustomEvent("headlight-frames", { detail: data }));
}""",
)
# The grid's maps are bytes and would travel again with every selection; so the selection travels apart from them.
_pointer = st.components.v2.component(
    "headlight_pointer",
    js="""export default function ({ data }) {
  window.headlightSelection = data;
  window.dispatchEvent(new CustomEvent("headlight-selection", { detail: data }));
}""",
)


def head_grid(packed: bytes, selected: tuple[int, int], on_pick: Callable[[int, int], None]) -> None:
    """Show all heads; `on_pick(layer, head)` is called when one is clicked or reached by the arrow keys."""

    def picked() -> None:
        place = st.session_state["grid"].picked
        if place is not None:
            on_pick(int(place[0]), int(place[1]))

    _grid(key="grid", data=packed, on_picked_change=picked)
    _pointer(key="pointer", data=list(selected), height=1)


def flow_graph(packed: bytes, on_lock: Callable[[str], None]) -> None:
    """Show one head's lines; `on_lock` gets "query:8" when a token is locked by a click, "" when none is."""

    def locked() -> None:
        token = st.session_state["flow"].locked
        if token is not None:
            on_lock(str(token))

    _flow(key="flow", data=packed, on_locked_change=locked)


def training_picture(scene: bytes, frames: bytes, on_lacks: Callable[[], None]) -> None:
    """Show a training; `on_lacks()` is called when the browser has missed frames, so that all are sent again."""
    _training(key="training", data=scene, on_lacks_change=on_lacks)
    _frames(key="training frames", data=frames, height=1)
