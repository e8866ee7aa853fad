"""All heads at once: layers down, heads across, every head a small map of its attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure as PaperFigure
from matplotlib.patches import Rectangle

from analysis.selection import Selection
from models import Attention
from viz import colours, style
from viz.figures.base import Figure, Offer, Subject, pooling
from viz.figures.grid_view import GridView, check_both, grid_view
from viz.figures.heatmap import bar_title
from viz.options import DrawOptions
from viz.paper.drawing import DIMMED, add_colour_bar, add_title, draw_maps

GAP = 0.08
# Inches of all maps on paper: with the numbers and the colour bar, the width of a column of text.
PAPER_WIDTH, PAPER_HEIGHT = 5.7, 8.3


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

    def check_heads(self, layer: int | None, head: int | None) -> None:
        """Check that a layer and a head are given together."""
        check_both(layer, head)

    def view(self, subject: Subject, selection: Selection, options: DrawOptions) -> GridView:
        """Return the maps of all heads."""
        return grid_view(subject, selection, options)

    def heading(self, view: GridView) -> str:
        """Return the title of all heads."""
        return view.title

    def transformations(self, view: GridView) -> dict[str, Any]:
        """Return the block of pairs that share a cell."""
        return {"pooling": pooling(view.block)}

    def contents(self, subject: Subject, selection: Selection) -> str:
        """Return how many heads there are."""
        n_heads = sum(map(subject.att.heads_in, range(subject.att.n_layers)))
        return f"It contains all {n_heads} heads, each with the whole text."

    def to_plotly(self, view: GridView, options: DrawOptions) -> go.Figure:
        """Return the maps as one chart of one trace per head."""
        figure = go.Figure()
        for layer, head in view.each_head():
            _add_map(figure, view, options, layer, head)
        if view.selected:
            layer, head = view.selected
            corners = {"x0": head - 0.5, "x1": head + 0.5, "y0": layer - 0.5, "y1": layer + 0.5}
            figure.add_shape(type="rect", line={"color": style.SELECTED, "width": 2}, **corners)
        n_layers, n_heads = view.maps.shape[:2]
        axis = {"showgrid": False, "zeroline": False, "tickmode": "array", "constrain": "domain"}
        heads_axis = {**axis, "tickvals": list(range(n_heads)), "title": {"text": "head"}, "side": "top"}
        layers_axis = {**axis, "tickvals": list(range(n_layers)), "title": {"text": "layer"}, "scaleanchor": "x"}
        bar = {"title": {"text": bar_title(options), "side": "right"}, "thickness": 12}
        scale = colours.plotly_scale(options.palette, options.scale)
        figure.update_layout(
            title={"text": describe(view, options), "font": {"size": 15}},
            coloraxis={"cmin": 0, "cmax": 1, "colorscale": scale, "colorbar": bar},
            xaxis={**heads_axis, "range": [-0.55, n_heads - 0.45]},
            yaxis={**layers_axis, "range": [n_layers - 0.45, -0.55]},
            height=max(320, 90 * n_layers + 110),
            margin={"l": 8, "r": 8, "t": 90, "b": 8},
            plot_bgcolor="rgba(0,0,0,0)",
            paper_bgcolor="rgba(0,0,0,0)",
        )
        return figure

    def to_paper(self, view: GridView, options: DrawOptions) -> PaperFigure:
        """Return the maps as one drawing with a common colour bar."""
        n_layers, n_heads = view.maps.shape[:2]
        cell = min(1.2, PAPER_WIDTH / n_heads, PAPER_HEIGHT / n_layers)
        figure = PaperFigure(figsize=(cell * n_heads + 1.3, cell * n_layers + 1.0), layout="constrained")
        axes = figure.add_subplot(aspect="equal")
        _draw_heads(axes, view, options)
        axes.set(xlim=(-0.55, n_heads - 0.45), ylim=(n_layers - 0.45, -0.55))
        # A number needs this much room, in inches, beside and below the next one.
        axes.set_xticks(range(0, n_heads, math.ceil(0.18 / cell)))
        axes.set_yticks(range(0, n_layers, math.ceil(0.12 / cell)))
        axes.set_xlabel("head", fontsize=8)
        axes.set_ylabel("layer", fontsize=8)
        axes.tick_params(length=0, labelsize=7.5, labeltop=True, labelbottom=False)
        axes.xaxis.set_label_position("top")
        axes.spines[:].set_visible(False)
        add_title(figure, [describe(view, options)], size=9)
        margin = (0.05 + GAP / 2) / (n_layers + 0.1)
        colour_map = colours.matplotlib_map(options.palette, options.scale)
        add_colour_bar(figure, axes, colour_map, bar_title(options), margin=margin)
        return figure


def grid(
    att: Attention, layer: int | None = None, head: int | None = None, *, options: DrawOptions | None = None
) -> go.Figure:
    """Return all heads as one interactive figure, the head (layer, head) outlined if it is given.

    Long texts are shown as block maxima of at most 48 x 48 a head, fewer where there are many heads.

    Raises:
        BadSelection: no such layer or head.
    """
    options, figure = options or DrawOptions(), Grid()
    return figure.to_plotly(figure.view(Subject(att), Selection.parse(layer, head), options), options)


def describe(view: GridView, options: DrawOptions) -> str:
    """Return the title with its legend."""
    note = legend(view, options)
    return f"{view.title} ({note})" if note else view.title


def legend(view: GridView, options: DrawOptions) -> str:
    """Return what a cell stands for where it is not one pair, and the colour of bad ones; empty if all is plain."""
    notes = []
    if view.n_done < len(view.n_heads):
        notes.append(f"{view.n_done} of {len(view.n_heads)} layers so far")
    if view.block != (1, 1):
        notes.append(f"a cell is the largest weight of {view.block[0]} x {view.block[1]} pairs")
    if not view.mask.all():
        notes.append(f"{colours.masked(options.palette)[0]}: masked")
    if view.bad.any():
        notes.append("pink: not a number")
    if view.scores is not None:
        notes.append("per cent: how often a head's strongest key is the true one")
    return ", ".join(notes)


def _add_map(figure: go.Figure, view: GridView, options: DrawOptions, layer: int, head: int) -> None:
    """Add the map of one head, what is masked in it, what is not a number, and its truth score."""
    n_rows, n_columns = view.maps.shape[2:]
    below, masked = view.score_room, ~view.mask[layer, head]
    step_x, step_y = (1 - GAP) / n_columns, (1 - GAP - below) / n_rows
    weights = np.where(masked, np.float32(np.nan), view.maps[layer, head])
    x0, y0 = head - 0.5 + (GAP + step_x) / 2, layer - 0.5 + (GAP + step_y) / 2
    cells = {"x0": x0, "dx": step_x, "y0": y0, "dy": step_y}
    name = f"{style.HEAD.format(layer=layer, head=head)}<br>"
    figure.add_heatmap(
        z=weights, coloraxis="coloraxis", hovertemplate=f"{name}weight %{{z:.4f}}<extra></extra>", **cells
    )
    if masked.any():
        # Cells without a weight show what is below them.
        left, top, right, bottom = _map_corners(layer, head, below)
        corners, colour = {"x0": left, "x1": right, "y0": top, "y1": bottom}, colours.masked(options.palette)[1]
        figure.add_shape(type="rect", fillcolor=colour, line={"width": 0}, layer="below", **corners)
    if (np.isnan(weights) & ~masked).any():
        pink = [(0, colours.NOT_A_NUMBER), (1, colours.NOT_A_NUMBER)]
        bad = np.where(np.isnan(weights) & ~masked, 1.0, np.nan)
        hover = f"{name}not a number<extra></extra>"
        figure.add_heatmap(z=bad, colorscale=pink, showscale=False, hovertemplate=hover, **cells)
    if view.scores is not None:
        figure.add_annotation(
            x=head + (1 - GAP) / 2,
            y=layer + (1 - GAP - below) / 2,
            text=f"{view.scores[layer, head]:.0%}",
            showarrow=False,
            xanchor="right",
            yanchor="middle",
            font={"size": 10},
        )


def _map_corners(layer: int, head: int, below: float) -> tuple[float, float, float, float]:
    """Return the left, top, right and bottom of a head's map; the score takes `below` of the head's square."""
    inner = (1 - GAP) / 2
    return head - inner, layer - inner, head + inner, layer + inner - below


def _draw_heads(axes: Axes, view: GridView, options: DrawOptions) -> None:
    """Draw every head's map with its frame and its truth score, and outline the selected head."""
    below, drawn = view.score_room, []
    for layer, head in view.each_head():
        corners = left, top, right, bottom = _map_corners(layer, head, below)
        drawn.append((view.maps[layer, head], view.mask[layer, head], corners))
        frame = Rectangle((left, top), right - left, bottom - top, fill=False, ec=DIMMED, lw=0.3, zorder=2)
        axes.add_patch(frame)
        if view.scores is not None:
            score = f"{view.scores[layer, head]:.0%}"
            axes.text(right, bottom + below, score, fontsize=6, ha="right", va="bottom")
    draw_maps(axes, options, drawn)
    if view.selected:
        layer, head = view.selected
        axes.add_patch(Rectangle((head - 0.5, layer - 0.5), 1, 1, fill=False, ec=style.SELECTED, lw=1.5, zorder=3))
