"""The table of the page "Heads": a row for each head, to be sorted, searched and clicked."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from analysis.measures import MEASURES
from ui.panels.heads_open import choose_head
from ui.panels.heads_words import meaning_of, source_of
from ui.services.head_numbers import HeadNumbers
from viz.figures.measures_scale import UNDEFINED, title_of

# Pixels of a row, of the highest table, and of a column of shares.
ROW, MOST_HEIGHT, SHARE = 35, 460, 118
_KEY = "heads table"


def show_table(numbers: HeadNumbers, found: set[tuple[int, int]] | None) -> None:
    """Show the heads that were found, or all; a chosen row is a chosen head."""
    table = table_of(numbers, found)
    if table.empty:
        return
    heads = list(zip(table["layer"].tolist(), table["head"].tolist(), strict=True))
    # Another choice of rows is another widget: a number of a row would mean another head.
    key = f"{_KEY} {hash(tuple(heads))}"

    def chosen() -> None:
        rows = st.session_state[key].selection.rows
        if rows and 0 <= rows[0] < len(heads):
            choose_head(*heads[rows[0]])

    st.dataframe(
        table,
        key=key,
        hide_index=True,
        height=min(MOST_HEIGHT, ROW * (len(table) + 1) + 3),
        column_config=_columns(numbers, table),
        on_select=chosen,
        selection_mode="single-row",
    )
    undefined = [title_of(name) for name in numbers.table.columns if numbers.table[name].isna().all()]
    if undefined:
        st.caption(f"These measures are not defined here and have no column: {', '.join(undefined)}.")


def table_of(numbers: HeadNumbers, found: set[tuple[int, int]] | None) -> pd.DataFrame:
    """Return the rows to show: layer, head, the measures, and after each its spread if there are several texts.

    A measure that is defined for no head has no column.
    """
    table = numbers.whole.dropna(axis="columns", how="all")
    if found is not None:
        table = table[[head in found for head in table.index]]
    if "pattern" in table.columns:
        names = table["pattern"].where(table["pattern"].notna(), UNDEFINED)
        table = table.assign(pattern=names)[["pattern", *(name for name in table.columns if name != "pattern")]]
    return table.reset_index()


def _columns(numbers: HeadNumbers, table: pd.DataFrame) -> dict[str, Any]:
    """Return how each column looks: a bar for a share, a number with its unit, a name."""
    config = st.column_config
    columns: dict[str, Any] = {
        "layer": config.NumberColumn("Layer", width=60, pinned=True),
        "head": config.NumberColumn("Head", width=60, pinned=True),
    }
    for name in map(str, table.columns[2:]):
        of = name.removesuffix(" spread")
        measure, title = MEASURES.get(of), title_of(of)
        help_text = ". ".join(filter(None, (meaning_of(of), source_of(of))))
        if name.endswith(" spread"):
            columns[name] = config.NumberColumn(f"± {title}", format="%.2f", help=f"spread over the texts: {help_text}")
        elif name == "pattern":
            columns[name] = config.TextColumn(title, help=help_text)
        elif name == "sink" and numbers.n_texts == 1:
            columns[name] = config.CheckboxColumn(title, help=help_text)
        elif measure is not None and measure.unit:
            columns[name] = config.NumberColumn(f"{title} ({measure.unit})", format="%.2f", help=help_text)
        else:
            columns[name] = config.ProgressColumn(
                title, width=SHARE, min_value=0, max_value=1, format="%.2f", help=help_text
            )
    return columns
