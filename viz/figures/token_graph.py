"""One head as a token graph: queries left, keys right, lines between them, line weight = attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure as PaperFigure

from analysis.head_set import HeadSet
from analysis.selection import Region, Selection, TokenRef
from models import Attention
from models.arguments import checked
from viz import colours, style
from viz.figures.base import Figure, Offer, Subject, name_heads, region_contents, region_facts
from viz.figures.plotly_text import GREY, plotly_label, plotly_text
from viz.figures.token_graph_paper import draw_on_paper, is_faded, line_look, line_width
from viz.figures.token_graph_view import (
    TokenGraphView,
    describe,
    readable_region,
    token_graph_view,
)
from viz.labels import boundaries, label
from viz.options import DrawOptions

CURVE = np.linspace(0, 1, 13)


class TokenGraph(Figure[TokenGraphView]):
    """One head as lines from token to token; called "flow" in files, links and on the command line."""

    name = "flow"
    help = "one head: lines from token to token"
    offers = (Offer("Token graph of the chosen head"),)
    options = ("threshold", "palette", "scale")
    token_help = "the one whose lines are drawn alone: query:8 or key:2"
    takes_region = True
    overlays = True
    opens_instrument = True

    def make_view(self, subject: Subject, selection: Selection, options: DrawOptions) -> TokenGraphView:
        """Return the lines of the selected head."""
        return token_graph_view(subject, selection, options)

    def heading(self, view: TokenGraphView) -> str:
        """Return the title of the head."""
        return view.title

    def transformations(self, view: TokenGraphView) -> dict[str, Any]:
        """Return the isolated token and the region that was drawn."""
        return {"token": str(view.isolated or ""), **region_facts(view.region, view.is_whole)}

    def check_heads(self, selection: Selection) -> None:
        """Check that a head or several heads are given."""
        if selection.chosen:
            return
        super().check_heads(selection)

    def contents(self, subject: Subject, selection: Selection, options: DrawOptions) -> str:
        """Return which pairs the readable part has."""
        subject, selection = self.apply(subject, selection, options)
        att, chosen = subject.att, selection.chosen
        name = chosen.describe(att) if chosen else name_heads(att, selection)
        return region_contents(att, readable_region(att, selection), name)

    def to_plotly(self, view: TokenGraphView, options: DrawOptions) -> go.Figure:
        """Return the lines as a chart whose tokens name the ends of their lines on hover."""
        view = view.isolate()
        lines = title_lines(view, options)
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
            title={"text": "<br>".join(map(plotly_text, lines)), "font": {"size": 15}},
            showlegend=bool(view.heads),
            legend={"title": {"text": "layer.head"}},
            height=max(300, 22 * longest + 98),
            margin={"l": 8, "r": 8, "t": 26 + 18 * len(lines), "b": 8},
            plot_bgcolor="rgba(0,0,0,0)",
            paper_bgcolor="rgba(0,0,0,0)",
            xaxis={"visible": False, "range": [-0.35, 1.35], "fixedrange": True},
            yaxis={"visible": False, "range": [longest - 0.5, -0.5]},
        )
        return figure

    def to_paper(self, view: TokenGraphView, options: DrawOptions, width: float | None = None) -> PaperFigure:
        """Return the lines with the tokens in two columns, as high as a page at most."""
        return draw_on_paper(view.isolate(), options, width, title_lines(view.isolate(), options))


@checked
def flow(
    att: Attention,
    layer: int | None = None,
    head: int | None = None,
    *,
    token: TokenRef | str | None = None,
    region: Region | str | None = None,
    unit: str = "pieces",
    heads: HeadSet | str = "",
    combine: str = "overlay",
    options: DrawOptions | None = None,
) -> go.Figure:
    """Return one head's lines at or above `options.threshold`, of one token such as "query:8" if it is given.

    `unit` is "pieces" or "words". Of several `heads`, such as "5" (a layer) or "2.0,3.5", the lines are drawn over one
    another in colours of their own, or those of their `combine` "mean" or "maximum"; layer and head may be left out
    then. Of a long text or region, a readable part is shown (`Region.readable_part`); the title names it.

    Raises:
        BadSelection: no such layer, head, heads, region, or token to isolate.
    """
    selection = Selection.parse(layer, head, token=token, region=region, unit=unit, heads=heads, combine=combine)
    return TokenGraph().to_figure(Subject(att), selection, options)


def title_lines(view: TokenGraphView, options: DrawOptions) -> list[str]:
    """Return the title and what is said below it."""
    legend = list(view.shade.legend)
    if any(token.generated for token in (*view.query_tokens, *view.key_tokens)):
        legend.append("purple: written by the model")
    if np.isnan(view.weight).any():
        legend.append("pink: not a number")
    says = [*view.says, *([", ".join(legend)] if legend else [])]
    return [view.title, describe(view, options), *says]


def _add_lines(figure: go.Figure, view: TokenGraphView, options: DrawOptions) -> None:
    """Add one trace for each head, look and strength, because a trace has one width and one colour.

    Weights that are not a number come last, as level `style.STRENGTHS`.
    """
    query, key = view.rows
    strength = np.minimum((np.nan_to_num(view.weight / view.top) * style.STRENGTHS).astype(int), style.STRENGTHS - 1)
    strength[np.isnan(view.weight)] = style.STRENGTHS
    faded = is_faded(view)
    for level, number, fades in sorted(set(zip(strength.tolist(), view.number.tolist(), faded.tolist(), strict=True))):
        chosen = (strength == level) & (view.number == number) & (faded == fades)
        middle = min((level + 0.5) / style.STRENGTHS, 1.0)
        x, y = _curves(query[chosen], key[chosen])
        alpha = float(colours.opacity(middle, options.scale)) * (style.DIMMED_LINES if fades else 1)
        colour, dashes = line_look(view, number, options)
        red, green, blue = (int(255 * part) for part in to_rgba(colour)[:3])
        bad = level == style.STRENGTHS
        line = {
            "width": line_width(middle),
            "color": colours.NOT_A_NUMBER if bad else f"rgba({red},{green},{blue},{alpha:.3f})",
            **({"dash": ",".join(f"{each}px" for each in dashes)} if dashes else {}),
        }
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    for number, name in enumerate(view.heads):
        colour, dashes = line_look(view, number, options)
        dash = {"dash": ",".join(f"{each}px" for each in dashes)} if dashes else {}
        figure.add_scatter(x=[None], y=[None], mode="lines", line={"color": colour, "width": 3, **dash}, name=name)


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
        named = f"{plotly_text(label(token))} ({position}) {view.words.verbs[side]}"
        hover.append("<br>".join([named, *(pairs or [style.NOTHING])]))
    levels = view.shade.side(side).tolist()
    figure.add_scatter(
        showlegend=False,
        x=np.full(len(tokens), 0.0 if side == "query" else 1.0),
        y=np.arange(len(tokens)),
        mode="markers+text",
        marker={"size": 5, "color": GREY},
        text=[plotly_label(token, level) for token, level in zip(tokens, levels, strict=True)],
        textposition="middle left" if side == "query" else "middle right",
        hovertext=hover,
        hoverinfo="text",
    )
