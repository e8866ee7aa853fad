"""Tokens in Plotly figures: text that is no markup, labels, and axes whose positions are tokens."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from models import Token
from viz.colours import place_on_scale, scale_ticks
from viz.labels import columns, label, label_positions, position_suffix
from viz.options import DrawOptions
from viz.shade import HIDDEN, SHOWN
from viz.style import SCALES, SLANTED_HEIGHT, UNDER_LABELS

GREY, FAINT, GENERATED = "#808895", "#a3aab5", "#8a4bc0"
# Without a template, Plotly draws in the default style of the process, which Streamlit changes.
PLAIN = go.layout.Template()


def plotly_text(text: str) -> str:
    """Return text that Plotly shows as it is: no markup, no entity, no TeX."""
    return html.escape(text, quote=False).replace("$", "&#36;")


def plotly_label(token: Token, level: int = SHOWN) -> str:
    """Return a token's label as Plotly shows it: grey if the tokenizer added it, purple if the model wrote it.

    Those of dimmed tokens are faint, and those of hidden ones struck through besides.
    """
    text = plotly_text(label(token))
    if level == HIDDEN:
        text = f"<s>{text}</s>"
    colour = FAINT if level else GENERATED if token.generated else GREY if token.special else ""
    return f'<span style="color:{colour}">{text}</span>' if colour else text


def ground(palette: str) -> str:
    """Return the ground of the page for which a palette is made."""
    return "#0e1420" if palette == "night" else "#ffffff"


def hatch(boxes: Sequence[tuple[float, float, float, float]], palette: str) -> go.Scatter:
    """Return a trace that covers boxes (left, top, right, bottom) with hatched ground, as hidden tokens look."""
    x = [each for left, _, right, _ in boxes for each in (left, right, right, left, left, None)]
    y = [each for _, top, _, bottom in boxes for each in (top, top, bottom, bottom, top, None)]
    pattern = {"shape": "/", "fgcolor": FAINT, "bgcolor": ground(palette), "size": 6, "solidity": 0.15}
    look = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    return go.Scatter(x=x[:-1], y=y[:-1], fill="toself", fillpattern=pattern, **look)


def colour_bar(options: DrawOptions, top: float = 1.0) -> dict[str, Any]:
    """Return the colour bar of places on a scale that ends at `top`, with the weights and the name of the scale."""
    places, texts = zip(*scale_ticks(options.scale, top), strict=True)
    title = {"text": SCALES[options.scale], "side": "right"}
    return {"title": title, "thickness": 12, "tickmode": "array", "tickvals": places, "ticktext": texts}


def placed(weights: np.ndarray, scale: str, top: float = 1.0) -> tuple[np.ndarray, str]:
    """Return the places of weights on a scale that ends at `top`, and what the hover writes: the weight, from
    `customdata` if needed.
    """
    if scale == "linear" and top == 1:
        return weights, "z"
    return place_on_scale(weights / top, scale).astype(np.float32), "customdata"


def cell_centres(span: range, block: int) -> np.ndarray:
    """Return the coordinates of the cells of a side: positions, or the middles of blocks of positions."""
    return np.arange(span.start, span.stop) if block == 1 else np.arange(span.start, span.stop, block) + (block - 1) / 2


def token_axes(
    axis: str,
    tokens: tuple[Token, ...],
    span: range,
    block: int,
    title: str,
    angle: int,
    levels: np.ndarray | None = None,
) -> tuple[dict[str, Any], int]:
    """Return the layout of an axis of the tokens at `span`, and the room in pixels that its labels need.

    Where the tokens are too many to read, a second axis shows every n-th; the first names all cells in any case,
    because hover takes its token names from there. `levels` says which tokens are dimmed or hidden.
    """
    levels = np.zeros(len(tokens), np.uint8) if levels is None else levels
    size = max(9, min(13, 480 // max(len(tokens), 1)))
    spaced = label_positions(len(tokens))
    ends = [span.start - 0.5, span.stop - 0.5]
    first = {
        "tickmode": "array",
        "tickvals": cell_centres(span, block).tolist(),
        "range": ends if axis == "x" else ends[::-1],
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
        # Otherwise Plotly measures every label to hide those beyond the edge, which takes longer than all the rest.
        "ticklabeloverflow": "allow",
    }
    labels = [plotly_label(tokens[at], int(levels[at])) + position_suffix(span[at], block) for at in spaced]
    shown = {
        "ticktext": labels,
        # Beyond the longest label: Plotly would put the title between short ones.
        "title": {"text": title, "font": {"size": 12}, "standoff": 6},
        "tickfont": {"size": size},
        "ticklabelstandoff": 4,
        "tickangle": angle,
    }
    widest = max(columns(label(tokens[position]) + position_suffix(span[position], block)) for position in spaced)
    room = round(UNDER_LABELS + 0.58 * size * widest * (SLANTED_HEIGHT if angle == -45 else 1))
    if len(spaced) == len(tokens):
        return {f"{axis}axis": {**first, **shown}}, room
    every = [_cell_name(tokens, span, start, block) for start in range(0, len(tokens), block)]
    place = {"overlaying": axis, "matches": axis, "side": "bottom" if axis == "x" else "left"}
    second = {**first, **shown, "tickvals": [span.start + position for position in spaced], **place}
    return {f"{axis}axis": {**first, "ticktext": every, "showticklabels": False}, f"{axis}axis2": second}, room


def _cell_name(tokens: tuple[Token, ...], span: range, start: int, block: int) -> str:
    """Return what hover calls the cell that begins at token `start`: a token, or the first and last of several."""
    end = min(start + block, len(tokens)) - 1
    first, last = plotly_text(label(tokens[start])), plotly_text(label(tokens[end]))
    return first if block == 1 else f"{first} … {last} ({span[start]} to {span[end]})"
