"""The selected head of the page "Heads": it opens in Inspect, and the heads that are like it are named."""

from __future__ import annotations

import streamlit as st

from ui.panels.heads_open import open_in_inspect
from ui.services.head_numbers import HeadDistances, HeadNumbers
from ui.state.heads import HEADS
from viz.figures.measures_scale import head_numbers

MOST_LIKE = 6


def head_controls(numbers: HeadNumbers) -> None:
    """Show the box of the selected head, the button that opens it in Inspect, and what a click does."""
    heads = [f"{layer}.{head}" for layer, head in head_numbers(numbers.table)]
    if HEADS.current().head not in ("", *heads):
        st.info(f"There is no head {HEADS.current().head} here: no head is selected.")
        HEADS.update(head="")
    with st.container(key="head-row", horizontal=True, vertical_alignment="bottom", gap="small"):
        st.selectbox(
            "Selected head",
            ["", *heads],
            **HEADS.widget_args("head", labels=heads),
            format_func=_name,
            width=190,
        )
        st.button(
            "Open in Inspect",
            key="open head",
            type="primary",
            icon=":material/open_in_new:",
            on_click=open_in_inspect,
            disabled=not HEADS.current().head,
        )
        st.toggle(
            "A click opens Inspect",
            **HEADS.widget_args("opens"),
            help="Off, a click on a head in a picture or on the box of a row selects the head here.",
        )


def _name(head: str) -> str:
    layer, _, number = head.partition(".")
    return f"Layer {layer}, head {number}" if head else "None"


def show_like(distances: HeadDistances | None) -> None:
    """Name the heads that are nearest to the selected one, if their distances are known; each selects it."""
    selected = HEADS.current().selected
    if selected is None:
        st.caption("Select a head to see which heads are like it.")
        return
    if distances is None:
        return
    apart = distances.distance[selected].drop(selected).dropna().sort_values(kind="stable").head(MOST_LIKE)
    with st.container(key="like-row", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"Heads like layer {selected[0]}, head {selected[1]}",
            width="content",
            help="The number is the mean Jensen-Shannon divergence of their rows in bits: 0 is the same attention, 1 "
            "has nothing in common. A button selects the head.",
        )
        for (layer, head), value in zip(head_numbers(apart.to_frame()), apart.tolist(), strict=True):
            st.button(
                f"{layer}.{head} · {value:.3f}",
                key=f"like {layer}.{head}",
                on_click=HEADS.update,
                kwargs={"head": f"{layer}.{head}"},
            )
