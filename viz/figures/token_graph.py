"""One head as a token-to-token flow graph: queries left, keys right, line weight = attention."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.path import Path

from models import Attention, Token
from viz import colours
from viz.figures.heatmap import GREY, plotly_label, plotly_text
from viz.paper.drawing import DIMMED, add_title
from viz.view import FlowView, Look, boundaries, columns, flow_view, isolate, label
from viz.wire.packing import pack

CURVE = np.linspace(0, 1, 13)
STRENGTHS = 12
PAPER_WIDTH = 3.4  # inches between the two columns of tokens
PAPER_HEIGHT = 9.3  # inches of a page
HEADING = 0.22  # inches above the first row
NAMED = 6  # ends of an isolated token's lines
FADED = 0.35


def flow(att: Attention, layer: int, head: int, *, look: Look | None = None) -> go.Figure:
    """Return one head's lines at or above `look.threshold` as an interactive figure.

    Of a long text or region, the readable part is shown that `analysis.selection.window` chooses; the title names it.

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
        title={"text": "<br>".join(map(plotly_text, (view.title, describe(view, look)))), "font": {"size": 15}},
        showlegend=False,
        height=max(300, 22 * longest + 98),
        margin={"l": 8, "r": 8, "t": 62, "b": 8},
        plot_bgcolor="rgba(0,0,0,0)",
        paper_bgcolor="rgba(0,0,0,0)",
        xaxis={"visible": False, "range": [-0.35, 1.35], "fixedrange": True},
        yaxis={"visible": False, "range": [longest - 0.5, -0.5]},
    )
    return figure


def describe(view: FlowView, look: Look) -> str:
    """Return what is drawn and what the threshold hides, in words; pairs that are no number have no share."""
    about = ", ".join([*view.notes, f"lines from {_as_given(look.threshold)} up"])
    contrast = "" if look.contrast == "linear" else ", opacity by square root"
    if view.isolated:
        whose = "its attention" if view.isolated[0] == "query" else "the attention to it"
        kept = "" if np.isnan(view.kept_alone) else f" hold {_share(view.kept_alone)} of {whose}"
        return f"{_ends(view)}; {about}{kept}{contrast}"
    if np.isnan(view.kept):
        return f"{about}; some weights are not a number" if np.isnan(view.weight).any() else f"{about} hold nothing"
    whose = "these queries'" if view.notes else "the"
    return f"{about} hold {_share(view.kept)} of {whose} attention{contrast}"


def _as_given(threshold: float) -> str:
    """Return a threshold with all its digits, and at least two: a rounded one would promise other lines."""
    return np.format_float_positional(float(f"{threshold:.6g}"), min_digits=2)


def _share(kept: float) -> str:
    """Return a share in per cent; what is little is not nothing, and what is hidden does not make a whole."""
    if 0 < kept < 0.005:
        return "less than 1%"
    return "more than 99%" if 0.995 <= kept < 1 - 1e-6 else f"{kept:.0%}"


def _ends(view: FlowView) -> str:
    """Return the isolated token and the ends of its strongest lines, as viz/browser/flow.js says it."""
    assert view.isolated is not None
    side, position = view.isolated
    tokens, span = _side(view, side)
    others, other_span = _side(view, "key" if side == "query" else "query")
    verb = "attends to" if side == "query" else "is attended to by"
    lines = np.flatnonzero((view.query if side == "query" else view.key) == position)[::-1]
    ends = (view.key if side == "query" else view.query)[lines]
    named = ", ".join(
        f"{label(others[end - other_span.start])} {_number(view.weight[line])}"
        for end, line in zip(ends[:NAMED], lines[:NAMED], strict=True)
    )
    more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
    return f"{label(tokens[position - span.start])} ({position}) {verb} {named or 'nothing shown'}{more}"


def _number(weight: float) -> str:
    return "not a number" if np.isnan(weight) else f"{weight:.3f}"


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
    lines = [view.title, describe(view, look)]
    row = min(0.2, (PAPER_HEIGHT - 1) / longest)
    size = min(9, max(5, 72 * row * 0.75))
    widest = max(columns(label(token)) for token in (*view.query_tokens, *view.key_tokens))
    side = (0.075 * widest * size / 9 + 0.25) / PAPER_WIDTH
    figure = Figure(figsize=(PAPER_WIDTH * (1 + 2 * side), 1.0), layout="constrained")
    title = 9 * 1.25 / 72 * add_title(figure, lines, size=9)
    row = min(row, (PAPER_HEIGHT - title - HEADING - 0.2) / longest)
    figure.set_figheight(row * longest + title + HEADING + 0.2)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set(xlim=(-side, 1 + side), ylim=(longest - 0.5, -0.5 - HEADING / row))
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    paths = [Path([(0, q), (0.45, q), (0.55, k), (1, k)], codes) for q, k in zip(*view.rows, strict=True)]
    faces = np.tile(to_rgba(colours.line(look.palette)), (len(paths), 1))
    faces[:, 3] = colours.opacity(view.weight, look.contrast)
    faces[np.isnan(view.weight)] = to_rgba(colours.NOT_A_NUMBER)
    widths = [_width(weight) * 0.7 for weight in np.nan_to_num(view.weight, nan=1.0)]
    axes.add_collection(PathCollection(paths, facecolors="none", edgecolors=faces, linewidths=widths))
    for name, x, align, ends in (("query", -0.02, "right", (-side, -0.01)), ("key", 1.02, "left", (1.01, 1 + side))):
        tokens = _side(view, name)[0]
        for position, (token, (opacity, ground)) in enumerate(zip(tokens, _emphasis(view, name), strict=True)):
            colour = DIMMED if token.special else "black"
            text = axes.text(x, position, label(token), ha=align, va="center_baseline", fontsize=size)
            text.set(color=colour, alpha=opacity)
            if ground:
                marked = Rectangle((ends[0], position - 0.45), ends[1] - ends[0], 0.9, lw=0, zorder=0)
                marked.set(facecolor=colours.line(look.palette), alpha=ground)
                axes.add_patch(marked)
        for place in boundaries(tokens):
            axes.plot(ends, (place - 0.5, place - 0.5), color=DIMMED, linewidth=0.6, linestyle=":")
        axes.text(x, -0.5 - 0.6 * HEADING / row, name, ha=align, va="center", fontsize=7, color=DIMMED)
    return figure


def _emphasis(view: FlowView, side: str) -> list[tuple[float, float]]:
    """Return the opacity of each token of a side and of the ground below it, as viz/browser/flow.js draws them."""
    tokens, span = _side(view, side)
    if view.isolated is None:
        return [(1.0, 0.0)] * len(tokens)
    if view.isolated[0] == side:
        return [(1.0, 0.22) if position == view.isolated[1] else (FADED, 0.0) for position in span]
    ends = view.query if side == "query" else view.key
    reached = dict(zip(ends.tolist(), np.nan_to_num(view.weight, nan=1.0).tolist(), strict=True))
    return [(1.0, 0.08 + 0.5 * reached[position]) if position in reached else (FADED, 0.0) for position in span]


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
