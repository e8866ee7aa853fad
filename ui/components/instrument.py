"""The instrument as a Streamlit component: bytes to the browser, the selection back (docs/decisions/0019)."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from viz.browser import loader, style

# Without a shadow root: Plotly puts its styles into the document.
_instrument = st.components.v2.component(
    "headlight_instrument", css=style("instrument"), js=loader("instrument_on_page"), isolate_styles=False
)


def instrument(message: bytes, on_selection: Callable[[str, int], None]) -> None:
    """Show a trace; `on_selection(text, number)` is called with the browser's selection, written as in a link.

    The browser may send anything: the text is not checked here.
    """

    def selected() -> None:
        value = st.session_state["instrument"].selection
        try:
            text, number = str(value["text"]), int(value["number"])
        except (TypeError, ValueError, KeyError, OverflowError):
            return
        on_selection(text, number)

    _instrument(key="instrument", data=message, on_selection_change=selected)
