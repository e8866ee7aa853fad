"""Tokens in Plotly figures: text that is no markup, labels, and axes whose positions are tokens."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import plotly.graph_objects as go

from models import Token
from viz.labels import columns, label, label_positions, position_suffix
from viz.style import SLANTED_HEIGHT, UNDER_LABELS

GREY = "#808895"
# Without a template, Plotly draws in the default style of the process, which Streamlit changes.
PLAIN = go.layout.Template()


def plotly_text(text: str) -> str:
    """Return text that Plotly shows as it is: no markup, no entity, no TeX."""
    return html.escape(text, quote=False).replace("$", "&#36;")


def plotly_label(token: Token) -> str:
    """Return a token's label as Plotly shows it, dimmed where the tokenizer added the token."""
    text = plotly_text(label(token))
    return f'<span style="color:{GREY}">{text}</span>' if token.special else text


def cell_centres(span: range, block: int) -> np.ndarray:
    """Return the coordinates of the cells of a side: positions, or the middles of blocks of positions."""
    return np.arange(span.start, span.stop) if block == 1 else np.arange(span.start, span.stop, block) + (block - 1) / 2


def token_axes(
    axis: str, tokens: tuple[Token, ...], span: range, block: int, title: str, angle: int
) -> tuple[dict[str, Any], int]:
    """Return the layout of an axis of the tokens at `span`, and the room in pixels that its labels need.

    Where the tokens are too many to read, a second axis shows every n-th; the first names all cells in any case,
    because hover takes its token names from there.
    """
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
    shown = {
        "ticktext": [plotly_label(tokens[position]) + position_suffix(span[position], block) for position in spaced],
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
