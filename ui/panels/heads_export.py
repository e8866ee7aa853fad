"""The export popover of the page "Heads": the table and the pictures as files."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from ui.messages import escape_markdown
from ui.panels.downloads import offer_file, say_origin
from ui.panels.export import choose_width, short_model
from ui.panels.heads_measured import Measured
from ui.panels.heads_pictures import draw_options, grid_of, map_of, scatter_of
from ui.services.head_numbers import HeadDistances, HeadNumbers
from ui.state.heads import HEADS
from viz.figures.measures_view import HeadPoints, NumbersGrid
from viz.files.measures import export_measures, measures_csv, measures_origin
from viz.formats import PAPER, PICTURES, CannotExport

_TABLE, _GRID, _SCATTER, _MAP, _DISTANCES = (
    "Table of all heads",
    "All heads by layer",
    "Scatter of two measures",
    "Map by distance",
    "Distances between all heads",
)
# The parts of file names, which are those of `origin["figure"]` too.
_FILES = {
    _TABLE: "heads",
    _GRID: "heads-grid",
    _SCATTER: "heads-scatter",
    _MAP: "heads-map",
    _DISTANCES: "heads-distances",
}
Found = set[tuple[int, int]] | None


def export_controls(what: Measured, numbers: HeadNumbers, distances: HeadDistances | None, found: Found) -> None:
    """Offer the table as CSV, and each picture as it is shown as PNG, SVG, PDF and HTML."""
    popover = st.popover("Export", icon=":material/download:", key="heads export", on_change="rerun")
    if not popover.open:
        return
    with popover:
        offered = [_TABLE, _GRID, _SCATTER, *([_MAP, _DISTANCES] if distances is not None else [])]
        chosen = st.radio("Export", offered, key="heads export figure")
        name = f"{short_model(what.att.source)}-{what.att.kind}-{_FILES[chosen]}"
        origin = _origin(what, _FILES[chosen])
        if chosen in (_GRID, _SCATTER):
            _offer_picture(name, grid_of(numbers, found) if chosen == _GRID else scatter_of(numbers, found), origin)
        elif chosen == _MAP and distances is not None:
            _offer_picture(name, map_of(numbers, distances, found), origin)
        elif chosen == _DISTANCES and distances is not None:
            _offer_table(name, distances.pairs, origin)
        else:
            _offer_table(name, numbers.whole, origin)


def _origin(what: Measured, figure: str) -> dict[str, Any]:
    """Return what the file says of its origin: with several texts, all of them."""
    choice = HEADS.current()
    facts: dict[str, Any] = {"texts": [request.text for request in what.requests]} if what.requests else {}
    drawn = ("measure", "spread", "x", "y", "colour", "find", "head")
    return measures_origin(what.att, figure, {**facts, "choices": {name: getattr(choice, name) for name in drawn}})


def _offer_table(name: str, table: pd.DataFrame, origin: dict[str, Any]) -> None:
    st.caption(f"{len(table):,} rows, {len(table.columns)} columns besides layer and head, with all digits.")
    offer_file("Download the table as CSV", name, "csv", lambda: measures_csv(table))
    say_origin(name, "csv", lambda: origin)


def _offer_picture(name: str, view: NumbersGrid | HeadPoints, origin: dict[str, Any]) -> None:
    file_format = st.segmented_control(
        "Format", PICTURES, default=PICTURES[0], key="heads export format", format_func=str.upper, required=True
    )
    width, refusal = choose_width() if file_format in PAPER else (None, None)
    if not refusal and width:
        try:
            export_measures(view, file_format, origin, width=width)
        except CannotExport as error:
            refusal = str(error)
    if refusal:
        st.warning(escape_markdown(refusal))
        return
    # Paper is light, whatever the theme of the page is.
    options = draw_options() if file_format == "html" else None
    offer_file(
        f"Download as {file_format.upper()}",
        name,
        file_format,
        lambda: export_measures(view, file_format, origin, options=options, width=width).data,
    )
    say_origin(name, file_format, lambda: origin)
