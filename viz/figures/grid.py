"""All heads at once: layers down, heads across, every head a small map of its attention."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure as PaperFigure
from matplotlib.patches import Rectangle

from analysis.head_set import NO_HEADS, HeadSet
from analysis.selection import Selection
from models import Attention
from models.arguments import checked
from models.method_names import name_method
from viz import colours, style
from viz.figures.base import Figure, Offer, Subject, pooling
from viz.figures.grid_view import GridView, check_both, grid_view
from viz.figures.plotly_text import colour_bar, ground, hatch, placed, plotly_text
from viz.options import DrawOptions
from viz.paper.drawing import DIMMED, Box, add_colour_bar, draw_maps, draw_shade, shade_boxes
from viz.paper.frame import LINE, MARGIN, TICK, Frame, bar_room, widest
from viz.paper.width import refuse_width

GAP = 0.08
# Inches of all maps on paper: with the numbers and the colour bar, the width of a column of text.
PAPER_WIDTH, PAPER_HEIGHT = 5.7, 8.0
# Inches: the least width and height of all maps, the least width of a map, and of one with a score below it.
LEAST_SIDE, SHORTEST_SIDE, LEAST_CELL, SCORE_CELL = 0.8, 1.25, 0.04, 0.42
NUMBERS = 7.5


class Grid(Figure[GridView]):
    """The maps of all heads."""

    name = "grid"
    help = "all heads as small maps"
    offers = (Offer("All heads"),)
    options = ("palette", "scale", "truth")
    one_head = False
    shows_all_maps = True
    shows_tokens = False
    opens_instrument = True

    combines = False

    def check_heads(self, selection: Selection) -> None:
        """Check that a layer and a head are given together."""
        check_both(selection.layer, selection.head)

    def _counted(self, selection: Selection) -> Selection:
        return replace(selection.of_all_heads(), chosen=NO_HEADS, region=None)

    def make_view(self, subject: Subject, selection: Selection, options: DrawOptions) -> GridView:
        """Return the maps of all heads."""
        return grid_view(subject, selection, options)

    def heading(self, view: GridView) -> str:
        """Return the title of all heads."""
        return view.title

    def transformations(self, view: GridView) -> dict[str, Any]:
        """Return the block of pairs that share a cell."""
        return {"pooling": pooling(view.block)}

    def contents(self, subject: Subject, selection: Selection, options: DrawOptions) -> str:
        """Return how many heads there are."""
        n_heads = sum(map(subject.att.heads_in, range(subject.att.n_layers)))
        return f"It contains all {n_heads} {name_method(subject.att.method).noun}s, each with the whole text."

    def to_plotly(self, view: GridView, options: DrawOptions) -> go.Figure:
        """Return the maps as one chart of one trace per head."""
        figure = go.Figure()
        for layer, head in view.each_head():
            _add_map(figure, view, options, layer, head)
        hidden = [box for layer, head in view.each_head() for box in _shade(view, layer, head)[1]]
        if hidden:
            figure.add_trace(hatch(hidden, options.palette))
        for layer, head in view.each_head():
            for left, top, right, low in _shade(view, layer, head)[0]:
                corners = {"x0": left, "x1": right, "y0": top, "y1": low}
                figure.add_shape(type="rect", fillcolor=ground(options.palette), opacity=0.66, line_width=0, **corners)
        for layer, first, last in view.key_groups:
            ends = {"x0": first - 0.42, "x1": last + 0.42, "y0": layer + 0.5, "y1": layer + 0.5}
            figure.add_shape(type="line", line={"color": DIMMED, "width": 2}, **ends)
        for row, column in (view.place(*one) for one in view.outlined):
            corners = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
            figure.add_shape(type="rect", line={"color": style.SELECTED, "width": 2}, **corners)
        n_layers, n_heads = view.shape
        axis = {"showgrid": False, "zeroline": False, "tickmode": "array", "constrain": "domain"}
        axis |= {"visible": not view.is_list}
        heads_axis = {**axis, "tickvals": list(range(n_heads)), "title": {"text": "head"}, "side": "top"}
        layers_axis = {**axis, "tickvals": list(range(n_layers)), "title": {"text": "layer"}, "scaleanchor": "x"}
        scale = colours.plotly_scale(options.palette)
        figure.update_layout(
            title={"text": "<br>".join([describe(view, options), *map(plotly_text, view.notes)]), "font": {"size": 15}},
            coloraxis={"cmin": 0, "cmax": 1, "colorscale": scale, "colorbar": colour_bar(options, view.top)},
            xaxis={**heads_axis, "range": [-0.55, n_heads - 0.45]},
            yaxis={**layers_axis, "range": [n_layers - 0.45, -0.55]},
            height=max(320, 90 * n_layers + 110),
            margin={"l": 8, "r": 8, "t": 90 + 18 * len(view.notes), "b": 8},
            plot_bgcolor="rgba(0,0,0,0)",
            paper_bgcolor="rgba(0,0,0,0)",
        )
        return figure

    def to_paper(self, view: GridView, options: DrawOptions, width: float | None = None) -> PaperFigure:
        """Return the maps as one drawing with a common colour bar."""
        n_layers, n_heads = view.shape
        right = bar_room(options.scale, view.top)
        left = 3 * MARGIN + LINE * 8 / 72 + widest([str(n_layers - 1)], NUMBERS) + TICK
        refuse_width("grid", width or PAPER_WIDTH + left + right, left + right + max(LEAST_SIDE, LEAST_CELL * n_heads))
        wide = width - left - right if width else min(1.2, PAPER_WIDTH / n_heads, PAPER_HEIGHT / n_layers) * n_heads
        wide = max(wide, LEAST_SIDE)
        cell = min(wide / n_heads, max(PAPER_HEIGHT, SHORTEST_SIDE) / n_layers)
        high = max(cell * n_layers, SHORTEST_SIDE)
        figure = PaperFigure()
        axes = figure.add_subplot()
        has_scores = view.room_below > 0 and cell >= SCORE_CELL
        _draw_heads(axes, view, options, has_scores)
        axes.set(xlim=(-0.55, n_heads - 0.45), ylim=(n_layers - 0.45, -0.55))
        # A number needs this much room, in inches, beside and below the next one.
        axes.set_xticks([] if view.is_list else range(0, n_heads, math.ceil(0.18 * n_heads / wide)))
        axes.set_yticks([] if view.is_list else range(0, n_layers, math.ceil(0.12 * n_layers / high)))
        axes.set_xlabel("" if view.is_list else "head", fontsize=8, labelpad=2)
        axes.set_ylabel("" if view.is_list else "layer", fontsize=8, labelpad=2)
        axes.tick_params(length=0, labelsize=NUMBERS, labeltop=True, labelbottom=False)
        axes.xaxis.set_label_position("top")
        axes.spines[:].set_visible(False)
        lines = [describe(view, options, has_scores), *view.notes]
        above = TICK if view.is_list else (NUMBERS + 8) * LINE / 72 + TICK
        right = right if width is None else width - left - wide
        Frame(left, right, 2 * MARGIN, above).place(figure, axes, wide, high, lines, size=9)
        add_colour_bar(figure, axes, options, margin=(0.05 + GAP / 2) / (n_layers + 0.1), top=view.top)
        return figure


@checked
def grid(
    att: Attention,
    layer: int | None = None,
    head: int | None = None,
    *,
    unit: str = "pieces",
    heads: HeadSet | str = "",
    options: DrawOptions | None = None,
) -> go.Figure:
    """Return all heads as one interactive figure, the head (layer, head) and the chosen `heads` outlined.

    Long texts are shown as block maxima of at most 48 x 48 a head, fewer where there are many heads. Heads that share
    their keys (grouped queries) have one line below them.

    Raises:
        BadSelection: no such layer, head or heads.
    """
    return Grid().to_figure(Subject(att), Selection.parse(layer, head, unit=unit, heads=heads), options)


def describe(view: GridView, options: DrawOptions, has_scores: bool = True) -> str:
    """Return the title with its legend."""
    note = legend(view, options, has_scores)
    return f"{view.title} ({note})" if note else view.title


def legend(view: GridView, options: DrawOptions, has_scores: bool = True) -> str:
    """Return what a cell stands for where it is not one pair, and the colour of bad ones; empty if all is plain."""
    notes = []
    if view.n_done < len(view.n_heads):
        notes.append(f"{view.n_done} of {len(view.n_heads)} layers so far")
    if view.block != (1, 1):
        notes.append(f"a cell is the largest weight of {view.block[0]} x {view.block[1]} pairs")
    if view.masked.any():
        notes.append(f"{colours.masked(options.palette)[0]}: masked")
    if view.bad.any():
        notes.append("pink: not a number")
    notes += view.shade.legend
    if view.key_groups:
        notes.append("one line below heads: they share their keys")
    if view.scores is not None:
        scores = "per cent: how often a head's strongest key is the true one"
        notes.append(scores if has_scores else "truth scores left out: no room")
    return ", ".join(notes)


def _add_map(figure: go.Figure, view: GridView, options: DrawOptions, layer: int, head: int) -> None:
    """Add the map of one head, what is masked in it, what is not a number, and its truth score."""
    n_rows, n_columns = view.maps.shape[2:]
    below, masked = view.room_below, ~view.mask[layer, head]
    step_x, step_y = (1 - GAP) / n_columns, (1 - GAP - below) / n_rows
    weights = np.where(masked, np.float32(np.nan), view.maps[layer, head])
    z, written = placed(weights, options.scale, view.top)
    row, column = view.place(layer, head)
    x0, y0 = column - 0.5 + (GAP + step_x) / 2, row - 0.5 + (GAP + step_y) / 2
    cells = {"x0": x0, "dx": step_x, "y0": y0, "dy": step_y}
    name = f"{view.att.head_name(layer, head)}<br>"
    hover = f"{name}weight %{{{written}:.4f}}<extra></extra>"
    values = {"z": z, "customdata": None if written == "z" else weights}
    figure.add_heatmap(coloraxis="coloraxis", hovertemplate=hover, **values, **cells)
    if masked.any():
        # Cells without a weight show what is below them.
        left, top, right, bottom = _map_corners(row, column, below)
        corners, colour = {"x0": left, "x1": right, "y0": top, "y1": bottom}, colours.masked(options.palette)[1]
        figure.add_shape(type="rect", fillcolor=colour, line={"width": 0}, layer="below", **corners)
    if (np.isnan(weights) & ~masked).any():
        pink = [(0, colours.NOT_A_NUMBER), (1, colours.NOT_A_NUMBER)]
        bad = np.where(np.isnan(weights) & ~masked, 1.0, np.nan)
        hover = f"{name}not a number<extra></extra>"
        figure.add_heatmap(z=bad, colorscale=pink, showscale=False, hovertemplate=hover, **cells)
    if below:
        figure.add_annotation(
            x=column + (1 - GAP) / 2,
            y=row + (1 - GAP - below) / 2,
            text=view.below(layer, head),
            showarrow=False,
            xanchor="right",
            yanchor="middle",
            font={"size": 10},
        )


def _map_corners(row: int, column: int, below: float) -> tuple[float, float, float, float]:
    """Return the left, top, right and bottom of a head's map; what stands below takes `below` of the head's square."""
    inner = (1 - GAP) / 2
    return column - inner, row - inner, column + inner, row + inner - below


def _shade(view: GridView, layer: int, head: int) -> tuple[list[Box], list[Box]]:
    """Return the boxes of dimmed and of hidden cells in a head's map."""
    return shade_boxes(view.shade, _map_corners(*view.place(layer, head), view.room_below))


def _draw_heads(axes: Axes, view: GridView, options: DrawOptions, has_scores: bool) -> None:
    """Draw every head's map with its frame and its truth score, and outline the chosen heads."""
    below, drawn = view.room_below, []
    shaded: tuple[list[Box], list[Box]] = ([], [])
    for layer, head in view.each_head():
        corners = left, top, right, bottom = _map_corners(*view.place(layer, head), below)
        drawn.append((view.maps[layer, head], view.mask[layer, head], corners))
        frame = Rectangle((left, top), right - left, bottom - top, fill=False, ec=DIMMED, lw=0.3, zorder=2)
        axes.add_patch(frame)
        for boxes, more in zip(shaded, _shade(view, layer, head), strict=True):
            boxes.extend(more)
        if has_scores or view.is_list:
            words = view.below(layer, head) if has_scores else str(layer)
            axes.text(right, bottom + below, words, fontsize=6, ha="right", va="bottom")
    draw_maps(axes, options, drawn, view.top)
    draw_shade(axes, shaded)
    for layer, first, last in view.key_groups:
        axes.plot((first - 0.42, last + 0.42), (layer + 0.5, layer + 0.5), color=DIMMED, lw=1, solid_capstyle="butt")
    for row, column in (view.place(*one) for one in view.outlined):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec=style.SELECTED, lw=1.5, zorder=3))
