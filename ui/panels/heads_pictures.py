"""The pictures of the page "Heads": a grid by layer and head, a scatter of two measures, a map by distance."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from ui.components import chart
from ui.panels.heads_open import choose_head
from ui.panels.heads_words import explain
from ui.panels.on_demand import result_on_demand
from ui.services.head_numbers import HeadDistances, HeadNumbers
from ui.services.work import Work
from ui.state.heads import HEADS
from viz import DrawOptions
from viz.figures.measures_grid import grid_to_plotly
from viz.figures.measures_points import points_to_plotly
from viz.figures.measures_scale import largest_spread, title_of
from viz.figures.measures_view import HeadPoints, NumbersGrid, map_points, numbers_grid, scatter_points

# Pixels of the pictures, and of those of models with many layers, whose rows would be too low to hit.
HEIGHT, TALL = 380, 520
MANY_LAYERS = 16
Found = set[tuple[int, int]] | None
_COLOURINGS = {"layer": "Layer", "pattern": "Pattern"}
ABOUT_MAP = (
    "Near heads attend alike; directions mean nothing. Stress says how far the map is from the distances: 0 is exact; "
    "above 0.2 it is poor (Kruskal 1964), and “heads like this one” below is to be trusted, not the map."
)


def draw_options() -> DrawOptions:
    """Return how the pictures are drawn: with the palette of the page's light or dark theme."""
    return DrawOptions(palette="night" if st.context.theme.type == "dark" else "blues")


def measure_names(table: pd.DataFrame) -> list[str]:
    """Return the columns that are numbers and defined for some head; all numbers if none is defined."""
    names = [str(name) for name in table.columns if pd.api.types.is_numeric_dtype(table[name])]
    return [name for name in names if table[name].notna().any()] or names


def fit_choices(table: pd.DataFrame) -> None:
    """Replace measures that this table does not have."""
    names, choice = measure_names(table), HEADS.current()
    for field, usual in (("measure", names[0]), ("x", names[0]), ("y", names[min(1, len(names) - 1)])):
        if getattr(choice, field) not in names:
            HEADS.update(**{field: usual})
    if choice.colour not in (*names, *_colourings(table)):
        HEADS.update(colour="layer")


def _colourings(table: pd.DataFrame) -> list[str]:
    return [name for name in _COLOURINGS if name == "layer" or name in table.columns]


def grid_of(numbers: HeadNumbers, found: Found) -> NumbersGrid:
    """Return the grid that the visitor has chosen: a measure, or its spread over the texts."""
    choice = HEADS.current()
    given: dict[str, Any] = {"found": found, "selected": choice.selected}
    if choice.spread and numbers.spread is not None and choice.measure in numbers.spread.columns:
        most = {choice.measure: largest_spread(numbers.spread, choice.measure)}
        note = f"spread over {numbers.n_texts} texts"
        return numbers_grid(numbers.spread, choice.measure, most=most, note=note, **given)
    return numbers_grid(
        numbers.table, choice.measure, most=numbers.largest, spread=numbers.spread, note=_about(numbers), **given
    )


def scatter_of(numbers: HeadNumbers, found: Found) -> HeadPoints:
    """Return the scatter of the chosen measures."""
    choice = HEADS.current()
    return scatter_points(
        numbers.table,
        choice.x,
        choice.y,
        choice.colour,
        most=numbers.largest,
        spread=numbers.spread,
        found=found,
        selected=choice.selected,
        note=_about(numbers),
    )


def map_of(numbers: HeadNumbers, distances: HeadDistances, found: Found) -> HeadPoints:
    """Return the map of all heads by distance."""
    choice = HEADS.current()
    return map_points(
        numbers.table,
        distances.places,
        distances.stress,
        choice.colour,
        most=numbers.largest,
        found=found,
        selected=choice.selected,
        note=f"mean over {distances.n_texts} texts" if distances.n_texts > 1 else "",
    )


def _height(numbers: HeadNumbers) -> int:
    return TALL if numbers.table.index.get_level_values("layer").max() >= MANY_LAYERS else HEIGHT


def _about(numbers: HeadNumbers) -> str:
    return f"mean over {numbers.n_texts} texts" if numbers.n_texts > 1 else ""


def show_grid(numbers: HeadNumbers, found: Found) -> None:
    """Show one measure of all heads by layer, below its choices."""
    names = measure_names(numbers.table)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.selectbox("Colour of the grid", names, **HEADS.widget_args("measure", labels=names), format_func=title_of)
        if numbers.spread is not None:
            st.toggle("Spread", **HEADS.widget_args("spread"), help="The standard deviation over the texts.")
    grid = grid_of(numbers, found)
    drawn = grid_to_plotly(grid, draw_options(), height=_height(numbers))
    chart(drawn, "heads grid", f"{grid.title}. {_IN_TABLE}", on_point=choose_head)
    st.caption(explain(grid.scale.name))


def show_scatter(numbers: HeadNumbers, found: Found) -> None:
    """Show two measures of all heads, below their choices."""
    names = measure_names(numbers.table)
    with st.container(horizontal=True, gap="small"):
        st.selectbox("Across", names, **HEADS.widget_args("x", labels=names), format_func=title_of)
        st.selectbox("Upwards", names, **HEADS.widget_args("y", labels=names), format_func=title_of)
    scatter, choice = scatter_of(numbers, found), HEADS.current()
    drawn = points_to_plotly(scatter, draw_options(), height=_height(numbers))
    chart(drawn, "heads scatter", f"{scatter.title}. {_IN_TABLE}", on_point=choose_head)
    bars = " The lines through a point are its spread over the texts." if numbers.spread is not None else ""
    st.caption(f"Each point is a head.{bars} {explain(choice.x, choice.y)}")


def show_map(work: Work[HeadDistances], numbers: HeadNumbers, found: Found) -> HeadDistances | None:
    """Show the map of all heads below the choice of its colours; return the distances, None while there are none."""
    tones = [*_colourings(numbers.table), *measure_names(numbers.table)]
    st.selectbox(
        "Colour of the points",
        tones,
        **HEADS.widget_args("colour", labels=tones),
        format_func=lambda name: _COLOURINGS.get(name) or title_of(name),
    )
    distances = result_on_demand(work)
    if distances is not None:
        placed = map_of(numbers, distances, found)
        drawn = points_to_plotly(placed, draw_options(), height=_height(numbers))
        chart(drawn, "heads map", f"{placed.title}. {_IN_TABLE}", on_point=choose_head)
        st.caption(ABOUT_MAP)
    return distances


_IN_TABLE = "The numbers of all heads are in the table below the pictures."
