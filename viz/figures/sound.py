"""When one query listens: its attention over the time of a sound, drawn over the sound's waveform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from matplotlib.figure import Figure as PaperFigure

from analysis.selection import Selection, TokenRef
from models import Attention
from models.arguments import checked
from models.errors import BadSelection
from models.sound import Sound
from viz import colours
from viz.figures.base import Offer, Subject
from viz.figures.one_query import OneQuery
from viz.figures.plotly_text import PLAIN, plotly_text
from viz.labels import head_title, label
from viz.options import DrawOptions
from viz.paper.frame import Frame
from viz.paper.width import refuse_width

# Inches of a picture on paper.
USUAL_WIDTH, LEAST_WIDTH = 7.0, 2.4
# Points of the waveform: more could not be seen. A point of at least 10 ms joins the periods of a voice.
MOST_POINTS, LEAST_SECONDS = 1_200, 0.01
WAVE, WAVE_NAME = "#b9bec6", "the sound"
WAVE_FILL = "rgba(128, 136, 149, 0.45)"
HOVER = "%{customdata:.2f} s<br>weight %{y:.5f}<extra></extra>"
TIME = "seconds"
# The share of the picture's height above the highest weight.
HEADROOM = 1.08


@dataclass(frozen=True)
class SoundView:
    """One query's weights on the frames of a sound, and the waveform as its lowest and highest values over time.

    `start[frame]` and `step` are seconds. Frames after the end of the sound, which the model pads, are left out; `note`
    says which share of the attention they get.
    """

    start: Float[np.ndarray, " frame"]
    weight: Float[np.ndarray, " frame"]
    step: float
    time: Float[np.ndarray, " point"]
    lowest: Float[np.ndarray, " point"]
    highest: Float[np.ndarray, " point"]
    query: int
    title: str
    note: str

    @property
    def largest(self) -> float:
        """The weight at which the scale ends: one frame is one of hundreds."""
        return max(float(np.nanmax(self.weight, initial=np.float32(0))), 1e-12)

    @property
    def end(self) -> float:
        """Where the sound ends, in seconds."""
        return float(self.start[-1] + self.step)


def sound_of(att: Attention) -> Sound | None:
    """Return the sound that the keys of an attention are frames of, None if they are something else."""
    sound = att.annotations.get("sound")
    timed = any(token.seconds is not None for token in att.key_tokens)
    return sound if isinstance(sound, Sound) and timed else None


def sound_view(att: Attention, selection: Selection) -> SoundView:
    """Return the weights of the query that is isolated, else of the first that is no special token.

    Raises:
        BadSelection: no such layer, head or token, or the keys are no sound.
    """
    sound = sound_of(att)
    if sound is None:
        raise BadSelection("Only the attention on a sound has times: open a model that reads sounds, such as Whisper.")
    (layer, head), token = selection.of_one_head(), selection.token_in(att)
    ordinary = (position for position, each in enumerate(att.query_tokens) if not each.special)
    query = token.position if token and token.side == "query" else next(ordinary, 0)
    weights = att.weights(layer, head, slice(query, query + 1))[0]
    heard = np.array([key.seconds is not None and not key.special for key in att.key_tokens])
    seconds = np.array([key.seconds for key, is_heard in zip(att.key_tokens, heard, strict=True) if is_heard])
    # A spectrogram transformer has several frames for each time, one in each band.
    start, place = np.unique(seconds, return_inverse=True)
    shown = np.bincount(place, weights[heard].astype(np.float64), len(start)).astype(np.float32)
    step = float(start[1] - start[0]) if len(start) > 1 else sound.seconds
    points, name = envelope(sound), label(att.query_tokens[query])
    strongest = f"strongest at {start[int(shown.argmax())]:.2f} s ({shown.max():.3f})" if len(shown) else "no frame"
    padded = np.array([key.special and key.seconds is not None for key in att.key_tokens])
    padding = float(weights[padded].sum(dtype=np.float64))
    rest = f"; {padding:.0%} of its attention is on what follows the sound's end" if padded.any() else ""
    return SoundView(start, shown, step, *points, query, f"{head_title(att, layer, head)}: {name}", strongest + rest)


def envelope(sound: Sound) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return times in seconds, and the lowest and the highest sample from each time to the next."""
    size = max(-(-len(sound.samples) // MOST_POINTS), round(LEAST_SECONDS * sound.rate))
    starts = np.arange(0, len(sound.samples), size)
    lowest, highest = np.minimum.reduceat(sound.samples, starts), np.maximum.reduceat(sound.samples, starts)
    return starts / sound.rate, lowest, highest


class SoundFigure(OneQuery[SoundView]):
    """When one query listens."""

    name = "sound"
    help = "when one query of one head listens, over the waveform of the sound"
    offers = (Offer("Attention on the sound"),)
    options = ("palette",)
    token_help = "the query that listens, as query:8"
    reads = ("audio",)
    needs = "audio"
    shows_tokens = True

    def fits(self, subject: Subject) -> bool:
        """Return whether the keys are frames of a sound."""
        return sound_of(subject.att) is not None

    def make_view(self, subject: Subject, selection: Selection, options: DrawOptions) -> SoundView:
        """Return one query's weights over time."""
        return sound_view(subject.att, selection)

    def to_plotly(self, view: SoundView, options: DrawOptions) -> go.Figure:
        """Return the weights as bars over the waveform."""
        figure = go.Figure(layout_template=PLAIN)
        outline = {"mode": "lines", "line": {"width": 0}, "yaxis": "y2", "hoverinfo": "skip"}
        figure.add_scatter(x=view.time, y=view.lowest, showlegend=False, **outline)
        figure.add_scatter(x=view.time, y=view.highest, fill="tonexty", fillcolor=WAVE_FILL, name=WAVE_NAME, **outline)
        figure.add_bar(
            x=view.start + view.step / 2,
            y=view.weight,
            width=view.step,
            customdata=view.start,
            marker={"color": colours.line(options.palette), "line": {"width": 0}, "opacity": 0.8},
            name="attention",
            hovertemplate=HOVER,
        )
        note = f'<span style="font-size:12px">{plotly_text(view.note)}</span>'
        small = {"font": {"size": 12}, "standoff": 4}
        peak = _peak(view)
        figure.update_layout(
            title={"text": f"{plotly_text(view.title)}<br>{note}", "font": {"size": 15}},
            xaxis={"title": {"text": TIME, **small}, "range": [0, view.end], "showgrid": False, "zeroline": False},
            yaxis={
                "title": {"text": "weight", **small},
                "range": [0, HEADROOM * view.largest],
                "showgrid": False,
                "zeroline": False,
            },
            yaxis2={"overlaying": "y", "side": "right", "visible": False, "range": [-peak, peak], "fixedrange": True},
            legend={"orientation": "h", "yanchor": "top", "y": -0.25, "x": 0},
            bargap=0,
            height=300,
            margin={"l": 56, "r": 8, "t": 68, "b": 8},
            plot_bgcolor="rgba(0,0,0,0)",
            paper_bgcolor="rgba(0,0,0,0)",
        )
        return figure

    def to_paper(self, view: SoundView, options: DrawOptions, width: float | None = None) -> PaperFigure:
        """Return the same bars and waveform for paper."""
        wide = width or USUAL_WIDTH
        refuse_width("sound", wide, LEAST_WIDTH)
        figure = PaperFigure()
        axes = figure.add_subplot()
        behind = axes.twinx()
        peak = _peak(view)
        behind.fill_between(view.time, view.lowest, view.highest, color=WAVE, lw=0, label=WAVE_NAME)
        behind.set(ylim=(-peak, peak))
        behind.set_axis_off()
        axes.set_zorder(behind.get_zorder() + 1)
        axes.patch.set_visible(False)
        edges = np.append(view.start, view.end)
        axes.stairs(view.weight, edges, fill=True, color=colours.line(options.palette), alpha=0.8, label="attention")
        axes.set(xlim=(0, view.end), ylim=(0, HEADROOM * view.largest))
        axes.set_xlabel(TIME, fontsize=8)
        axes.set_ylabel("weight", fontsize=8)
        axes.tick_params(labelsize=7.5)
        axes.spines[["top", "right"]].set_visible(False)
        Frame(0.65, 0.1, 0.45).place(figure, axes, wide - 0.75, 1.7, [view.title, view.note], size=9)
        return figure


def _peak(view: SoundView) -> float:
    """Return the height that the waveform is drawn to, both ways from the middle."""
    return HEADROOM * max(float(np.abs(view.lowest).max()), float(np.abs(view.highest).max()), 1e-6)


@checked
def sound(
    att: Attention,
    layer: int,
    head: int,
    *,
    token: TokenRef | str | None = None,
    options: DrawOptions | None = None,
) -> go.Figure:
    """Return the time at which one query listens as an interactive figure, over the waveform of the sound.

    `token` is the query, such as "query:8"; without it, the first that is no special token.

    Raises:
        BadSelection: no such layer, head or token, or the keys are no sound.
    """
    options, figure = options or DrawOptions(), SoundFigure()
    view = figure.view(Subject(att), Selection.parse(layer, head, token=token), options)
    return figure.to_plotly(view, options)
