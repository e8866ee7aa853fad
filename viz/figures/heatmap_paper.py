"""The heatmap on paper: square cells, as many labels as can be read, and the width that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as PaperFigure
from matplotlib.patches import Rectangle

from models import Token
from viz import colours
from viz.labels import MAX_LABELS, boundaries, is_one_character, label, label_positions, position_suffix
from viz.options import DrawOptions
from viz.paper.drawing import DIMMED, add_colour_bar, draw_maps, draw_shade, shade_boxes, token_colour
from viz.paper.frame import LARGEST, LINE, MARGIN, SMALLEST, TICK, Frame, bar_room, count_labels, thin, widest
from viz.paper.roles import RoleLegend, draw_band
from viz.paper.width import refuse_width

if TYPE_CHECKING:
    from viz.figures.heatmap import HeadView

# Inches: the side of a cell where no width is given, the longest side of all cells then, and the least room for them.
CELL, USUAL_SIDE, LEAST_SIDE = 0.3, 7.0, 0.9
SHORTEST_SIDE, LONGEST_SIDE = 1.25, 8.0
MAX_PAPER_LABELS = 80
# Half the side of an outline, in cells: the outline stays inside its cell.
OUTLINE = 0.46
AXIS_SIZE, TITLE_SIZE = 8.0, 9.0


def draw_on_paper(view: HeadView, options: DrawOptions, width: float | None, lines: list[str]) -> PaperFigure:
    """Return the cells with tokens along both sides.

    Raises:
        CannotExport: the width has no room for the picture.
    """
    sides = _Sides(view)
    right = bar_room(options.scale, view.top)
    left, wide, high = _measure(view, sides, right, width)
    n_rows, n_columns = view.weights.shape
    figure = PaperFigure()
    axes = figure.add_subplot(aspect="auto")
    box = (-0.5, -0.5, n_columns - 0.5, n_rows - 0.5)
    draw_maps(axes, options, [(view.weights, view.mask, box)], view.top)
    draw_shade(axes, shade_boxes(view.shade.blocks(view.region.block), box))
    if view.truth is not None:
        for row, column in np.argwhere(view.truth).tolist():
            corner, side = (column - OUTLINE, row - OUTLINE), 2 * OUTLINE
            axes.add_patch(Rectangle(corner, side, side, fill=False, ec=colours.TRUTH, lw=1))
    axes.set(xlim=(-0.5, n_columns - 0.5), ylim=(n_rows - 0.5, -0.5))
    roles = RoleLegend((*view.query_tokens, *view.key_tokens), left + wide + right)
    below = sides.keys.write(axes, wide) + TICK + AXIS_SIZE * LINE / 72 + 2 * MARGIN + roles.height
    sides.queries.write(axes, high)
    axes.set_xlabel(view.words.axes["key"], fontsize=AXIS_SIZE, labelpad=2)
    axes.set_ylabel(view.words.axes["query"], fontsize=AXIS_SIZE, labelpad=2)
    axes.tick_params(length=2)
    counts = [each for each in (sides.queries.describe(high), sides.keys.describe(wide)) if each]
    notes = [f"labelled: {', '.join(counts)}"] if counts else []
    Frame(left, right, below).place(figure, axes, wide, high, [*lines, *notes], size=TITLE_SIZE)
    add_colour_bar(figure, axes, options, top=view.top)
    roles.draw(figure)
    return figure


def _measure(view: HeadView, sides: _Sides, right: float, width: float | None) -> tuple[float, float, float]:
    """Return the inches left of the cells, and the width and the height of all cells."""
    n_rows, n_columns = view.weights.shape
    size = LARGEST
    for _ in range(3):
        left = 3 * MARGIN + AXIS_SIZE * LINE / 72 + sides.queries.room(size) + TICK
        cell = min(CELL, USUAL_SIDE / max(n_rows, n_columns))
        wide = max(SHORTEST_SIDE, cell * n_columns) if width is None else max(LEAST_SIDE, width - left - right)
        high = min(LONGEST_SIDE, max(SHORTEST_SIDE, wide * n_rows / n_columns if width else cell * n_rows))
        size = min(size, thin(len(view.query_tokens), high, MAX_PAPER_LABELS)[1])
    sides.queries.largest = size
    if width is not None and left + right + LEAST_SIDE > width:
        left = 3 * MARGIN + AXIS_SIZE * LINE / 72 + sides.queries.room(SMALLEST) + TICK
        refuse_width("heatmap", width, left + right + LEAST_SIDE)
        sides.queries.largest = SMALLEST
        wide = width - left - right
    return (left, wide, high) if width is None else (width - wide - right, wide, high)


class _Side:
    """The labels of one side."""

    def __init__(self, view: HeadView, name: str) -> None:
        self.name, is_query = name, name == "query"
        self.tokens: Sequence[Token] = view.query_tokens if is_query else view.key_tokens
        span = view.region.queries if is_query else view.region.keys
        self.block = view.region.block[0 if is_query else 1]
        self.levels = view.shade.side(name)
        self.largest = LARGEST
        self.most = MAX_PAPER_LABELS if self.block == 1 else MAX_LABELS
        self.texts = [
            label(token) + position_suffix(at, self.block) for token, at in zip(self.tokens, span, strict=True)
        ]

    def positions(self, length: float) -> range:
        """Return the tokens that get a label along an axis of `length` inches."""
        return label_positions(len(self.tokens), thin(len(self.tokens), length, self.most)[0])

    def room(self, size: float) -> float:
        """Return the inches that the longest label takes."""
        return widest({max(self.texts, key=len), *self.texts} if len(self.texts) < 300 else self.texts[:300], size)

    def describe(self, length: float) -> str:
        """Return how many tokens are labelled, empty if all are."""
        return count_labels(
            len(self.positions(length)), len(self.tokens), "queries" if self.name == "query" else "keys"
        )

    def write(self, axes: Axes, length: float) -> float:
        """Write the labels, boundaries and roles, and return the inches that the labels take."""
        is_query, positions = self.name == "query", self.positions(length)
        axis, draw_line = (axes.yaxis, axes.axhline) if is_query else (axes.xaxis, axes.axvline)
        size = min(self.largest, thin(len(self.tokens), length, self.most)[1])
        # The middle of a token: where it would be if every pair had its own cell.
        places = [(position + 0.5) / self.block - 0.5 for position in positions]
        axis.set_ticks(places, [self.texts[position] for position in positions])
        for text, position in zip(axis.get_ticklabels(), positions, strict=True):
            colour = token_colour(self.tokens[position], int(self.levels[position]))
            # A bracket or a digit that is turned looks like another one.
            upright = is_query or is_one_character(self.texts[position])
            text.set(fontsize=size, color=colour, rotation=0 if upright else 90)
        for position in boundaries(tuple(self.tokens)):
            draw_line(position / self.block - 0.5, color=DIMMED, linewidth=0.6, linestyle=":")
        draw_band(axes, self.tokens, block=self.block, is_query=is_query)
        return max(size * LINE / 72, widest((self.texts[position] for position in positions), size))


class _Sides:
    """The labels of both sides."""

    def __init__(self, view: HeadView) -> None:
        self.queries, self.keys = _Side(view, "query"), _Side(view, "key")
