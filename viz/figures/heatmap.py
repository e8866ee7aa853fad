"""One head as a heatmap: query tokens down, key tokens across, colour = weight from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure as PaperFigure
from matplotlib.patches import Rectangle

from analysis.blocks import block_maxima
from analysis.selection import Region, Selection
from analysis.truth import truth_of
from models import Attention, Token
from viz import colours, style
from viz.figures.base import Figure, Offer, Subject, pooling, region_facts
from viz.figures.plotly_text import GREY, PLAIN, cell_centres, token_axes
from viz.labels import MAX_LABELS, boundaries, head_title, label, label_positions, position_suffix, tokens_in
from viz.options import DrawOptions
from viz.paper.drawing import DIMMED, add_colour_bar, add_title, draw_maps, style_labels

HOVER = "%{y} (%{y:d}) attends to %{x} (%{x:d})<br>weight %{z:.5f}<extra></extra>"
BLOCK_HOVER = "queries %{y}<br>keys %{x}<br>largest weight %{z:.5f}<extra></extra>"
MAX_SLANTED = 20
SHORTEST_SIDE = 0.8  # inches
MAX_PAPER_LABELS = 80
# Half the side of an outline, in cells: the outline stays inside its cell.
OUTLINE = 0.46


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
    truth: Bool[np.ndarray, "row column"] | None = None

    @property
    def bad(self) -> Bool[np.ndarray, "row column"]:
        """True where a weight that may attend is not a number."""
        return np.isnan(self.weights) & self.mask


def head_view(att: Attention, selection: Selection, options: DrawOptions) -> HeadView:
    """Return one head's data, or that of the selected region.

    Raises:
        BadSelection: no such layer, head or region.
    """
    (layer, head), region = selection.of_one_head(), selection.region_in(att)
    weights, mask = block_maxima(att, layer, head, region)
    is_whole = region == Region.whole(att)
    notes = [] if is_whole else [region.describe()]
    if not region.exact:
        notes.append(f"each cell is the largest weight of {region.block[0]} x {region.block[1]} pairs")
    truth = _truth_in(att, region) if options.truth else None
    if truth is not None:
        notes.append("outlined: where the right answer stands")
    title, tokens = head_title(att, layer, head), tokens_in(att, region)
    return HeadView(weights, mask, region, is_whole, *tokens, title, tuple(notes), truth)


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

    def view(self, subject: Subject, selection: Selection, options: DrawOptions) -> HeadView:
        """Return the cells of the selected head."""
        return head_view(subject.att, selection, options)

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
        keys, key_room = token_axes("x", view.key_tokens, region.keys, wide, "key (attended to)", angle)
        queries, query_room = token_axes("y", view.query_tokens, region.queries, high, "query (attends)", 0)
        second = {f"{axis}axis": f"{axis}2" for axis in "xy" if f"{axis}axis2" in {**keys, **queries}}
        if second:
            # Plotly draws an axis only where a trace uses it.
            traces.append(go.Scatter(x=[None], y=[None], **second, showlegend=False, hoverinfo="skip"))
        notes = [f'<span style="font-size:12px">{note}</span>' for note in view.notes]
        top = 44 + 17 * len(view.notes)
        layout = {
            "template": PLAIN,
            "title": {"text": "<br>".join([describe(view, options), *notes]), "font": {"size": 15}},
            # Measured here: Plotly would lay the picture out twice to find its margins, which doubles a head switch.
            "margin": {"l": query_room, "r": 8, "t": top, "b": key_room, "pad": 0},
            "plot_bgcolor": "rgba(0,0,0,0)" if view.mask.all() else colours.masked(options.palette)[1],
            "paper_bgcolor": "rgba(0,0,0,0)",
            "shapes": [*_boundary_lines(view), *_truth_outlines(view)],
            "height": 406 + top + key_room,
            "hoverlabel": {"font": {"size": 13}},
        }
        return go.Figure(traces, {**layout, **keys, **queries})

    def to_paper(self, view: HeadView, options: DrawOptions) -> PaperFigure:
        """Return the cells with tokens along both sides."""
        n_rows, n_columns = view.weights.shape
        cell = min(0.3, 7.0 / max(n_rows, n_columns))
        size = (max(2.6, cell * n_columns) + 2.2, max(2.0, cell * n_rows) + 1.6)
        figure = PaperFigure(figsize=size, layout="constrained")
        # Square cells, unless one side is so short that its cells would become lines.
        axes = figure.add_subplot(aspect="equal" if cell * min(n_rows, n_columns) >= SHORTEST_SIDE else "auto")
        draw_maps(axes, options, [(view.weights, view.mask, (-0.5, -0.5, n_columns - 0.5, n_rows - 0.5))])
        if view.truth is not None:
            for row, column in np.argwhere(view.truth).tolist():
                corner, side = (column - OUTLINE, row - OUTLINE), 2 * OUTLINE
                axes.add_patch(Rectangle(corner, side, side, fill=False, ec=colours.TRUTH, lw=1))
        axes.set(xlim=(-0.5, n_columns - 0.5), ylim=(n_rows - 0.5, -0.5))
        _label_paper_axes(axes, view, cell)
        add_title(figure, [describe(view, options), *view.notes], size=10)
        axes.tick_params(length=2)
        colour_map = colours.matplotlib_map(options.palette, options.scale)
        add_colour_bar(figure, axes, colour_map, bar_title(options))
        return figure


def heatmap(
    att: Attention,
    layer: int,
    head: int,
    *,
    region: Region | str | None = None,
    options: DrawOptions | None = None,
) -> go.Figure:
    """Return one head's weights, or those of a region such as "0-63:128-191", as an interactive figure.

    The axes are integer positions and the tokens their tick text, so that repeated tokens keep their own cells. Where
    a side has more than `READABLE` tokens, a cell is the largest weight of a block of pairs, and the title says so.

    Raises:
        BadSelection: no such layer, head or region.
    """
    options, figure = options or DrawOptions(), Heatmap()
    view = figure.view(Subject(att), Selection.parse(layer, head, region=region), options)
    return figure.to_plotly(view, options)


def describe(view: HeadView, options: DrawOptions) -> str:
    """Return the title, which names the colours that stand for no weight where there are any."""
    legend = [] if view.mask.all() else [f"{colours.masked(options.palette)[0]}: masked"]
    if view.bad.any():
        legend.append("pink: not a number")
    return view.title + (f" ({', '.join(legend)})" if legend else "")


def bar_title(options: DrawOptions) -> str:
    """Return the colour bar's title, which names the scale if there is one."""
    return style.SCALES[options.scale]


def _plotly_cells(view: HeadView, options: DrawOptions) -> list[Any]:
    """Return the weights as one trace, and the cells that are not a number as a second one over it."""
    shown = np.where(view.mask, view.weights, np.float32(np.nan))
    gap = 0.5 if shown.size < 2500 else 0
    (high, wide), region = view.region.block, view.region
    positions = {"x": cell_centres(region.keys, wide), "y": cell_centres(region.queries, high)}
    bar = {"title": {"text": bar_title(options), "side": "right"}, "thickness": 12, "ypad": 0, "tickformat": ".1f"}
    cells = go.Heatmap(
        z=shown,
        **positions,
        zmin=0,
        zmax=1,
        colorscale=colours.plotly_scale(options.palette, options.scale),
        colorbar=bar,
        hovertemplate=HOVER if region.exact else BLOCK_HOVER,
        hoverongaps=False,
        xgap=gap,
        ygap=gap,
    )
    if not view.bad.any():
        return [cells]
    bad = go.Heatmap(
        z=np.where(view.bad, 1.0, np.nan),
        **positions,
        colorscale=[(0, colours.NOT_A_NUMBER), (1, colours.NOT_A_NUMBER)],
        showscale=False,
        hovertemplate="%{y} to %{x}: not a number<extra></extra>",
        hoverongaps=False,
    )
    return [cells, bad]


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


def _label_paper_axes(axes: Axes, view: HeadView, cell: float) -> None:
    """Write the tokens along both sides, and draw the boundaries between texts; `cell` is a cell's side in inches."""
    region = view.region
    for axis, draw_line, tokens, span, block in (
        (axes.yaxis, axes.axhline, view.query_tokens, region.queries, region.block[0]),
        (axes.xaxis, axes.axvline, view.key_tokens, region.keys, region.block[1]),
    ):
        positions = label_positions(len(tokens), MAX_PAPER_LABELS if block == 1 else MAX_LABELS)
        # The middle of a token: where it would be if every pair had its own cell.
        places = [(position + 0.5) / block - 0.5 for position in positions]
        texts = [label(tokens[position]) + position_suffix(span[position], block) for position in positions]
        axis.set_ticks(places, texts)
        size = min(9, max(5, 72 * cell * positions.step / block * 0.8))
        style_labels(axis, [tokens[position] for position in positions], size=size)
        for position in boundaries(tokens):
            draw_line(position / block - 0.5, color=DIMMED, linewidth=0.6, linestyle=":")
    for text in axes.get_xticklabels():
        text.set(rotation=90)
    axes.set_xlabel("key (attended to)", fontsize=9)
    axes.set_ylabel("query (attends)", fontsize=9)
