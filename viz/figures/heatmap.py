"""One head as a heatmap: query tokens down, key tokens across, colour = weight from 0 to 1."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from models import Attention, Token
from viz import colours
from viz.paper.drawing import DIMMED, add_colour_bar, add_title, draw_maps, style_labels
from viz.view import MOST_LABELS, HeadView, Look, boundaries, columns, head_view, label, label_positions, place_of

HOVER = "%{y} (%{y:d}) attends to %{x} (%{x:d})<br>weight %{z:.5f}<extra></extra>"
BLOCK_HOVER = "queries %{y}<br>keys %{x}<br>largest weight %{z:.5f}<extra></extra>"
MOST_SLANTED = 20
SHORTEST_SIDE = 0.8  # inches
MOST_PAPER_LABELS = 80
GREY = "#808895"
# Plotly would draw in the default style of the process, which Streamlit changes.
PLAIN = go.layout.Template()


def heatmap(att: Attention, layer: int, head: int, *, look: Look | None = None) -> go.Figure:
    """Return one head's weights, or those of `look.region`, as an interactive figure.

    The axes are integer positions and the tokens their tick text, so that repeated tokens keep their own cells. Where
    a side has more than `READABLE` tokens, a cell is the largest weight of a block of pairs, and the title says so.

    Raises:
        BadSelection: no such layer, head or region.
    """
    look = look or Look()
    view = head_view(att, layer, head, look)
    shown = np.where(view.mask, view.weights, np.float32(np.nan))
    gap = 0.5 if shown.size < 2500 else 0
    (high, wide), region = view.region.block, view.region
    places = {"x": _centres(region.keys, wide), "y": _centres(region.queries, high)}
    cells = go.Heatmap(
        z=shown,
        **places,
        zmin=0,
        zmax=1,
        colorscale=colours.plotly_scale(look.palette, look.contrast),
        colorbar={"title": {"text": bar_title(look), "side": "right"}, "thickness": 12, "ypad": 0, "tickformat": ".1f"},
        hovertemplate=HOVER if region.exact else BLOCK_HOVER,
        hoverongaps=False,
        xgap=gap,
        ygap=gap,
    )
    traces = [cells]
    bad = _bad(view)
    if bad.any():
        broken = go.Heatmap(
            z=np.where(bad, 1.0, np.nan),
            **places,
            colorscale=[(0, colours.NOT_A_NUMBER), (1, colours.NOT_A_NUMBER)],
            showscale=False,
            hovertemplate="%{y} to %{x}: not a number<extra></extra>",
            hoverongaps=False,
        )
        traces.append(broken)
    slanted = len(view.key_tokens) <= MOST_SLANTED
    keys, key_room = _plotly_axes("x", view.key_tokens, region.keys, wide, "key (attended to)", -45 if slanted else -90)
    # Queries run down.
    queries, query_room = _plotly_axes("y", view.query_tokens, region.queries, high, "query (attends)", 0)
    second = {f"{axis}axis": f"{axis}2" for axis in "xy" if f"{axis}axis2" in {**keys, **queries}}
    if second:
        # Plotly draws an axis only where a trace uses it.
        traces.append(go.Scatter(x=[None], y=[None], **second, showlegend=False, hoverinfo="skip"))
    title = "<br>".join([describe(view, look), *(f'<span style="font-size:12px">{note}</span>' for note in view.notes)])
    top = 44 + 17 * len(view.notes)
    layout = {
        "template": PLAIN,
        "title": {"text": title, "font": {"size": 15}},
        # Measured here: Plotly would lay the picture out twice to find its margins, which doubles a head switch.
        "margin": {"l": query_room, "r": 8, "t": top, "b": key_room, "pad": 0},
        "plot_bgcolor": "rgba(0,0,0,0)" if view.mask.all() else colours.masked(look.palette)[1],
        "paper_bgcolor": "rgba(0,0,0,0)",
        "shapes": [*_boundary_lines(view), *_truth_outlines(view)],
        "height": 406 + top + key_room,
        "hoverlabel": {"font": {"size": 13}},
    }
    return go.Figure(traces, {**layout, **keys, **queries})


def _boundary_lines(view: HeadView) -> list[dict[str, Any]]:
    """Return a thin line between texts of a pair, and before what the model itself wrote."""
    line = {"type": "line", "line": {"color": GREY, "width": 1, "dash": "dot"}}
    lines = []
    for axis, other, tokens, span in (
        ("x", "y", view.key_tokens, view.region.keys),
        ("y", "x", view.query_tokens, view.region.queries),
    ):
        for place in boundaries(tokens):
            edge = span.start + place - 0.5
            ends = {f"{axis}0": edge, f"{axis}1": edge, f"{other}0": 0, f"{other}1": 1}
            lines.append({**line, **ends, f"{other}ref": f"{other} domain"})
    return lines


def _truth_outlines(view: HeadView) -> list[dict[str, Any]]:
    """Return one shape that outlines every cell in which the right answer stands."""
    if view.truth is None:
        return []
    region = view.region
    corners = (
        (region.keys.start + column - 0.46, region.queries.start + row - 0.46)
        for row, column in np.argwhere(view.truth).tolist()
    )
    path = " ".join(f"M{x:g},{y:g}H{x + 0.92:g}V{y + 0.92:g}H{x:g}Z" for x, y in corners)
    return [{"type": "path", "path": path, "line": {"color": colours.TRUTH, "width": 2}}]


def _centres(span: range, block: int) -> np.ndarray:
    """Return where the cells of a side stand: positions, or the middles of blocks of them."""
    return np.arange(span.start, span.stop) if block == 1 else np.arange(span.start, span.stop, block) + (block - 1) / 2


def describe(view: HeadView, look: Look) -> str:
    """Return the title, which names the colours that stand for no weight where there are any."""
    legend = [] if view.mask.all() else [f"{colours.masked(look.palette)[0]}: masked"]
    if _bad(view).any():
        legend.append("pink: not a number")
    return view.title + (f" ({', '.join(legend)})" if legend else "")


def _bad(view: HeadView) -> Bool[np.ndarray, "row column"]:
    return np.isnan(view.weights) & view.mask


def bar_title(look: Look) -> str:
    """Return the colour bar's title, which names the contrast if there is one."""
    return "weight" if look.contrast == "linear" else "weight (colour by square root)"


def plotly_text(text: str) -> str:
    """Return text that Plotly shows as it stands: no markup, no entity, no TeX."""
    return html.escape(text, quote=False).replace("$", "&#36;")


def plotly_label(token: Token) -> str:
    """Return a token's label as Plotly shows it, dimmed where the tokenizer added the token."""
    text = plotly_text(label(token))
    return f'<span style="color:{GREY}">{text}</span>' if token.special else text


def _plotly_axes(
    axis: str, tokens: tuple[Token, ...], span: range, block: int, title: str, angle: int
) -> tuple[dict[str, Any], int]:
    """Return the layout of an axis of the tokens at `span`, and the room in pixels that its labels need.

    Where the tokens are too many to read, a second axis shows every n-th; the first names all cells in any case,
    since hover takes its token names from there.
    """
    size = max(9, min(13, 480 // max(len(tokens), 1)))
    spaced = label_positions(len(tokens))
    ends = [span.start - 0.5, span.stop - 0.5]
    first = {
        "tickmode": "array",
        "tickvals": _centres(span, block).tolist(),
        "range": ends if axis == "x" else ends[::-1],
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
        # Plotly would measure every label to hide those beyond the edge, which takes longer than all the rest.
        "ticklabeloverflow": "allow",
    }
    shown = {
        "ticktext": [plotly_label(tokens[position]) + place_of(span[position], block) for position in spaced],
        # Beyond the longest label: Plotly would put the title between short ones.
        "title": {"text": title, "font": {"size": 12}, "standoff": 6},
        "tickfont": {"size": size},
        "ticklabelstandoff": 4,
        "tickangle": angle,
    }
    widest = max(columns(label(tokens[position]) + place_of(span[position], block)) for position in spaced)
    room = round(34 + 0.58 * size * widest * (0.75 if angle == -45 else 1))
    if len(spaced) == len(tokens):
        return {f"{axis}axis": {**first, **shown}}, room
    every = [_cell_name(tokens, span, start, block) for start in range(0, len(tokens), block)]
    second = {
        **first,
        **shown,
        "tickvals": [span.start + position for position in spaced],
        "overlaying": axis,
        "matches": axis,
        "side": "bottom" if axis == "x" else "left",
    }
    return {f"{axis}axis": {**first, "ticktext": every, "showticklabels": False}, f"{axis}axis2": second}, room


def _cell_name(tokens: tuple[Token, ...], span: range, start: int, block: int) -> str:
    """Return what hover calls the cell that begins at token `start`: a token, or the first and last of several."""
    end = min(start + block, len(tokens)) - 1
    first, last = plotly_text(label(tokens[start])), plotly_text(label(tokens[end]))
    return first if block == 1 else f"{first} … {last} ({span[start]} to {span[end]})"


def draw_heatmap(att: Attention, layer: int, head: int, look: Look) -> Figure:
    """Return the same picture for paper; the caller saves it (viz.export)."""
    view = head_view(att, layer, head, look)
    n_rows, n_columns = view.weights.shape
    cell = min(0.3, 7.0 / max(n_rows, n_columns))
    figure = Figure(figsize=(max(2.6, cell * n_columns) + 2.2, max(2.0, cell * n_rows) + 1.6), layout="constrained")
    # Square cells, unless one side is so short that its cells would become lines.
    axes = figure.add_subplot(aspect="equal" if cell * min(n_rows, n_columns) >= SHORTEST_SIDE else "auto")
    colour_map = colours.matplotlib_map(look.palette, look.contrast)
    draw_maps(axes, look, [(view.weights, view.mask, (-0.5, -0.5, n_columns - 0.5, n_rows - 0.5))])
    if view.truth is not None:
        for row, column in np.argwhere(view.truth).tolist():
            outline = Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fill=False, ec=colours.TRUTH, lw=1)
            axes.add_patch(outline)
    axes.set(xlim=(-0.5, n_columns - 0.5), ylim=(n_rows - 0.5, -0.5))
    region = view.region
    for axis, tokens, span, block in (
        (axes.yaxis, view.query_tokens, region.queries, region.block[0]),
        (axes.xaxis, view.key_tokens, region.keys, region.block[1]),
    ):
        positions = label_positions(len(tokens), MOST_PAPER_LABELS if block == 1 else MOST_LABELS)
        # The middle of a token is where it would stand if every pair had its own cell.
        places = [(position + 0.5) / block - 0.5 for position in positions]
        axis.set_ticks(places, [label(tokens[position]) + place_of(span[position], block) for position in positions])
        size = min(9, max(5, 72 * cell * positions.step / block * 0.8))
        style_labels(axis, [tokens[position] for position in positions], size=size)
    for drawn, tokens, block in zip(
        (axes.axhline, axes.axvline), (view.query_tokens, view.key_tokens), view.region.block, strict=True
    ):
        for place in boundaries(tokens):
            drawn(place / block - 0.5, color=DIMMED, linewidth=0.6, linestyle=":")
    for text in axes.get_xticklabels():
        text.set(rotation=90)
    axes.set_xlabel("key (attended to)", fontsize=9)
    axes.set_ylabel("query (attends)", fontsize=9)
    add_title(figure, [describe(view, look), *view.notes], size=10)
    axes.tick_params(length=2)
    add_colour_bar(figure, axes, colour_map, bar_title(look))
    return figure
