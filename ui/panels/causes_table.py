"""Numbers of all heads on the page: a picture of layers and heads, and a table. A click selects the head."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from models import Attention
from ui.components import chart
from ui.state.inspect import INSPECT
from viz.figures.measures_grid import grid_to_plotly
from viz.figures.measures_scale import head_numbers
from viz.figures.measures_view import NumbersGrid, numbers_grid
from viz.files.measures import export_measures, measures_csv, measures_origin
from viz.formats import MIME

# Pixels of a row, and of the highest table.
ROW, MOST_HEIGHT = 35, 320
SIGNS = "blue: loss, orange: gain"


def grid_of(table: pd.DataFrame, titles: Mapping[str, str], title: str, unit: str) -> NumbersGrid:
    """Return the effect of each head as a grid of layers and heads; `unit` is what the effect is."""
    view = numbers_grid(table, "effect", selected=INSPECT.current().selection().of_one_head())
    columns = [(words[:1].upper() + words[1:], table[name]) for name, words in titles.items() if name in table]
    said = {
        (layer, head): (
            f"Layer {layer}, head {head}",
            *(f"{words}: {numbers.iloc[place]:.4g}" for words, numbers in columns),
        )
        for place, (layer, head) in enumerate(head_numbers(table))
    }
    note = SIGNS if view.scale.is_signed else ""
    return replace(view, title=title, scale=replace(view.scale, title=unit), hover=said, note=note)


def show_grid(view: NumbersGrid, kind: str, *, key: str) -> None:
    """Show a number of each head; a click shows the head in the instrument."""
    drawn = grid_to_plotly(view, INSPECT.current().draw_options())
    chart(drawn, key, f"{view.title}. The table has the numbers.", on_point=partial(select_head, kind))


def show_table(table: pd.DataFrame, titles: Mapping[str, str], kind: str, *, key: str, style: str = "%.4f") -> None:
    """Show the heads by effect, the largest first; `titles` are those of the columns, `style` that of the numbers."""
    rows = table.sort_values("effect", ascending=False).reset_index()
    shown = rows[["layer", "head", *(name for name in titles if name in rows)]]
    heads = list(zip(rows["layer"].tolist(), rows["head"].tolist(), strict=True))

    def chosen() -> None:
        numbers = st.session_state[key].selection.rows
        if numbers and 0 <= numbers[0] < len(heads):
            select_head(kind, *heads[numbers[0]])

    columns = {name: st.column_config.NumberColumn(title, format=style) for name, title in titles.items()}
    st.dataframe(
        shown,
        key=key,
        hide_index=True,
        width="content",
        height=min(MOST_HEIGHT, ROW * (len(shown) + 1) + 3),
        column_config={
            **columns,
            "layer": st.column_config.NumberColumn(width=60),
            "head": st.column_config.NumberColumn(width=60),
        },
        on_select=chosen,
        selection_mode="single-row",
    )


def select_head(kind: str, layer: int, head: int) -> None:
    """Show a head in the instrument, with its kind of attention."""
    INSPECT.select(layer=layer, head=head)
    if INSPECT.now().kind not in ("", kind):
        INSPECT.update(kind=kind)
        st.rerun()


def origin_of(att: Attention, figure: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what the files of a table of effects say of their origin; `att` is of the untouched trace."""
    origin = measures_origin(att, figure, facts)
    if att.source.generate:  # the effects are those on the answer to the text itself
        origin["source"] |= {"generate": 0, "generated": None}
    return origin


def offer_files(name: str, table: pd.DataFrame, origin: Mapping[str, Any], view: NumbersGrid | None = None) -> None:
    """Offer a table as CSV, whose tokens no spreadsheet takes for formulas, its origin as JSON, and its picture."""
    files = [
        ("Download the table (CSV)", measures_csv(table), "csv", MIME["csv"]),
        ("Its origin (JSON)", json.dumps(origin, indent=1), "csv.json", MIME["json"]),
    ]
    with st.container(horizontal=True, gap="small"):
        for title, data, suffix, mime in files:
            _offer(title, data, f"{name}.{suffix}", mime)
        if view is not None:
            # Paper is light, whatever the theme of the page is.
            on_paper = replace(view, selected=None)
            for suffix in ("png", "pdf"):
                made = partial(_draw, on_paper, suffix, dict(origin))
                _offer(f"The picture ({suffix.upper()})", made, f"{name}.{suffix}", MIME[suffix])


def _draw(view: NumbersGrid, suffix: str, origin: dict[str, Any]) -> bytes:
    return export_measures(view, suffix, origin).data


def _offer(title: str, data: Any, file: str, mime: str) -> None:
    st.download_button(title, data, file, mime, key=f"download {file}", on_click="ignore")
