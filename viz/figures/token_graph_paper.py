"""The token graph on paper: two columns of tokens, lines between them, and the width that is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure as PaperFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.path import Path

from viz import colours, style
from viz.figures.token_graph_view import TokenGraphView
from viz.labels import boundaries, label, label_positions
from viz.options import DrawOptions
from viz.paper.drawing import DIMMED, HATCH_COLOUR, token_colour
from viz.paper.frame import MARGIN, SMALLEST, add_title, count_labels, text_width, thin, widest
from viz.paper.roles import RoleLegend, draw_column
from viz.paper.width import refuse_width
from viz.shade import DIMMED as DIMMED_TOKEN
from viz.shade import HIDDEN

# Inches: between the two columns of tokens where no width is given, the least room there, and a page's height.
BETWEEN, LEAST_BETWEEN, PAGE = 3.4, 0.7, 9.3
ROW = 0.2  # inches
HEADING, GAP = 0.22, 0.06  # inches above the first row, and between a token and its lines
TITLE_SIZE, LEGEND_SIZE, SIDE_SIZE = 9.0, 7.0, 7.0


def draw_on_paper(view: TokenGraphView, options: DrawOptions, width: float | None, lines: list[str]) -> PaperFigure:
    """Return the lines with the tokens in two columns.

    Raises:
        CannotExport: the width has no room for the picture.
    """
    longest = max(len(view.query_tokens), len(view.key_tokens))
    size = thin(longest, min(ROW * longest, PAGE - 1), longest)[1]
    size = size if width is None else _fitting_size(view, width, size)
    left, right = (_column(view, side, size) + GAP + 2 * MARGIN for side in ("query", "key"))
    total = width or BETWEEN + left + right
    between = total - left - right
    figure = PaperFigure(figsize=(total, 1.0))
    legend, roles = _legend_rows(view, total), RoleLegend((*view.query_tokens, *view.key_tokens), total)
    title = add_title(figure, lines, size=TITLE_SIZE)
    below = len(legend) * LEGEND_SIZE * 1.5 / 72 + (MARGIN if legend else 0) + roles.height
    room = PAGE - title - HEADING - below - MARGIN
    row = min(ROW, room / longest)
    shown, size = thin(longest, row * longest, longest)[0], min(size, thin(longest, row * longest, longest)[1])
    counted = (
        [f"labelled: {count_labels(len(label_positions(longest, shown)), longest, 'tokens')}"]
        if shown < longest
        else []
    )
    if counted:
        title = add_title(figure, [*lines, *counted], size=TITLE_SIZE)
        row = min(row, (room - 0.2) / longest)
    height = title + HEADING + row * longest + below + MARGIN
    figure.set_figheight(height)
    figure._suptitle.set_y(1 - MARGIN / height)  # type: ignore[attr-defined]
    axes = figure.add_axes((0, (below + MARGIN) / height, 1, (row * longest + HEADING) / height))
    axes.set_axis_off()
    # One unit is the room between the columns, and one row.
    axes.set(xlim=(-left / between, 1 + right / between), ylim=(longest - 0.5, -0.5 - HEADING / row))
    _draw_lines(axes, view, options)
    gap, positions = GAP / between, label_positions(longest, shown)
    _draw_tokens(axes, view, "query", options, size, (-left / between, -gap / 2), positions)
    _draw_tokens(axes, view, "key", options, size, (1 + gap / 2, 1 + right / between), positions)
    for x, name, align in ((-gap, "query", "right"), (1 + gap, "key", "left")):
        axes.text(x, -0.5 - 0.6 * HEADING / row, name, ha=align, va="center", fontsize=SIDE_SIZE, color=DIMMED)
    draw_column(axes, view.query_tokens, -gap / 4)
    draw_column(axes, view.key_tokens, 1 + gap / 4)
    _draw_legend(figure, view, options, legend, roles.height)
    roles.draw(figure)
    return figure


def _fitting_size(view: TokenGraphView, width: float, size: float) -> float:
    """Return the size of letters, at most `size`, with which the two columns leave room for lines."""

    def taken(points: float) -> float:
        return sum(_column(view, side, points) for side in ("query", "key")) + 2 * GAP + 4 * MARGIN

    refuse_width("flow", width, taken(SMALLEST) + LEAST_BETWEEN)
    sizes = [each for each in np.arange(size, SMALLEST, -0.5) if taken(each) + max(LEAST_BETWEEN, width / 3) <= width]
    return float(sizes[0]) if sizes else SMALLEST


def _column(view: TokenGraphView, side: str, size: float) -> float:
    """Return the inches that the tokens of a side and the name above them take."""
    return max(widest(map(label, view.side(side)[0]), size), text_width(side, SIDE_SIZE))


def line_look(view: TokenGraphView, number: int, options: DrawOptions) -> tuple[str, tuple[int, ...]]:
    """Return the colour and the dashes of the lines of a head: one colour for one head, else those of its place."""
    if not view.heads:
        return colours.line(options.palette), ()
    return colours.head_look(number, options.palette == "night")


def is_faded(view: TokenGraphView) -> Bool[np.ndarray, " line"]:
    """Return which lines have a dimmed token at an end."""
    query, key = view.rows
    return (view.shade.queries[query] == DIMMED_TOKEN) | (view.shade.keys[key] == DIMMED_TOKEN)


def line_width(weight: float) -> float:
    """Return the width of a line in pixels."""
    least, more = style.LINE_WIDTH
    return least + more * float(weight)


def _draw_lines(axes: Axes, view: TokenGraphView, options: DrawOptions) -> None:
    codes, faded, bad = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4], is_faded(view), np.isnan(view.weight)
    paths = [Path([(0, q), (0.45, q), (0.55, k), (1, k)], codes) for q, k in zip(*view.rows, strict=True)]
    looks = [line_look(view, number, options) for number in view.number.tolist()]
    faces = np.array([to_rgba(colour) for colour, _ in looks]).reshape(len(paths), 4)
    faces[:, 3] = colours.opacity(view.weight / view.top, options.scale) * np.where(faded, style.DIMMED_LINES, 1)
    faces[bad] = to_rgba(colours.NOT_A_NUMBER)
    widths = [line_width(weight) * 0.7 for weight in np.nan_to_num(view.weight / view.top, nan=1.0, posinf=1.0)]
    # Dashes are written in widths of the line.
    dashes: list[Any] = [
        (0, [each * 0.7 / wide for each in dash]) if dash else "solid"
        for (_, dash), wide in zip(looks, widths, strict=True)
    ]
    drawn = PathCollection(paths, facecolors="none", edgecolors=faces, linewidths=widths)
    if view.heads and paths:
        drawn.set_linestyle(dashes)
    axes.add_collection(drawn)


def _draw_tokens(
    axes: Axes,
    view: TokenGraphView,
    side: str,
    options: DrawOptions,
    size: float,
    ends: tuple[float, float],
    labelled: range,
) -> None:
    """Write the tokens of a side; `ends` are the left and the right edge of its column."""
    tokens, levels = view.side(side)[0], view.shade.side(side)
    x, align = (ends[1], "right") if side == "query" else (ends[0], "left")
    for position, (token, (opacity, ground)) in enumerate(zip(tokens, emphasis(view, side), strict=True)):
        marked = Rectangle((ends[0], position - 0.45), ends[1] - ends[0], 0.9, lw=0, zorder=0)
        if levels[position] == HIDDEN:
            marked.set(facecolor="white", edgecolor=HATCH_COLOUR, hatch="//////", alpha=0.6)
            axes.add_patch(marked)
        elif ground:
            marked.set(facecolor=colours.line(options.palette), alpha=ground)
            axes.add_patch(marked)
        if position in labelled:
            text = axes.text(x, position, label(token), ha=align, va="center_baseline", fontsize=size)
            text.set(color=token_colour(token, int(levels[position])), alpha=opacity)
    for position in boundaries(tokens):
        axes.plot(ends, (position - 0.5, position - 0.5), color=DIMMED, linewidth=0.6, linestyle=":")


def emphasis(view: TokenGraphView, side: str) -> list[tuple[float, float]]:
    """Return the opacity of each token of a side and of the ground below it, as the browser draws them."""
    tokens, span = view.side(side)
    if view.isolated is None:
        return [(1.0, 0.0)] * len(tokens)
    if view.isolated.side == side:
        isolated = view.isolated.position
        return [(1.0, style.ISOLATED_GROUND) if position == isolated else (style.FADED, 0.0) for position in span]
    ends = view.query if side == "query" else view.key
    reached = dict(zip(ends.tolist(), np.nan_to_num(view.weight / view.top, nan=1.0, posinf=1.0).tolist(), strict=True))
    least, more = style.REACHED_GROUND
    return [(1.0, least + more * reached[position]) if position in reached else (style.FADED, 0.0) for position in span]


def _legend_rows(view: TokenGraphView, width: float) -> list[list[int]]:
    """Return the heads of each row of the legend, as many as fit into the width of the picture."""
    rows: list[list[int]] = []
    taken = 0.0
    for number, name in enumerate(view.heads):
        wide = 0.35 + text_width(name, LEGEND_SIZE) + 0.12
        if not rows or taken + wide > width - 2 * MARGIN:
            rows.append([])
            taken = 0.0
        rows[-1].append(number)
        taken += wide
    return rows


def _draw_legend(
    figure: PaperFigure, view: TokenGraphView, options: DrawOptions, rows: list[list[int]], low: float
) -> None:
    """Write the heads below the picture, `low` inches above its edge, each beside a piece of its line."""
    width, height = figure.get_size_inches()
    for number, row in enumerate(rows):
        x, y = MARGIN, low + MARGIN + (len(rows) - number - 0.5) * LEGEND_SIZE * 1.5 / 72
        for head in row:
            colour, dash = line_look(view, head, options)
            ends = (x / width, (x + 0.28) / width), (y / height, y / height)
            dashes = (0, [each * 0.7 / 1.6 for each in dash]) if dash else "solid"
            figure.add_artist(Line2D(*ends, color=colour, lw=1.6, ls=dashes, transform=figure.transFigure))
            figure.text((x + 0.33) / width, y / height, view.heads[head], fontsize=LEGEND_SIZE, va="center")
            x += 0.35 + text_width(view.heads[head], LEGEND_SIZE) + 0.12
