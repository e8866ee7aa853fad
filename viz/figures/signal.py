"""What one position of a signal attends to, drawn over the signal: attention as bars, the true positions as rings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float, Int
from matplotlib.figure import Figure as PaperFigure

from analysis.selection import Selection, TokenRef
from analysis.truth import truth_of
from models import Attention
from models.arguments import checked
from models.errors import BadSelection
from viz import colours
from viz.figures.base import Offer, Subject
from viz.figures.one_query import OneQuery
from viz.figures.plotly_text import PLAIN
from viz.labels import head_title
from viz.options import DrawOptions
from viz.paper.frame import Frame
from viz.paper.width import refuse_width

# Inches of a picture on paper.
USUAL_WIDTH, LEAST_WIDTH = 7.0, 2.4
WRITTEN = "#9467bd"
POSITION_LINE = "#b9bec6"
EXPECTED = "without noise (phase means)"
BAR = "rgba(42, 134, 184, 0.45)"
HOVER = "position %{x}<br>value %{customdata[0]:.0f}<br>weight %{customdata[1]:.5f}<extra></extra>"


@dataclass(frozen=True)
class SignalView:
    """A signal's values by position, one query's weights on them, and where they should lie.

    `expected[position]` is the value to predict one position earlier, NaN where nothing is known; `written` is
    True for values that the model wrote itself; `truth` for the places that hold the answer of the query.
    """

    position: Int[np.ndarray, " position"]
    value: Float[np.ndarray, " position"]
    weight: Float[np.ndarray, " position"]
    expected: Float[np.ndarray, " position"]
    written: Bool[np.ndarray, " position"]
    truth: Bool[np.ndarray, " position"]
    query: int
    title: str
    note: str


def is_signal(att: Attention) -> bool:
    """Return whether every token that was read is a number."""
    values = [token.text for token in att.key_tokens if not token.special]
    return len(values) > 1 and all(value.isascii() and value.isdecimal() for value in values)


def signal_view(att: Attention, selection: Selection, options: DrawOptions) -> SignalView:
    """Return the weights of the query that is isolated, else of the last one, over the signal.

    Raises:
        BadSelection: no such layer, head or token, or the tokens are not numbers.
    """
    if not is_signal(att):
        raise BadSelection("Only a text of numbers is a signal: open scratch:series with numbers from 0 to 99.")
    (layer, head), token = selection.of_one_head(), selection.token_in(att)
    query = token.position if token and token.side == "query" else att.n_query - 1
    position = np.array([index for index, token in enumerate(att.key_tokens) if not token.special])
    weight = att.weights(layer, head, slice(query, query + 1))[0]
    expected = np.full(att.n_key, np.nan)
    truth = np.zeros(att.n_key, dtype=bool)
    known = truth_of(att) if options.truth else None
    if known is not None:
        truth = known.mask[query]
        for index, answer in enumerate(known.solution.answers[:-1]):
            if answer:
                expected[index + 1] = float(answer)
    share = f"{float(weight[truth].sum()):.0%} of its attention is on the {int(truth.sum())} true places"
    return SignalView(
        position,
        np.array([float(att.key_tokens[index].text) for index in position]),
        weight[position],
        expected[position],
        np.array([att.key_tokens[index].generated for index in position]),
        truth[position],
        query,
        f"{head_title(att, layer, head)}: query {query}",
        share if truth.any() else "",
    )


class Signal(OneQuery[SignalView]):
    """What one position of a signal attends to."""

    name = "signal"
    help = "what one position of a signal attends to, drawn over it"
    offers = (Offer("Attention on the signal"),)
    options = ("palette", "truth")
    token_help = "the query that looks, as query:8"
    reads = ("text",)
    shows_tokens = False

    def fits(self, subject: Subject) -> bool:
        """Return whether every token is a number."""
        return is_signal(subject.att)

    def make_view(self, subject: Subject, selection: Selection, options: DrawOptions) -> SignalView:
        """Return the signal with one query's weights."""
        return signal_view(subject.att, selection, options)

    def to_plotly(self, view: SignalView, options: DrawOptions) -> go.Figure:
        """Return the values as a curve over the weights as bars."""
        figure = go.Figure(layout_template=PLAIN)
        figure.add_bar(x=view.position, y=_bars(view), marker_color=BAR, name=_attention(view), hoverinfo="skip")
        _add_values(figure, view, options)
        figure.add_vline(view.query, line={"color": POSITION_LINE, "width": 1, "dash": "dash"})
        note = f'<span style="font-size:12px">{view.note}</span>'
        positions = {"text": "position", "font": {"size": 12}, "standoff": 4}
        figure.update_layout(
            title={"text": f"{view.title}<br>{note}", "font": {"size": 15}},
            xaxis={"title": positions, "showgrid": False, "zeroline": False},
            yaxis={"title": {"text": "value", "font": {"size": 12}}, "range": [0, 100], "zeroline": False},
            legend={"orientation": "h", "yanchor": "top", "y": -0.3, "x": 0},
            bargap=0.15,
            height=370,
            margin={"l": 44, "r": 8, "t": 68, "b": 8},
            plot_bgcolor="rgba(0,0,0,0)",
            paper_bgcolor="rgba(0,0,0,0)",
        )
        return figure

    def to_paper(self, view: SignalView, options: DrawOptions, width: float | None = None) -> PaperFigure:
        """Return the same curve and bars for paper."""
        line = colours.line(options.palette)
        wide = width or USUAL_WIDTH
        refuse_width("signal", wide, LEAST_WIDTH)
        columns = max(1, min(5, int(wide / 2.3)))
        below = 0.45 + -(-5 // columns) * 0.16
        figure = PaperFigure()
        axes = figure.add_subplot()
        axes.bar(view.position, _bars(view), width=0.85, color="#bcd9ea", label=_attention(view))
        for name, chosen, colour in (("signal", ~view.written, line), ("the model's own", view.written, WRITTEN)):
            if chosen.any():
                axes.plot(view.position[chosen], view.value[chosen], "o-", ms=2.5, lw=1, color=colour, label=name)
        if np.isfinite(view.expected).any():
            axes.plot(view.position, view.expected, ":", lw=1, color=colours.TRUTH, label=EXPECTED)
        if view.truth.any():
            rings: dict[str, Any] = {"mfc": "none", "mec": colours.TRUTH, "mew": 1.6, "ms": 8, "ls": "none"}
            axes.plot(view.position[view.truth], view.value[view.truth], "o", **rings, label="true places")
        axes.axvline(view.query, color=POSITION_LINE, lw=0.8, ls="--")
        axes.set(ylim=(0, 100))
        axes.set_xlabel("position", fontsize=8)
        axes.set_ylabel("value", fontsize=8)
        axes.tick_params(labelsize=7.5)
        axes.spines[["top", "right"]].set_visible(False)
        lines = [view.title, *([view.note] if view.note else [])]
        Frame(0.55, 0.1, below).place(figure, axes, wide - 0.65, 2.2, lines, size=9)
        # In the room below the axes, at its lower edge.
        axes.legend(fontsize=7, ncols=columns, loc="lower center", bbox_to_anchor=(0.5, -below / 2.2), frameon=False)
        return figure


@checked
def signal(
    att: Attention,
    layer: int,
    head: int,
    *,
    token: TokenRef | str | None = None,
    options: DrawOptions | None = None,
) -> go.Figure:
    """Return a signal with what one query attends to (the last, or `token`, as "query:8") as an interactive figure.

    Raises:
        BadSelection: no such layer, head or token, or the tokens are not numbers.
    """
    options, figure = options or DrawOptions(), Signal()
    view = figure.view(Subject(att), Selection.parse(layer, head, token=token), options)
    return figure.to_plotly(view, options)


def _add_values(figure: go.Figure, view: SignalView, options: DrawOptions) -> None:
    """Add the values that were read, those that the model wrote, what was expected, and the true places."""
    hover = np.stack([view.value, view.weight], axis=-1)
    line = colours.line(options.palette)
    for name, chosen, colour in (("signal", ~view.written, line), ("the model's own", view.written, WRITTEN)):
        if chosen.any():
            figure.add_scatter(
                x=view.position[chosen],
                y=view.value[chosen],
                mode="lines+markers",
                line={"color": colour, "width": 1.5},
                marker={"size": 5},
                name=name,
                customdata=hover[chosen],
                hovertemplate=HOVER,
            )
    if np.isfinite(view.expected).any():
        dots = {"color": colours.TRUTH, "width": 2, "dash": "dot"}
        figure.add_scatter(x=view.position, y=view.expected, mode="lines", line=dots, name=EXPECTED, hoverinfo="skip")
    if view.truth.any():
        ring = {"symbol": "circle-open", "size": 13, "color": colours.TRUTH, "line": {"width": 2.5}}
        x, y = view.position[view.truth], view.value[view.truth]
        figure.add_scatter(x=x, y=y, mode="markers", marker=ring, name="true places", hoverinfo="skip")


def _attention(view: SignalView) -> str:
    """Return what the bars are called, with the weight that the highest stands for."""
    return f"attention (highest bar: {_highest(view):.2f})"


def _bars(view: SignalView) -> Float[np.ndarray, " position"]:
    """Return the weights as heights of which the largest fills the picture: one place is one of dozens."""
    return 100 * view.weight / max(_highest(view), 1e-12)


def _highest(view: SignalView) -> float:
    return float(np.nanmax(view.weight, initial=np.float32(0)))
