"""One measure of all heads as a grid: a row for each layer, a column for each head."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure as PaperFigure
from matplotlib.patches import Rectangle

from viz import colours, style
from viz.figures.measures_look import FOUND, FRAME_LINE, FRAME_TITLE, add_bar, as_hover, plain_layout, state_note
from viz.figures.measures_view import NumbersGrid
from viz.figures.plotly_text import PLAIN, plotly_text
from viz.options import DrawOptions
from viz.paper.frame import BAR_GAP, BAR_NUMBERS, BAR_TITLE, BAR_WIDTH, LINE, MARGIN, Frame, thin, widest
from viz.paper.width import refuse_width

# Pixels: the height of a row, and the least and largest height of all rows.
ROW, LEAST, MOST = 34, 150, 620
# Inches of a picture on paper.
CELL, LONGEST_SIDE, LEAST_SIDE = 0.26, 7.5, 0.9
MOST_LABELS, MOST_TICKS = 64, 16


def grid_to_plotly(view: NumbersGrid, options: DrawOptions, *, height: int | None = None) -> go.Figure:
    """Return the grid as an interactive figure; `height` is that of the whole figure in pixels."""
    n_layers, n_heads = view.numbers.shape
    hover = [[as_hover(view.hover[row, column]) if view.exists[row, column] else "" for column in range(n_heads)]
             for row in range(n_layers)]  # fmt: skip
    heads = [[[row, column] for column in range(n_heads)] for row in range(n_layers)]
    common: dict[str, Any] = {"text": hover, "hoverinfo": "text", "customdata": heads, "xgap": 1, "ygap": 1}
    figure = go.Figure(layout_template=PLAIN)
    figure.add_heatmap(
        z=_listed(view.numbers),
        zmin=view.scale.low,
        zmax=view.scale.high,
        colorscale=(colours.plotly_signed_scale if view.scale.is_signed else colours.plotly_scale)(options.palette),
        colorbar={"title": {"text": plotly_text(view.scale.label), "side": "right"}, "thickness": 12},
        **common,
    )
    undefined = view.exists & np.isnan(view.numbers)
    if undefined.any():
        tone = colours.NOT_A_NUMBER
        figure.add_heatmap(
            z=_listed(np.where(undefined, 1.0, np.nan)), colorscale=[(0, tone), (1, tone)], showscale=False, **common
        )
    if view.found is not None:
        figure.add_scatter(**_outline(sorted(view.found), 0.44), line={"color": FOUND, "width": 2})
    if view.selected is not None:
        figure.add_scatter(**_outline([view.selected], 0.48), line={"color": style.SELECTED, "width": 3})
    note = f'<br><span style="font-size:12px">{plotly_text(state_note(view))}</span>'
    figure.update_layout(
        **plain_layout(f"{plotly_text(view.title)}{note}", height or _height(n_layers)),
        xaxis={**_axis("head", n_heads), "range": [-0.5, n_heads - 0.5]},
        yaxis={**_axis("layer", n_layers), "range": [n_layers - 0.5, -0.5]},
        dragmode=False,
        showlegend=False,
    )
    return figure


def grid_to_paper(view: NumbersGrid, options: DrawOptions, width: float | None = None) -> PaperFigure:
    """Return the grid for paper, `width` inches wide if it is given.

    Raises:
        CannotExport: the width has no room for the picture.
    """
    n_layers, n_heads = view.numbers.shape
    left, right, below = 0.55, _bar_room(view), 0.45
    cell = min(CELL, LONGEST_SIDE / max(n_layers, n_heads))
    if width is not None:
        refuse_width("grid", width, left + right + LEAST_SIDE)
        cell = (width - left - right) / n_heads
    # A model of few heads has wide cells on a wide page, but no rows higher than an inch.
    wide, high = max(LEAST_SIDE, cell * n_heads), max(LEAST_SIDE, min(cell, 1.0, LONGEST_SIDE / n_layers) * n_layers)
    figure = PaperFigure()
    axes = figure.add_subplot(aspect="auto")
    scale = Normalize(view.scale.low, view.scale.high)
    shades = (colours.signed_map if view.scale.is_signed else colours.matplotlib_map)(options.palette)
    for layer, head in np.argwhere(view.exists).tolist():
        value = view.numbers[layer, head]
        face = colours.NOT_A_NUMBER if np.isnan(value) else shades(scale(value))
        axes.add_patch(Rectangle((head - 0.5, layer - 0.5), 1, 1, facecolor=face, edgecolor="white", linewidth=0.5))
    marks: list[tuple[Iterable[tuple[int, int]], str, float]] = [(sorted(view.found or ()), FOUND, 1.2)]
    marks += [([view.selected], style.SELECTED, 1.6)] if view.selected is not None else []
    for marked, tone, line in marks:
        for layer, head in marked:
            axes.add_patch(Rectangle((head - 0.44, layer - 0.44), 0.88, 0.88, fill=False, ec=tone, lw=line))
    axes.set(xlim=(-0.5, n_heads - 0.5), ylim=(n_layers - 0.5, -0.5))
    for axis, count, length in ((axes.xaxis, n_heads, wide), (axes.yaxis, n_layers, high)):
        shown, size = thin(count, length, MOST_LABELS)
        axis.set_ticks(range(0, count, -(-count // shown)))
        axis.set_tick_params(labelsize=size, length=2)
    axes.set_xlabel("head", fontsize=FRAME_LINE)
    axes.set_ylabel("layer", fontsize=FRAME_LINE)
    Frame(left, right, below).place(figure, axes, wide, high, [view.title, state_note(view)], size=FRAME_TITLE)
    add_bar(figure, axes, ScalarMappable(scale, shades), view.scale.label)
    return figure


def _axis(title: str, count: int) -> dict[str, Any]:
    """Return the layout of an axis of layers or heads, of which not all may have a label."""
    labelled = list(range(0, count, -(-count // MOST_TICKS)))
    named = {"title": {"text": title, "standoff": 4}, "tickvals": labelled}
    return {**named, "showgrid": False, "zeroline": False, "ticks": ""}


def _bar_room(view: NumbersGrid) -> float:
    numbers = widest([f"{view.scale.high:.1f}", "0.00"], BAR_NUMBERS)
    return BAR_GAP + BAR_WIDTH + 0.1 + numbers + 0.06 + BAR_TITLE * LINE / 72 + MARGIN


def _height(n_layers: int) -> int:
    return int(min(MOST, max(LEAST, ROW * n_layers))) + 130


def _listed(numbers: np.ndarray) -> list[list[float | None]]:
    """Return numbers as JSON has them: None for NaN, where Plotly draws nothing."""
    return [[None if np.isnan(value) else float(value) for value in row] for row in numbers]


def _outline(heads: list[tuple[int, int]], half: float) -> dict[str, Any]:
    """Return a line around the cell of each head."""
    x: list[float | None] = []
    y: list[float | None] = []
    for layer, head in heads:
        x += [head - half, head + half, head + half, head - half, head - half, None]
        y += [layer - half, layer - half, layer + half, layer + half, layer - half, None]
    return {"x": x[:-1], "y": y[:-1], "mode": "lines", "hoverinfo": "skip"}
