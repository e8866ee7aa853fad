"""Pictures of measures of all heads in a notebook, from the tables of analysis.measures alone.

table = head_table(att)
viz.heads_grid(table, "entropy_bits")                        # all heads by layer, coloured by a measure
viz.heads_scatter(table, x="entropy_bits", y="previous", colour="pattern", find="previous > 0.8")
viz.heads_map(head_map(att), table)                          # near heads attend alike
"""

from __future__ import annotations

import math

import pandas as pd
import plotly.graph_objects as go

from analysis.measures import find_heads
from models.arguments import checked
from models.errors import BadSelection
from viz.figures.measures_grid import grid_to_plotly
from viz.figures.measures_points import points_to_plotly
from viz.figures.measures_scale import head_numbers
from viz.figures.measures_view import HeadPoints, NumbersGrid, map_points, numbers_grid, scatter_points
from viz.options import DrawOptions

FIGURES = ("grid", "scatter", "map")


@checked
def heads_grid(
    table: pd.DataFrame, measure: str = "entropy_bits", *, find: str = "", options: DrawOptions | None = None
) -> go.Figure:
    """Return all heads by layer as an interactive figure, coloured by a measure; `find` outlines what a query finds.

    Raises:
        BadSelection: no such measure, no table of heads, or a query that cannot be read.
    """
    return grid_to_plotly(numbers_grid(table, measure, found=_found(table, find)), options or DrawOptions())


@checked
def heads_scatter(
    table: pd.DataFrame,
    x: str = "entropy_bits",
    y: str = "previous",
    *,
    colour: str = "layer",
    find: str = "",
    options: DrawOptions | None = None,
) -> go.Figure:
    """Return all heads on two measures as an interactive figure, coloured by "layer", "pattern" or a measure.

    Raises:
        BadSelection: no such measure, no table of heads, or a query that cannot be read.
    """
    return points_to_plotly(scatter_points(table, x, y, colour, found=_found(table, find)), options or DrawOptions())


@checked
def heads_map(
    places: pd.DataFrame,
    table: pd.DataFrame,
    *,
    colour: str = "layer",
    find: str = "",
    options: DrawOptions | None = None,
) -> go.Figure:
    """Return the map of `head_map` as an interactive figure, with the numbers of `table` for hover and colours.

    Raises:
        BadSelection: no such measure, no table of heads, other heads, or a query that cannot be read.
    """
    return points_to_plotly(_map_view(places, table, colour, find), options or DrawOptions())


def measures_view(
    figure: str,
    table: pd.DataFrame,
    places: pd.DataFrame | None,
    *,
    measure: str,
    x: str,
    y: str,
    colour: str,
    find: str,
) -> NumbersGrid | HeadPoints:
    """Return the data of one of `FIGURES`.

    Raises:
        BadSelection: no such figure or measure, no table of heads, or a map without places.
    """
    if figure == "grid":
        return numbers_grid(table, measure, found=_found(table, find))
    if figure == "scatter":
        return scatter_points(table, x, y, colour, found=_found(table, find))
    if figure != "map":
        raise BadSelection(f"There is no picture of heads {figure[:40]!r}: choose {', '.join(FIGURES)}.")
    if places is None:
        raise BadSelection("A map needs the places of the heads: give places=head_map(att).")
    return _map_view(places, table, colour, find)


def _map_view(places: pd.DataFrame, table: pd.DataFrame, colour: str, find: str) -> HeadPoints:
    stress = places.attrs.get("stress", math.nan)
    known = float(stress) if isinstance(stress, (int, float)) else math.nan
    return map_points(table, places, known, colour, found=_found(table, find))


def _found(table: pd.DataFrame, query: str) -> list[tuple[int, int]] | None:
    """Return the heads that a query finds, None without a query."""
    if not query.strip():
        return None
    found = find_heads(table, query)
    return head_numbers(found) if len(found) else []
