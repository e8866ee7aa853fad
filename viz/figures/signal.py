"""What one place of a signal looks at, drawn over the signal: attention as bars, the true places as rings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float, Int
from matplotlib.figure import Figure

from analysis.truth import truth_of
from models import Attention
from models.errors import BadSelection
from viz import colours
from viz.figures.heatmap import PLAIN
from viz.view import Look, head_title, token_of

WRITTEN = "#9467bd"
PLACE_LINE = "#b9bec6"
EXPECTED = "without noise (phase means)"
BAR = "rgba(42, 134, 184, 0.45)"
HOVER = "place %{x}<br>value %{customdata[0]:.0f}<br>weight %{customdata[1]:.5f}<extra></extra>"


@dataclass(frozen=True)
class SignalView:
    """A signal's values by position, one query's weights on them, and where they should lie.

    `expected[position]` is the value that is to be said one place earlier, NaN where nothing is known; `written` is
    True for values that the model wrote itself; `truth` for the places that hold the answer of the query.
    """

    position: Int[np.ndarray, " place"]
    value: Float[np.ndarray, " place"]
    weight: Float[np.ndarray, " place"]
    expected: Float[np.ndarray, " place"]
    written: Bool[np.ndarray, " place"]
    truth: Bool[np.ndarray, " place"]
    query: int
    title: str
    note: str


def is_signal(att: Attention) -> bool:
    """Return whether every token that was read is a number."""
    values = [token.text for token in att.key_tokens if not token.special]
    return len(values) > 1 and all(value.isascii() and value.isdecimal() for value in values)


def signal_view(att: Attention, layer: int, head: int, look: Look) -> SignalView:
    """Return the weights of the query that the look isolates, else of the last one, over the signal.

    Raises:
        BadSelection: no such layer, head or token, or the tokens are no numbers.
    """
    if not is_signal(att):
        raise BadSelection("Only a text of numbers is a signal: open scratch:series with numbers from 0 to 99.")
    query = query_of_signal(att, look)
    position = np.array([place for place, token in enumerate(att.key_tokens) if not token.special])
    weight = att.weights(layer, head, slice(query, query + 1))[0]
    expected = np.full(att.n_key, np.nan)
    truth = np.zeros(att.n_key, dtype=bool)
    known = truth_of(att) if look.truth else None
    if known is not None:
        truth = known.mask[query]
        for place, answer in enumerate(known.solution.answers[:-1]):
            if answer:
                expected[place + 1] = float(answer)
    share = f"{float(weight[truth].sum()):.0%} of its attention is on the {int(truth.sum())} true places"
    return SignalView(
        position,
        np.array([float(att.key_tokens[place].text) for place in position]),
        weight[position],
        expected[position],
        np.array([att.key_tokens[place].generated for place in position]),
        truth[position],
        query,
        f"{head_title(att, layer, head)}: query {query}",
        share if truth.any() else "",
    )


def query_of_signal(att: Attention, look: Look) -> int:
    """Return the query that the look isolates, else the last one.

    Raises:
        BadSelection: no such token.
    """
    chosen = token_of(att, look)
    return chosen[1] if chosen and chosen[0] == "query" else att.n_query - 1


def signal(att: Attention, layer: int, head: int, *, look: Look | None = None) -> go.Figure:
    """Return a signal with what one query looks at as an interactive figure.

    Raises:
        BadSelection: no such layer, head or token, or the tokens are no numbers.
    """
    look = look or Look()
    view, line = signal_view(att, layer, head, look), colours.line(look.palette)
    tall = _bars(view)
    figure = go.Figure(layout_template=PLAIN)
    figure.add_bar(x=view.position, y=tall, marker_color=BAR, name=_attention(view), hoverinfo="skip")
    told = np.stack([view.value, view.weight], axis=-1)
    for name, chosen, colour in (("signal", ~view.written, line), ("the model's own", view.written, WRITTEN)):
        if chosen.any():
            figure.add_scatter(
                x=view.position[chosen],
                y=view.value[chosen],
                mode="lines+markers",
                line={"color": colour, "width": 1.5},
                marker={"size": 5},
                name=name,
                customdata=told[chosen],
                hovertemplate=HOVER,
            )
    if np.isfinite(view.expected).any():
        figure.add_scatter(
            x=view.position,
            y=view.expected,
            mode="lines",
            line={"color": colours.TRUTH, "width": 2, "dash": "dot"},
            name=EXPECTED,
            hoverinfo="skip",
        )
    if view.truth.any():
        figure.add_scatter(
            x=view.position[view.truth],
            y=view.value[view.truth],
            mode="markers",
            marker={"symbol": "circle-open", "size": 13, "color": colours.TRUTH, "line": {"width": 2.5}},
            name="true places",
            hoverinfo="skip",
        )
    figure.add_vline(view.query, line={"color": PLACE_LINE, "width": 1, "dash": "dash"})
    note = f'<span style="font-size:12px">{view.note}</span>'
    figure.update_layout(
        title={"text": f"{view.title}<br>{note}", "font": {"size": 15}},
        xaxis={
            "title": {"text": "position", "font": {"size": 12}, "standoff": 4},
            "showgrid": False,
            "zeroline": False,
        },
        yaxis={"title": {"text": "value", "font": {"size": 12}}, "range": [0, 100], "zeroline": False},
        legend={"orientation": "h", "yanchor": "top", "y": -0.3, "x": 0},
        bargap=0.15,
        height=370,
        margin={"l": 44, "r": 8, "t": 68, "b": 8},
        plot_bgcolor="rgba(0,0,0,0)",
        paper_bgcolor="rgba(0,0,0,0)",
    )
    return figure


def _attention(view: SignalView) -> str:
    """Return what the bars are called, with the weight that the highest stands for."""
    return f"attention (highest bar: {_highest(view):.2f})"


def _bars(view: SignalView) -> Float[np.ndarray, " place"]:
    """Return the weights as heights of which the largest fills the picture: one place is one of dozens."""
    return 100 * view.weight / max(_highest(view), 1e-12)


def _highest(view: SignalView) -> float:
    return float(np.nanmax(view.weight, initial=np.float32(0)))


def draw_signal(att: Attention, layer: int, head: int, look: Look) -> Figure:
    """Return the same picture for paper; the caller saves it (viz.export)."""
    view, line = signal_view(att, layer, head, look), colours.line(look.palette)
    figure = Figure(figsize=(7.0, 3.2), layout="constrained")
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
    axes.axvline(view.query, color=PLACE_LINE, lw=0.8, ls="--")
    axes.set(ylim=(0, 100), xlabel="position", ylabel="value")
    axes.set_title(f"{view.title}\n{view.note}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    return figure
