"""One head as a token graph: queries left, keys right, lines between them, line weight = attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure as PaperFigure
from matplotlib.patches import Rectangle
from matplotlib.path import Path

from analysis.selection import Region, Selection, TokenRef
from models import Attention
from viz import colours, style
from viz.figures.base import Figure, Offer, Subject, region_contents, region_facts
from viz.figures.plotly_text import GREY, plotly_label, plotly_text
from viz.figures.token_graph_view import (
    TokenGraphView,
    describe,
    readable_region,
    token_graph_view,
)
from viz.labels import boundaries, columns, label
from viz.options import DrawOptions
from viz.paper.drawing import DIMMED, add_title

CURVE = np.linspace(0, 1, 13)
PAPER_WIDTH = 3.4  # inches between the two columns of tokens
PAPER_HEIGHT = 9.3  # inches of a page
HEADING = 0.22  # inches above the first row


class TokenGraph(Figure[TokenGraphView]):
    """One head as lines from token to token; called "flow" in files, links and on the command line."""

    name = "flow"
    help = "one head: lines from token to token"
    offers = (Offer("Flow of the chosen head"),)
    options = ("threshold", "palette", "scale")
    token_help = "the one whose lines are drawn alone: query:8 or key:2"
    takes_region = True
    opens_instrument = True

    def view(self, subject: Subject, selection: Selection, options: DrawOptions) -> TokenGraphView:
        """Return the lines of the selected head."""
        return token_graph_view(subject.att, selection, options)

    def heading(self, view: TokenGraphView) -> str:
        """Return the title of the head."""
        return view.title

    def transformations(self, view: TokenGraphView) -> dict[str, Any]:
        """Return the isolated token and the region that was drawn."""
        return {"token": str(view.isolated or ""), **region_facts(view.region, view.is_whole)}

    def contents(self, subject: Subject, selection: Selection) -> str:
        """Return which pairs the readable part has."""
        layer, head = selection.of_one_head()
        return region_contents(subject.att, readable_region(subject.att, selection), f"layer {layer}, head {head}")

    def to_plotly(self, view: TokenGraphView, options: DrawOptions) -> go.Figure:
        """Return the lines as a chart whose tokens name the ends of their lines on hover."""
        view = view.isolate()
        figure = go.Figure()
        _add_lines(figure, view, options)
        for tokens, x0, x1 in ((view.query_tokens, -0.35, 0.0), (view.key_tokens, 1.0, 1.35)):
            for row in boundaries(tokens):
                line = {"color": GREY, "width": 1, "dash": "dot"}
                figure.add_shape(type="line", x0=x0, x1=x1, y0=row - 0.5, y1=row - 0.5, line=line)
        _add_tokens(figure, view, "query")
        _add_tokens(figure, view, "key")
        longest = max(len(view.query_tokens), len(view.key_tokens))
        figure.update_layout(
            title={"text": "<br>".join(map(plotly_text, (view.title, describe(view, options)))), "font": {"size": 15}},
            showlegend=False,
            height=max(300, 22 * longest + 98),
            margin={"l": 8, "r": 8, "t": 62, "b": 8},
            plot_bgcolor="rgba(0,0,0,0)",
            paper_bgcolor="rgba(0,0,0,0)",
            xaxis={"visible": False, "range": [-0.35, 1.35], "fixedrange": True},
            yaxis={"visible": False, "range": [longest - 0.5, -0.5]},
        )
        return figure

    def to_paper(self, view: TokenGraphView, options: DrawOptions) -> PaperFigure:
        """Return the lines with the tokens in two columns, as high as a page at most."""
        view = view.isolate()
        longest = max(len(view.query_tokens), len(view.key_tokens))
        row = min(0.2, (PAPER_HEIGHT - 1) / longest)
        size = min(9, max(5, 72 * row * 0.75))
        widest = max(columns(label(token)) for token in (*view.query_tokens, *view.key_tokens))
        side = (0.075 * widest * size / 9 + 0.25) / PAPER_WIDTH
        figure = PaperFigure(figsize=(PAPER_WIDTH * (1 + 2 * side), 1.0), layout="constrained")
        title = 9 * 1.25 / 72 * add_title(figure, [view.title, describe(view, options)], size=9)
        row = min(row, (PAPER_HEIGHT - title - HEADING - 0.2) / longest)
        figure.set_figheight(row * longest + title + HEADING + 0.2)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set(xlim=(-side, 1 + side), ylim=(longest - 0.5, -0.5 - HEADING / row))
        _draw_lines(axes, view, options)
        _draw_tokens(axes, view, "query", options, size, (-side, -0.01))
        _draw_tokens(axes, view, "key", options, size, (1.01, 1 + side))
        for x, name, align in ((-0.02, "query", "right"), (1.02, "key", "left")):
            axes.text(x, -0.5 - 0.6 * HEADING / row, name, ha=align, va="center", fontsize=7, color=DIMMED)
        return figure


def flow(
    att: Attention,
    layer: int,
    head: int,
    *,
    token: TokenRef | str | None = None,
    region: Region | str | None = None,
    options: DrawOptions | None = None,
) -> go.Figure:
    """Return one head's lines at or above `options.threshold`, of one token such as "query:8" if it is given.

    Of a long text or region, a readable part is shown (`Region.readable_part`); the title names it.

    Raises:
        BadSelection: no such layer, head, region, or token to isolate.
    """
    options, figure = options or DrawOptions(), TokenGraph()
    view = figure.view(Subject(att), Selection.parse(layer, head, token=token, region=region), options)
    return figure.to_plotly(view, options)


def _draw_lines(axes: Axes, view: TokenGraphView, options: DrawOptions) -> None:
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    paths = [Path([(0, q), (0.45, q), (0.55, k), (1, k)], codes) for q, k in zip(*view.rows, strict=True)]
    faces = np.tile(to_rgba(colours.line(options.palette)), (len(paths), 1))
    faces[:, 3] = colours.opacity(view.weight, options.scale)
    faces[np.isnan(view.weight)] = to_rgba(colours.NOT_A_NUMBER)
    widths = [_width(weight) * 0.7 for weight in np.nan_to_num(view.weight, nan=1.0)]
    axes.add_collection(PathCollection(paths, facecolors="none", edgecolors=faces, linewidths=widths))


def _draw_tokens(
    axes: Axes, view: TokenGraphView, side: str, options: DrawOptions, size: float, ends: tuple[float, float]
) -> None:
    """Write the tokens of a side; `ends` are the left and the right edge of its column."""
    tokens = view.side(side)[0]
    x, align = (-0.02, "right") if side == "query" else (1.02, "left")
    for position, (token, (opacity, ground)) in enumerate(zip(tokens, _emphasis(view, side), strict=True)):
        text = axes.text(x, position, label(token), ha=align, va="center_baseline", fontsize=size)
        text.set(color=DIMMED if token.special else "black", alpha=opacity)
        if ground:
            marked = Rectangle((ends[0], position - 0.45), ends[1] - ends[0], 0.9, lw=0, zorder=0)
            marked.set(facecolor=colours.line(options.palette), alpha=ground)
            axes.add_patch(marked)
    for position in boundaries(tokens):
        axes.plot(ends, (position - 0.5, position - 0.5), color=DIMMED, linewidth=0.6, linestyle=":")


def _add_lines(figure: go.Figure, view: TokenGraphView, options: DrawOptions) -> None:
    """Add one trace for each strength, because a trace has one width and one colour.

    Weights that are not a number come last, as level `style.STRENGTHS`.
    """
    query, key = view.rows
    red, green, blue = (int(255 * part) for part in to_rgba(colours.line(options.palette))[:3])
    strength = np.minimum((np.nan_to_num(view.weight) * style.STRENGTHS).astype(int), style.STRENGTHS - 1)
    strength[np.isnan(view.weight)] = style.STRENGTHS
    for level in np.unique(strength):
        chosen = strength == level
        middle = min((level + 0.5) / style.STRENGTHS, 1.0)
        x, y = _curves(query[chosen], key[chosen])
        alpha = float(colours.opacity(middle, options.scale))
        colour = colours.NOT_A_NUMBER if level == style.STRENGTHS else f"rgba({red},{green},{blue},{alpha:.3f})"
        line = {"width": _width(middle), "color": colour}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip")


def _emphasis(view: TokenGraphView, side: str) -> list[tuple[float, float]]:
    """Return the opacity of each token of a side and of the ground below it, as the browser draws them."""
    tokens, span = view.side(side)
    if view.isolated is None:
        return [(1.0, 0.0)] * len(tokens)
    if view.isolated.side == side:
        isolated = view.isolated.position
        return [(1.0, style.ISOLATED_GROUND) if position == isolated else (style.FADED, 0.0) for position in span]
    ends = view.query if side == "query" else view.key
    reached = dict(zip(ends.tolist(), np.nan_to_num(view.weight, nan=1.0).tolist(), strict=True))
    least, more = style.REACHED_GROUND
    return [(1.0, least + more * reached[position]) if position in reached else (style.FADED, 0.0) for position in span]


def _width(weight: float) -> float:
    least, more = style.LINE_WIDTH
    return least + more * float(weight)


def _curves(query: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of all curves, separated by NaN: flat at both ends, as the eye follows them best."""
    ease = CURVE**2 * (3 - 2 * CURVE)
    y = query[:, None] + (key - query)[:, None] * ease
    x = np.broadcast_to(CURVE, y.shape)
    gap = np.full((len(query), 1), np.nan)
    return np.hstack([x, gap]).ravel(), np.hstack([y, gap]).ravel()


def _add_tokens(figure: go.Figure, view: TokenGraphView, side: str) -> None:
    """Add the tokens of a side, whose hover names the strongest of their lines."""
    tokens, span = view.side(side)
    other_tokens, other_span = view.side("key" if side == "query" else "query")
    own, other = (view.query, view.key) if side == "query" else (view.key, view.query)
    hover = []
    for position, token in zip(span, tokens, strict=True):
        lines = np.flatnonzero(own == position)[::-1][:8]
        ends = [(other[n], other_tokens[other[n] - other_span.start], view.weight[n]) for n in lines]
        pairs = [f"{plotly_text(label(end))} ({end_position}): {weight:.4f}" for end_position, end, weight in ends]
        named = f"{plotly_text(label(token))} ({position}) {style.VERBS[side]}"
        hover.append("<br>".join([named, *(pairs or [style.NOTHING])]))
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
