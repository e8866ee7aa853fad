"""All heads as points: a scatter of two measures, or a map of heads by the distance between their weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_hex, to_rgba
from matplotlib.figure import Figure as PaperFigure

from viz import colours, style
from viz.figures.measures_look import (
    FOUND,
    FRAME_LINE,
    FRAME_TITLE,
    GRID_LINE,
    SYMBOLS,
    add_bar,
    as_hover,
    plain_layout,
    state_note,
)
from viz.figures.measures_scale import Scale
from viz.figures.measures_view import HeadPoints
from viz.figures.plotly_text import PLAIN, plotly_text
from viz.options import DrawOptions
from viz.paper.frame import Frame
from viz.paper.width import refuse_width

HEIGHT = 420
# Layers that the bar of colours names.
MOST_LAYERS = 8
# Inches of a picture on paper.
USUAL_WIDTH, LEAST_WIDTH, LARGEST_HEIGHT = 5.2, 2.6, 4.6
# The ends of the palette of layers: the darkest colours vanish on a dark ground, the lightest on a light one.
ENDS = {True: (0.25, 1.0), False: (0.0, 0.88)}
FADED = 0.22
# A range is widened by this share, so that points on its ends are whole.
MARGIN = 0.06


def points_to_plotly(view: HeadPoints, options: DrawOptions, *, height: int | None = None) -> go.Figure:
    """Return the points as an interactive figure; `height` is that of the whole figure in pixels."""
    dark = options.palette == "night"
    figure = go.Figure(layout_template=PLAIN)
    _add_points(figure, view, dark)
    if view.found is not None:
        kept = ~view.faded
        figure.add_scatter(**_rings(view.x[kept], view.y[kept], 13, FOUND, 2))
    if view.selected in view.heads:
        place = view.heads.index(view.selected)
        figure.add_scatter(**_rings(view.x[[place]], view.y[[place]], 17, style.SELECTED, 3))
        figure.add_annotation(_name_point(view, place, dark))
    note = f'<br><span style="font-size:12px">{plotly_text(state_note(view))}</span>'
    figure.update_layout(
        **plain_layout(f"{plotly_text(view.title)}{note}", height or HEIGHT),
        xaxis=_axis(view, 0),
        yaxis=_axis(view, 1),
        legend={"orientation": "h", "yanchor": "top", "y": -0.16, "x": 0, "font": {"size": 12}},
        showlegend=bool(view.groups),
    )
    if view.groups:
        figure.update_layout(margin_b=84)
    return figure


def _add_points(figure: go.Figure, view: HeadPoints, dark: bool) -> None:
    """Add the points: in one trace with a bar of colours, or in one for each group with a legend."""
    opacity = np.where(view.faded, FADED, 0.95)
    edge = {"width": 0.5, "color": "#0e1420" if dark else "#ffffff"}
    if not view.groups:
        known = ~np.isnan(view.colours)
        bar = {"title": {"text": plotly_text(view.colour_scale.label), "side": "right"}, "thickness": 12}
        if view.colour_scale.name == "layer":
            bar |= {"tickformat": "d", "dtick": max(1, -(-int(view.colour_scale.high) // MOST_LAYERS))}
        marker = {
            "size": 9,
            "opacity": opacity[known],
            "line": edge,
            "color": view.colours[known].tolist(),
            "colorscale": _tones(dark),
            "cmin": view.colour_scale.low,
            "cmax": max(view.colour_scale.high, view.colour_scale.low + 1e-9),
            "colorbar": bar,
        }
        figure.add_scatter(**_of(view, known), marker=marker)
        if not known.all():
            tone = {"size": 9, "opacity": opacity[~known], "line": edge, "color": colours.NOT_A_NUMBER}
            figure.add_scatter(**_of(view, ~known), marker=tone)
        return
    tones = colours.HEAD_COLOURS["dark" if dark else "light"]
    for number, group in enumerate(view.groups):
        chosen = view.colours == number
        marker = {
            "size": 9,
            "opacity": opacity[chosen],
            "line": edge,
            "color": tones[number % len(tones)],
            "symbol": SYMBOLS[number % len(SYMBOLS)][0],
        }
        if chosen.any():
            figure.add_scatter(**_of(view, chosen), marker=marker, name=plotly_text(f"{group} ({int(chosen.sum())})"))


def _of(view: HeadPoints, chosen: np.ndarray) -> dict[str, Any]:
    """Return the arguments of a trace of the chosen points."""
    heads = [head for head, kept in zip(view.heads, chosen.tolist(), strict=True) if kept]
    given: dict[str, Any] = {
        "x": view.x[chosen].tolist(),
        "y": view.y[chosen].tolist(),
        "mode": "markers",
        "text": [as_hover(view.hover[head]) for head in heads],
        "hoverinfo": "text",
        "customdata": [list(head) for head in heads],
    }
    if view.spread is not None:
        for name, lengths in zip(("error_x", "error_y"), view.spread, strict=True):
            bars = {"array": np.nan_to_num(lengths[chosen]).tolist(), "thickness": 0.8, "width": 0, "color": GRID_LINE}
            given[name] = {"type": "data", **bars}
    return given


def _rings(x: np.ndarray, y: np.ndarray, size: int, tone: str, width: int) -> dict[str, Any]:
    ring = {"symbol": "circle-open", "size": size, "color": tone, "line": {"width": width}}
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "mode": "markers",
        "marker": ring,
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _name_point(view: HeadPoints, place: int, dark: bool) -> dict[str, Any]:
    """Return the name of a head beside its point, on the side that has more room, over other points."""
    layer, head = view.heads[place]
    is_right = view.x[place] > (view.x.min() + view.x.max()) / 2
    return {
        "x": float(view.x[place]),
        "y": float(view.y[place]),
        "text": f"{layer}.{head}",
        "showarrow": False,
        "xanchor": "right" if is_right else "left",
        "xshift": -11 if is_right else 11,
        "bgcolor": "rgba(14, 20, 32, 0.75)" if dark else "rgba(255, 255, 255, 0.8)",
        "borderpad": 1,
    }


def _axis(view: HeadPoints, side: int) -> dict[str, Any]:
    """Return the layout of an axis: of a measure's range, or of a map, whose two axes have one unit."""
    common = {"gridcolor": GRID_LINE, "zeroline": False}
    if view.axes is None:
        frame = {"showline": True, "linecolor": GRID_LINE, "mirror": True}
        of_map: dict[str, Any] = {**common, **frame, "showgrid": False, "showticklabels": False, "ticks": ""}
        if side:
            of_map |= {"scaleanchor": "x", "scaleratio": 1}
        return of_map
    scale = view.axes[side]
    low, high = _ends(scale, (view.x, view.y)[side])
    return {**common, "title": {"text": plotly_text(scale.label), "standoff": 4}, "range": [low, high]}


def _ends(scale: Scale, values: np.ndarray) -> tuple[float, float]:
    """Return the ends of an axis: those of the values, within the measure's range, so that the points fill it."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (scale.low, scale.high)
    room = MARGIN * max(high - low, 0.02 * (scale.high - scale.low), 1e-9) * 1.5
    return low - room, high + room


def _tones(dark: bool) -> list[tuple[float, str]]:
    """Return the colours of layers and measures of points, which all stand out from the ground."""
    low, high = ENDS[dark]
    shades = colours.matplotlib_map("viridis")
    return [(step / 10, to_hex(shades(low + (high - low) * step / 10))) for step in range(11)]


def points_to_paper(view: HeadPoints, options: DrawOptions, width: float | None = None) -> PaperFigure:
    """Return the points for paper, `width` inches wide if it is given.

    Raises:
        CannotExport: the width has no room for the picture.
    """
    wide = width or USUAL_WIDTH
    refuse_width("map of heads" if view.is_map else "scatter of heads", wide, LEAST_WIDTH)
    columns = max(1, int(wide / 1.5))
    lines = -(-len(view.groups) // columns)
    left, right, below = (0.15 if view.is_map else 0.55), (0.1 if view.groups else 0.65), 0.42 + 0.16 * lines
    across = wide - left - right
    high = min(LARGEST_HEIGHT, max(1.8, across * 0.8))
    figure = PaperFigure()
    axes = figure.add_subplot()
    _draw_points(axes, view)
    if view.axes is None:
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_xticks([])
        axes.set_yticks([])
    else:
        for side, name in enumerate("xy"):
            getattr(axes, f"set_{name}lim")(*_ends(view.axes[side], (view.x, view.y)[side]))
            getattr(axes, f"set_{name}label")(view.axes[side].label, fontsize=FRAME_LINE)
        axes.tick_params(labelsize=7.5)
        axes.grid(color="#d5d9df", linewidth=0.4)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    Frame(left, right, below).place(figure, axes, across, high, [view.title, state_note(view)], size=FRAME_TITLE)
    if view.groups:
        axes.legend(
            fontsize=7, ncols=columns, loc="lower left", bbox_to_anchor=(0, -(below - 0.02) / high), frameon=False
        )
    else:
        add_bar(figure, axes, _scale_and_shades(view), view.colour_scale.label)
    return figure


def _scale_and_shades(view: HeadPoints) -> ScalarMappable:
    """Return the colours of layers or of a measure on paper, which is light."""
    scale = view.colour_scale
    shades = ListedColormap(colours.matplotlib_map("viridis")(np.linspace(*ENDS[False], 256)))
    return ScalarMappable(Normalize(scale.low, max(scale.high, scale.low + 1e-9)), shades)


def _draw_points(axes: Axes, view: HeadPoints) -> None:
    """Draw the points with their spread, and the rings of the heads that are found or selected."""
    opacity = np.where(view.faded, FADED, 0.95)
    if view.spread is not None:
        across, up = view.spread
        axes.errorbar(
            view.x,
            view.y,
            np.nan_to_num(up),
            np.nan_to_num(across),
            fmt="none",
            ecolor="#c3c8d0",
            elinewidth=0.6,
            zorder=1,
        )
    look: dict[str, Any] = {"s": 18, "linewidths": 0.3, "edgecolors": "white", "zorder": 2}
    if view.groups:
        tones = colours.HEAD_COLOURS["light"]
        for number, group in enumerate(view.groups):
            chosen = view.colours == number
            tone, marker = tones[number % len(tones)], SYMBOLS[number % len(SYMBOLS)][1]
            if chosen.any():
                faces = [to_rgba(tone, share) for share in opacity[chosen]]
                axes.scatter(view.x[chosen], view.y[chosen], color=faces, marker=marker, **look)
                # A mark of its own for the legend: the first point of the group may be faded.
                axes.scatter([], [], color=tone, marker=marker, label=f"{group} ({int(chosen.sum())})", **look)
    elif len(view.heads):
        shades = np.asarray(_scale_and_shades(view).to_rgba(view.colours))
        shades[np.isnan(view.colours)] = to_rgba(colours.NOT_A_NUMBER)
        shades[:, 3] = opacity
        axes.scatter(view.x, view.y, color=shades, **look)
    for shown, tone, size in ((_found_places(view), FOUND, 42), (_selected_places(view), style.SELECTED, 80)):
        axes.scatter(view.x[shown], view.y[shown], s=size, facecolors="none", edgecolors=tone, linewidths=1.1, zorder=3)
    for place in _selected_places(view):
        name = "{}.{}".format(*view.heads[place])
        axes.annotate(name, (view.x[place], view.y[place]), (0, 6), textcoords="offset points", ha="center", fontsize=8)


def _found_places(view: HeadPoints) -> list[int]:
    return [] if view.found is None else np.flatnonzero(~view.faded).tolist()


def _selected_places(view: HeadPoints) -> list[int]:
    return [view.heads.index(view.selected)] if view.selected in view.heads else []
