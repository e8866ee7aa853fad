"""One head as a heatmap: query tokens down, key tokens across, colour = weight from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float
from matplotlib.figure import Figure as PaperFigure

from analysis.blocks import block_maxima
from analysis.head_set import HeadSet
from analysis.selection import Region, Selection
from analysis.truth import truth_of
from models import Attention, Token
from models.arguments import checked
from viz import colours
from viz.figures.base import Figure, Offer, Subject, pooling, region_facts
from viz.figures.heatmap_paper import OUTLINE, draw_on_paper
from viz.figures.plotly_text import (
    GREY,
    PLAIN,
    cell_centres,
    colour_bar,
    ground,
    hatch,
    placed,
    plotly_text,
    token_axes,
)
from viz.labels import boundaries, head_title, tokens_in
from viz.method_words import ATTENTION, MethodWords, words_of
from viz.options import DrawOptions
from viz.paper.drawing import shade_boxes
from viz.shade import DECODER_NOTE, HIDDEN, Shade, shade_of

# WEIGHT is where Plotly has the weight: z, or customdata.
HOVER = "%{y} (%{y:d}) VERB %{x} (%{x:d})<br>weight %{WEIGHT:.5f}<extra></extra>"
BLOCK_HOVER = "queries %{y}<br>keys %{x}<br>largest weight %{WEIGHT:.5f}<extra></extra>"
MAX_SLANTED = 20


@dataclass(frozen=True)
class HeadView:
    """A region of one head as cells: exact weights, or the largest of each block of pairs where it is long.

    `mask` is True where a cell has a pair that may attend; the tokens are those of the region. `truth` is True for the
    right answers, if they are known and each cell is one pair.
    """

    weights: Float[np.ndarray, "row column"]
    mask: Bool[np.ndarray, "row column"]
    region: Region
    is_whole: bool
    query_tokens: tuple[Token, ...]
    key_tokens: tuple[Token, ...]
    title: str
    notes: tuple[str, ...]
    shade: Shade
    truth: Bool[np.ndarray, "row column"] | None = None
    method: str = ATTENTION

    @property
    def words(self) -> MethodWords:
        """What is said of the cells."""
        return words_of(self.method)

    @property
    def top(self) -> float:
        """The weight at which the colours end: 1, unless a weight is above 1."""
        return colours.top_of(self.weights, self.mask)

    @property
    def bad(self) -> Bool[np.ndarray, "row column"]:
        """True where a weight that may attend is not a number."""
        return np.isnan(self.weights) & self.mask

    @property
    def masked(self) -> Bool[np.ndarray, "row column"]:
        """True where no pair of a cell may attend, although its tokens are shown."""
        cells = self.shade.blocks(self.region.block)
        return ~self.mask & (np.maximum(cells.queries[:, None], cells.keys) != HIDDEN)

    @property
    def has_generated(self) -> bool:
        """Whether the model itself wrote a token."""
        return any(token.generated for token in (*self.query_tokens, *self.key_tokens))


def head_view(subject: Subject, selection: Selection, options: DrawOptions) -> HeadView:
    """Return one head's data, or that of the selected region.

    Raises:
        BadSelection: no such layer, head or region.
    """
    att = subject.att
    (layer, head), region = selection.of_one_head(), selection.region_in(att)
    weights, mask = block_maxima(att, layer, head, region)
    is_whole = region == Region.whole(att)
    notes = [
        *([] if is_whole else [region.describe()]),
        *subject.notes,
        *colours.top_note(colours.top_of(weights, mask)),
    ]
    if not region.exact:
        notes.append(f"each cell is the largest weight of {region.block[0]} x {region.block[1]} pairs")
    truth = _truth_in(att, region) if options.truth else None
    if truth is not None:
        notes.append("outlined: where the right answer stands")
    if att.kind == "decoder":
        notes.append(DECODER_NOTE)
    title, tokens = head_title(att, layer, head), tokens_in(att, region)
    shade = shade_of(att, options).within(region)
    return HeadView(weights, mask, region, is_whole, *tokens, title, tuple(notes), shade, truth, att.method)


def _truth_in(att: Attention, region: Region) -> Bool[np.ndarray, "row column"] | None:
    """Return the right answers in a region, None where none is known or a cell is a block of pairs."""
    truth = truth_of(att)
    if truth is None or not region.exact:
        return None
    found = truth.mask[region.slices]
    return found if found.any() else None


class Heatmap(Figure[HeadView]):
    """One head as a heatmap."""

    name = "heatmap"
    help = "one head: queries down, keys across"
    offers = (Offer("Heatmap of the chosen head"),)
    options = ("palette", "scale", "truth")
    takes_region = True
    opens_instrument = True

    def make_view(self, subject: Subject, selection: Selection, options: DrawOptions) -> HeadView:
        """Return the cells of the selected head."""
        return head_view(subject, selection, options)

    def heading(self, view: HeadView) -> str:
        """Return the title of the head."""
        return view.title

    def transformations(self, view: HeadView) -> dict[str, Any]:
        """Return the region, and the block of pairs that share a cell."""
        pooled = {} if view.region.exact else {"pooling": pooling(view.region.block)}
        return {**region_facts(view.region, view.is_whole), **pooled}

    def to_plotly(self, view: HeadView, options: DrawOptions) -> go.Figure:
        """Return the cells as a chart: integer positions with the tokens as tick text."""
        traces: list[Any] = _plotly_cells(view, options)
        region, (high, wide) = view.region, view.region.block
        angle = -45 if len(view.key_tokens) <= MAX_SLANTED else -90
        keys, key_room = token_axes(
            "x", view.key_tokens, region.keys, wide, view.words.axes["key"], angle, view.shade.keys
        )
        queries, query_room = token_axes(
            "y", view.query_tokens, region.queries, high, view.words.axes["query"], 0, view.shade.queries
        )
        second = {f"{axis}axis": f"{axis}2" for axis in "xy" if f"{axis}axis2" in {**keys, **queries}}
        if second:
            # Plotly draws an axis only where a trace uses it.
            traces.append(go.Scatter(x=[None], y=[None], **second, showlegend=False, hoverinfo="skip"))
        notes = [f'<span style="font-size:12px">{plotly_text(note)}</span>' for note in view.notes]
        top = 44 + 17 * len(view.notes)
        layout = {
            "template": PLAIN,
            "title": {"text": "<br>".join([describe(view, options), *notes]), "font": {"size": 15}},
            # Measured here: Plotly would lay the picture out twice to find its margins, which doubles a head switch.
            "margin": {"l": query_room, "r": 8, "t": top, "b": key_room, "pad": 0},
            "plot_bgcolor": "rgba(0,0,0,0)" if not view.masked.any() else colours.masked(options.palette)[1],
            "paper_bgcolor": "rgba(0,0,0,0)",
            "shapes": [*_veils(view, options), *_boundary_lines(view), *_truth_outlines(view)],
            "height": 406 + top + key_room,
            "hoverlabel": {"font": {"size": 13}},
        }
        return go.Figure(traces, {**layout, **keys, **queries})

    def to_paper(self, view: HeadView, options: DrawOptions, width: float | None = None) -> PaperFigure:
        """Return the cells with tokens along both sides."""
        return draw_on_paper(view, options, width, [describe(view, options), *view.notes])


@checked
def heatmap(
    att: Attention,
    layer: int | None = None,
    head: int | None = None,
    *,
    region: Region | str | None = None,
    unit: str = "pieces",
    heads: HeadSet | str = "",
    combine: str = "overlay",
    options: DrawOptions | None = None,
) -> go.Figure:
    """Return one head's weights, or those of a region such as "0-63:128-191", as an interactive figure.

    `unit` is "pieces" or "words". With `combine` "mean" or "maximum", one map of the `heads` is shown, such as "5" (a
    layer), "2.0,3.5" or "all"; layer and head may be left out then. The axes are integer positions and the tokens
    their tick text, so that repeated tokens keep their own cells. Cells are weights; on a scale that is not linear they
    are places on the scale, and the weights are `customdata`. Where a side has more than `READABLE` tokens, a cell
    is the largest weight of a block of pairs, and the title says so.

    Raises:
        BadSelection: no such layer, head, heads or region.
    """
    selection = Selection.parse(layer, head, region=region, unit=unit, heads=heads, combine=combine)
    return Heatmap().to_figure(Subject(att), selection, options)


def describe(view: HeadView, options: DrawOptions) -> str:
    """Return the title, which names the colours that stand for no weight where there are any."""
    legend = [f"{colours.masked(options.palette)[0]}: masked"] if view.masked.any() else []
    if view.bad.any():
        legend.append("pink: not a number")
    legend += view.shade.legend
    if view.has_generated:
        legend.append("purple labels: written by the model")
    return view.title + (f" ({', '.join(legend)})" if legend else "")


def _plotly_cells(view: HeadView, options: DrawOptions) -> list[Any]:
    """Return the weights as one trace, and cells that are not a number or hidden as further ones over it."""
    shown = np.where(view.mask, view.weights, np.float32(np.nan))
    gap = 0.5 if shown.size < 2500 else 0
    (high, wide), region = view.region.block, view.region
    positions = {"x": cell_centres(region.keys, wide), "y": cell_centres(region.queries, high)}
    z, written = placed(shown, options.scale, view.top)
    cells = go.Heatmap(
        z=z,
        customdata=None if written == "z" else shown,
        **positions,
        zmin=0,
        zmax=1,
        colorscale=colours.plotly_scale(options.palette),
        colorbar={**colour_bar(options, view.top), "ypad": 0},
        hovertemplate=(HOVER if region.exact else BLOCK_HOVER)
        .replace("WEIGHT", written)
        .replace("VERB", view.words.verbs["query"]),
        hoverongaps=False,
        xgap=gap,
        ygap=gap,
    )
    traces = [cells]
    if view.bad.any():
        bad = go.Heatmap(
            z=np.where(view.bad, 1.0, np.nan),
            **positions,
            colorscale=[(0, colours.NOT_A_NUMBER), (1, colours.NOT_A_NUMBER)],
            showscale=False,
            hovertemplate="%{y} to %{x}: not a number<extra></extra>",
            hoverongaps=False,
        )
        traces.append(bad)
    hidden = shade_boxes(view.shade, _corners(region))[1]
    return [*traces, hatch(hidden, options.palette)] if hidden else traces


def _corners(region: Region) -> tuple[float, float, float, float]:
    """Return the left, top, right and bottom of a region's cells."""
    return region.keys.start - 0.5, region.queries.start - 0.5, region.keys.stop - 0.5, region.queries.stop - 0.5


def _veils(view: HeadView, options: DrawOptions) -> list[dict[str, Any]]:
    """Return shapes that fade the cells of dimmed tokens."""
    look = {"type": "rect", "fillcolor": ground(options.palette), "opacity": 0.66, "line": {"width": 0}}
    dimmed = shade_boxes(view.shade, _corners(view.region))[0]
    return [{**look, "x0": left, "x1": right, "y0": top, "y1": low} for left, top, right, low in dimmed]


def _boundary_lines(view: HeadView) -> list[dict[str, Any]]:
    """Return a thin line between the texts of a pair, and before generated text."""
    line = {"type": "line", "line": {"color": GREY, "width": 1, "dash": "dot"}}
    lines = []
    for axis, other, tokens, span in (
        ("x", "y", view.key_tokens, view.region.keys),
        ("y", "x", view.query_tokens, view.region.queries),
    ):
        for position in boundaries(tokens):
            edge = span.start + position - 0.5
            ends = {f"{axis}0": edge, f"{axis}1": edge, f"{other}0": 0, f"{other}1": 1}
            lines.append({**line, **ends, f"{other}ref": f"{other} domain"})
    return lines


def _truth_outlines(view: HeadView) -> list[dict[str, Any]]:
    """Return one shape that outlines the cell of every right answer."""
    if view.truth is None:
        return []
    region, side = view.region, 2 * OUTLINE
    corners = (
        (region.keys.start + column - OUTLINE, region.queries.start + row - OUTLINE)
        for row, column in np.argwhere(view.truth).tolist()
    )
    path = " ".join(f"M{x:g},{y:g}H{x + side:g}V{y + side:g}H{x:g}Z" for x, y in corners)
    return [{"type": "path", "path": path, "line": {"color": colours.TRUTH, "width": 2}}]
