"""The query of the page "Heads": heads whose numbers satisfy a condition."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis.measures import find_heads
from models import HeadlightError
from ui.messages import escape_markdown
from ui.state.heads import HEADS
from viz.figures.measures_scale import head_numbers

EXAMPLES = (
    "previous > 0.8 and entropy < 1",
    "separator > 0.5",
    "first > 0.5",
    "same_token > 0.3",
    "confidence > 0.9 or entropy < 0.5",
    "sink and not pattern = vertical",
)
# So many heads are named in the sentence of what was found.
MOST_NAMED = 12


def find_controls(row: DeltaGenerator, table: pd.DataFrame) -> None:
    """Show the query box in a row of the page."""
    with row:
        st.text_input(
            "Find heads",
            **HEADS.widget_args("find"),
            placeholder=EXAMPLES[0],
            icon=":material/search:",
            width=360,
            help="Comparisons of measures with numbers, joined by `and`, `or`, `not` and brackets; `sink` alone, and "
            "`pattern = diagonal`. Measures: " + ", ".join(f"`{name}`" for name in table.columns) + ".",
        )
        st.menu_button("Example queries", EXAMPLES, key="find examples", on_click=_choose_example)
        if HEADS.current().find:
            st.button("Show all", key="find nothing", on_click=HEADS.update, kwargs={"find": ""})


def find(table: pd.DataFrame) -> set[tuple[int, int]] | None:
    """Return the heads that the query finds, and say which they are; None if there is no query or a bad one."""
    query = HEADS.current().find.strip()
    if not query:
        return None
    try:
        found = head_numbers_or_none(find_heads(table, query))
    except HeadlightError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return None
    _say_what_was_found(found, len(table))
    return set(found)


def head_numbers_or_none(table: pd.DataFrame) -> list[tuple[int, int]]:
    """Return the heads of a table that may have no rows."""
    return head_numbers(table) if len(table) else []


def _say_what_was_found(found: list[tuple[int, int]], n_heads: int) -> None:
    if not found:
        st.markdown(f"None of the {n_heads} heads satisfies this. Try a smaller bound.")
        return
    names = ", ".join(f"{layer}.{head}" for layer, head in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    st.markdown(f"**{len(found)} of {n_heads} heads** (layer.head): {names}{more}")


def _choose_example() -> None:
    chosen = st.session_state["find examples"]
    if chosen in EXAMPLES:
        HEADS.update(find=chosen)
