"""All heads at once: layers down, heads across, every head a small map of its attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from models import Attention
from viz import colours
from viz.figures.heatmap import bar_title
from viz.head_maps import GridView, HeadMaps, grid_view
from viz.paper.drawing import DIMMED, add_colour_bar, add_title, draw_maps
from viz.view import Look
from viz.wire.packing import pack

GAP = 0.08
# What a truth score takes below its map, of a head's place: on the map it would hide weights.
SCORE_ROOM = 0.17
SELECTED = "#e4572e"
# Inches of all maps on paper: with the numbers and the colour bar, the width of a column of text.
PAPER_WIDTH, PAPER_HEIGHT = 5.7, 8.3
# A map's bytes for the browser: weight x 254, and one colour more for what is masked.
STRONGEST, MASKED = 254, 255


def grid(att: Attention, layer: int | None = None, head: int | None = None, *, look: Look | None = None) -> go.Figure:
    """Return all heads as one interactive figure, the head (layer, head) outlined if it is given.

    Long texts are shown as block maxima of at most 48 x 48 a head, fewer where there are many heads.

    Raises:
        BadSelection: no such layer or head.
    """
    look = look or Look()
    view = grid_view(att, layer, head, truth=look.truth)
    n_layers, n_heads, n_rows, n_columns = view.maps.shape
    below = 0 if view.scores is None else SCORE_ROOM
    step_x, step_y = (1 - GAP) / n_columns, (1 - GAP - below) / n_rows
    figure = go.Figure()
    for number, heads in enumerate(view.n_heads):
        for position in range(heads):
            masked = ~view.mask[number, position]
            weights = np.where(masked, np.float32(np.nan), view.maps[number, position])
            x0, y0 = position - 0.5 + (GAP + step_x) / 2, number - 0.5 + (GAP + step_y) / 2
            place = {"x0": x0, "dx": step_x, "y0": y0, "dy": step_y}
            name = f"Layer {number}, head {position}<br>"
            hover = f"{name}weight %{{z:.4f}}<extra></extra>"
            figure.add_heatmap(z=weights, coloraxis="coloraxis", hovertemplate=hover, **place)
            if masked.any():
                # Cells that are left out show what lies below.
                left, top, right, bottom = _place(position, number, below)
                corners = {"x0": left, "x1": right, "y0": top, "y1": bottom}
                figure.add_shape(
                    type="rect", fillcolor=colours.masked(look.palette)[1], line={"width": 0}, layer="below", **corners
                )
            if (np.isnan(weights) & ~masked).any():
                pink = [(0, colours.NOT_A_NUMBER), (1, colours.NOT_A_NUMBER)]
                bad = np.where(np.isnan(weights) & ~masked, 1.0, np.nan)
                hover = f"{name}not a number<extra></extra>"
                figure.add_heatmap(z=bad, colorscale=pink, showscale=False, hovertemplate=hover, **place)
            if view.scores is not None:
                figure.add_annotation(
                    x=position + (1 - GAP) / 2,
                    y=number + (1 - GAP - below) / 2,
                    text=f"{view.scores[number, position]:.0%}",
                    showarrow=False,
                    xanchor="right",
                    yanchor="middle",
                    font={"size": 10},
                )
    if view.selected:
        row, column = view.selected
        corners = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
        figure.add_shape(type="rect", line={"color": SELECTED, "width": 2}, **corners)
    axis = {"showgrid": False, "zeroline": False, "tickmode": "array", "constrain": "domain"}
    heads_axis = {**axis, "tickvals": list(range(n_heads)), "title": {"text": "head"}, "side": "top"}
    layers_axis = {**axis, "tickvals": list(range(n_layers)), "title": {"text": "layer"}, "scaleanchor": "x"}
    bar = {"title": {"text": bar_title(look), "side": "right"}, "thickness": 12}
    scale = colours.plotly_scale(look.palette, look.contrast)
    figure.update_layout(
        title={"text": describe(view, look), "font": {"size": 15}},
        coloraxis={"cmin": 0, "cmax": 1, "colorscale": scale, "colorbar": bar},
        xaxis={**heads_axis, "range": [-0.55, n_heads - 0.45]},
        yaxis={**layers_axis, "range": [n_layers - 0.45, -0.55]},
        height=max(320, 90 * n_layers + 110),
        margin={"l": 8, "r": 8, "t": 90, "b": 8},
        plot_bgcolor="rgba(0,0,0,0)",
        paper_bgcolor="rgba(0,0,0,0)",
    )
    return figure


def _place(head: int, layer: int, below: float) -> tuple[float, float, float, float]:
    """Return the left, top, right and bottom of a head's map; the score takes `below` of its place."""
    inner = (1 - GAP) / 2
    return head - inner, layer - inner, head + inner, layer + inner - below


def describe(view: GridView, look: Look) -> str:
    """Return the title with its legend."""
    note = legend(view, look)
    return f"{view.title} ({note})" if note else view.title


def legend(view: GridView, look: Look) -> str:
    """Return what a cell stands for where it is not one pair, and the colour of bad ones; empty if all is plain."""
    notes = []
    if view.n_done < len(view.n_heads):
        notes.append(f"{view.n_done} of {len(view.n_heads)} layers so far")
    if view.block != (1, 1):
        notes.append(f"a cell is the largest weight of {view.block[0]} x {view.block[1]} pairs")
    if not view.mask.all():
        notes.append(f"{colours.masked(look.palette)[0]}: masked")
    if _broken(view).any():
        notes.append("pink: not a number")
    if view.scores is not None:
        notes.append("per cent: how often a head's strongest key is the true one")
    return ", ".join(notes)


def _broken(view: GridView) -> Bool[np.ndarray, "layer head"]:
    """Return which heads hold a weight that is no number; heads that a layer lacks do not count."""
    exists = np.arange(view.maps.shape[1]) < np.array(view.n_heads)[:, None]
    exists[view.n_done :] = False
    return (np.isnan(view.maps) & view.mask).any(axis=(2, 3)) & exists


def pack_grid(
    att: Attention, look: Look, layer: int | None = None, head: int | None = None, maps: HeadMaps | None = None
) -> bytes:
    """Return the data of viz/browser/grid.js: all maps as bytes that number the colours, and the colours.

    The first 255 colours are those of the weights from 0 to 1, the last is that of what is masked.
    """
    view = grid_view(att, layer, head, maps, truth=look.truth)
    header: dict[str, Any] = {
        "title": describe(view, look),
        "note": legend(view, look),
        "heads": list(view.n_heads),
        "shape": list(view.maps.shape),
        "done": view.n_done,
        "aspect": float(np.clip(view.n_query / view.n_key, 0.4, 2.5)),
        "selected": list(view.selected) if view.selected else None,
        "scale": bar_title(look),
        "outline": SELECTED,
        "bad": colours.NOT_A_NUMBER,
        "truth": colours.TRUTH,
        "scores": None if view.scores is None else _or_none(view.scores),
    }
    known = slice(view.n_done)
    numbers = np.round(np.nan_to_num(view.maps[known]) * STRONGEST).astype(np.uint8)
    masked = np.array([to_rgb(colours.masked(look.palette)[1])]) * 255
    arrays = {
        "maps": np.where(view.mask[known], numbers, np.uint8(MASKED)),
        "colours": np.vstack([colours.table(look.palette, look.contrast, MASKED), masked.round().astype(np.uint8)]),
        "broken": _broken(view).astype(np.uint8),
    }
    return pack(header, arrays)


def _or_none(scores: Float[np.ndarray, "layer head"]) -> list[float | None]:
    """Return numbers in the order of layers and heads, as JSON has them: NaN becomes null."""
    return [None if np.isnan(score) else round(float(score), 4) for score in scores.flat]


def draw_grid(att: Attention, layer: int | None, head: int | None, look: Look, maps: HeadMaps | None = None) -> Figure:
    """Return the same picture for paper; the caller saves it (viz.export)."""
    view = grid_view(att, layer, head, maps, truth=look.truth)
    n_layers, n_heads = view.maps.shape[:2]
    cell = min(1.2, PAPER_WIDTH / n_heads, PAPER_HEIGHT / n_layers)
    figure = Figure(figsize=(cell * n_heads + 1.3, cell * n_layers + 1.0), layout="constrained")
    axes = figure.add_subplot(aspect="equal")
    colour_map = colours.matplotlib_map(look.palette, look.contrast)
    below, drawn = 0 if view.scores is None else SCORE_ROOM, []
    for layer_number, heads in enumerate(view.n_heads):
        for position in range(heads):
            place = left, top, right, bottom = _place(position, layer_number, below)
            drawn.append((view.maps[layer_number, position], view.mask[layer_number, position], place))
            frame = Rectangle((left, top), right - left, bottom - top, fill=False, ec=DIMMED, lw=0.3, zorder=2)
            axes.add_patch(frame)
            if view.scores is not None:
                told = f"{view.scores[layer_number, position]:.0%}"
                axes.text(right, bottom + below, told, fontsize=6, ha="right", va="bottom")
    draw_maps(axes, look, drawn)
    if view.selected:
        row, column = view.selected
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec=SELECTED, lw=1.5, zorder=3))
    axes.set(xlim=(-0.55, n_heads - 0.45), ylim=(n_layers - 0.45, -0.55))
    # A number needs so much room beside and below the next.
    axes.set_xticks(range(0, n_heads, math.ceil(0.18 / cell)))
    axes.set_yticks(range(0, n_layers, math.ceil(0.12 / cell)))
    axes.set_xlabel("head", fontsize=8)
    axes.set_ylabel("layer", fontsize=8)
    axes.tick_params(length=0, labelsize=7.5, labeltop=True, labelbottom=False)
    axes.xaxis.set_label_position("top")
    axes.spines[:].set_visible(False)
    add_title(figure, [describe(view, look)], size=9)
    margin = (0.05 + GAP / 2) / (n_layers + 0.1)
    add_colour_bar(figure, axes, colour_map, bar_title(look), margin=margin)
    return figure
