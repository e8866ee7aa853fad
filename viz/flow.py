"""One head as a token-to-token flow graph: queries left, keys right, line weight = attention."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.path import Path

from models import Attention, Token
from viz import colours
from viz.heatmap import GREY, plotly_label, plotly_text
from viz.packing import pack
from viz.paper import DIMMED
from viz.view import FlowView, Look, boundaries, columns, flow_view, isolate, label

CURVE = np.linspace(0, 1, 13)
STRENGTHS = 12
PAPER_WIDTH = 3.4  # inches between the two columns of tokens


def flow(att: Attention, layer: int, head: int, *, look: Look | None = None) -> go.Figure:
    """Return one head's lines at or above `look.threshold` as an interactive figure.

    Of a long text or region, the readable part is shown that `viz.region.window` chooses; the title names it.

    Raises:
        BadSelection: no such layer, head, region, or token to isolate.
    """
    look = look or Look()
    view = isolate(flow_view(att, layer, head, look))
    query, key = view.rows
    figure = go.Figure()
    red, green, blue = (int(255 * part) for part in to_rgba(colours.line(look.palette))[:3])
    # One trace per strength: a trace has one width and one colour. What is no number comes last, as level STRENGTHS.
    strength = np.minimum((np.nan_to_num(view.weight) * STRENGTHS).astype(int), STRENGTHS - 1)
    strength[np.isnan(view.weight)] = STRENGTHS
    for level in np.unique(strength):
        chosen = strength == level
        middle = min((level + 0.5) / STRENGTHS, 1.0)
        x, y = _curves(query[chosen], key[chosen])
        alpha = float(colours.opacity(middle, look.contrast))
        colour = colours.NOT_A_NUMBER if level == STRENGTHS else f"rgba({red},{green},{blue},{alpha:.3f})"
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            line={"width": _width(middle), "color": colour},
            hoverinfo="skip",
        )
    for tokens, x0, x1 in ((view.query_tokens, -0.35, 0.0), (view.key_tokens, 1.0, 1.35)):
        for row in boundaries(tokens):
            figure.add_shape(
                type="line", x0=x0, x1=x1, y0=row - 0.5, y1=row - 0.5, line={"color": GREY, "width": 1, "dash": "dot"}
            )
    _add_tokens(figure, view, "query")
    _add_tokens(figure, view, "key")
    longest = max(len(view.query_tokens), len(view.key_tokens))
    figure.update_layout(
        title={"text": plotly_text(f"{view.title}, {describe(view, look)}"), "font": {"size": 15}},
        showlegend=False,
        height=max(300, 22 * longest + 80),
        margin={"l": 8, "r": 8, "t": 44, "b": 8},
        plot_bgcolor="rgba(0,0,0,0)",
        paper_bgcolor="rgba(0,0,0,0)",
        xaxis={"visible": False, "range": [-0.35, 1.35], "fixedrange": True},
        yaxis={"visible": False, "range": [longest - 0.5, -0.5]},
    )
    return figure


def describe(view: FlowView, look: Look) -> str:
    """Return what is drawn and what the threshold hides, in words; pairs that are no number have no share."""
    lines = ", ".join([*view.notes, f"lines from {look.threshold:.2f} up"])
    if view.isolated:
        side, position = view.isolated
        token = _side(view, side)[0][position - _side(view, side)[1].start]
        return f"only {label(token)} ({side} {position}), {lines}"
    if np.isnan(view.kept):
        return f"{lines}; some weights are not a number" if np.isnan(view.weight).any() else f"{lines} hold nothing"
    whose = "these queries'" if view.notes else "the"
    return f"{lines} hold {view.kept:.0%} of {whose} attention"


def _side(view: FlowView, side: str) -> tuple[tuple[Token, ...], range]:
    """Return the tokens of a side ("query" or "key") and their positions."""
    region = view.region
    return (view.query_tokens, region.queries) if side == "query" else (view.key_tokens, region.keys)


def pack_flow(att: Attention, layer: int, head: int, look: Look) -> bytes:
    """Return the data of viz/browser/flow.js: tokens, lines of all tokens, the one that is locked, colours."""
    view = flow_view(att, layer, head, look)
    header = {
        "title": view.title,
        "summary": describe(replace(view, isolated=None), look),
        "first": [view.region.queries.start, view.region.keys.start],
        "locked": list(view.isolated) if view.isolated else None,
        "queries": [[label(token), token.special] for token in view.query_tokens],
        "keys": [[label(token), token.special] for token in view.key_tokens],
        "cuts": [boundaries(view.query_tokens), boundaries(view.key_tokens)],
        "line": colours.line(look.palette),
        "bad": colours.NOT_A_NUMBER,
        "gamma": colours.CONTRASTS[look.contrast],
    }
    query, key = view.rows
    arrays: dict[str, np.ndarray] = {
        "query": query.astype(np.uint16),
        "key": key.astype(np.uint16),
        "weight": view.weight.astype(np.float32),
    }
    return pack(header, arrays)


def draw_flow(att: Attention, layer: int, head: int, look: Look) -> Figure:
    """Return the same picture for paper; the caller saves it (viz.export)."""
    view = isolate(flow_view(att, layer, head, look))
    longest = max(len(view.query_tokens), len(view.key_tokens))
    row = min(0.2, 40 / longest)
    size = min(9, 72 * row * 0.75)
    widest = max(columns(label(token)) for token in (*view.query_tokens, *view.key_tokens))
    side = (0.075 * widest * size / 9 + 0.25) / PAPER_WIDTH
    figure = Figure(figsize=(PAPER_WIDTH * (1 + 2 * side), row * longest + 0.9), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set(xlim=(-side, 1 + side), ylim=(longest - 0.4, -1.6))
    axes.set_title(f"{view.title}\n{describe(view, look)}", fontsize=9)
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    paths = [Path([(0, q), (0.45, q), (0.55, k), (1, k)], codes) for q, k in zip(*view.rows, strict=True)]
    faces = np.tile(to_rgba(colours.line(look.palette)), (len(paths), 1))
    faces[:, 3] = colours.opacity(view.weight, look.contrast)
    faces[np.isnan(view.weight)] = to_rgba(colours.NOT_A_NUMBER)
    widths = [_width(weight) * 0.7 for weight in np.nan_to_num(view.weight, nan=1.0)]
    axes.add_collection(PathCollection(paths, facecolors="none", edgecolors=faces, linewidths=widths))
    for x, align, tokens in ((-0.02, "right", view.query_tokens), (1.02, "left", view.key_tokens)):
        for position, token in enumerate(tokens):
            colour = DIMMED if token.special else "black"
            axes.text(x, position, label(token), ha=align, va="center_baseline", fontsize=size, color=colour)
    for tokens, ends in ((view.query_tokens, (-side, 0)), (view.key_tokens, (1, 1 + side))):
        for place in boundaries(tokens):
            axes.plot(ends, (place - 0.5, place - 0.5), color=DIMMED, linewidth=0.6, linestyle=":")
    axes.text(-0.02, -1.1, "query", ha="right", va="center", fontsize=7, color=DIMMED)
    axes.text(1.02, -1.1, "key", ha="left", va="center", fontsize=7, color=DIMMED)
    return figure


def _width(weight: float) -> float:
    return 0.6 + 4.4 * float(weight)


def _curves(query: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of all curves, separated by NaN: flat at both ends, as the eye follows them best."""
    ease = CURVE**2 * (3 - 2 * CURVE)
    y = query[:, None] + (key - query)[:, None] * ease
    x = np.broadcast_to(CURVE, y.shape)
    gap = np.full((len(query), 1), np.nan)
    return np.hstack([x, gap]).ravel(), np.hstack([y, gap]).ravel()


def _add_tokens(figure: go.Figure, view: FlowView, side: str) -> None:
    """Add the tokens of a side, whose hover names the strongest of their lines."""
    tokens, span = _side(view, side)
    other_tokens, other_span = _side(view, "key" if side == "query" else "query")
    own, other = (view.query, view.key) if side == "query" else (view.key, view.query)
    verb = "attends to" if side == "query" else "is attended to by"
    hover = []
    for position, token in zip(span, tokens, strict=True):
        lines = np.flatnonzero(own == position)[::-1][:8]
        ends = [(other[n], other_tokens[other[n] - other_span.start], view.weight[n]) for n in lines]
        pairs = [f"{plotly_text(label(end))} ({place}): {weight:.4f}" for place, end, weight in ends]
        hover.append("<br>".join([f"{plotly_text(label(token))} ({position}) {verb}", *(pairs or ["nothing shown"])]))
    figure.add_scatter(
        x=np.full(len(tokens), 0.0 if side == "query" else 1.0),
        y=np.arange(len(tokens)),
        mode="markers+text",
        marker={"size": 5, "color": GREY},
        text=[plotly_label(token) for token in tokens],
        textposition="middle left" if side == "query" else "middle right",
        hovertext=hover,
        hoverinfo="text",
    )
