"""The roles of a conversation on paper: a band in the colour of each token's role, and a legend below the picture."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Transform, offset_copy

from models import Token
from viz import colours
from viz.labels import LABEL_LENGTH, role_runs
from viz.paper.frame import MARGIN, text_width

# Points: the width of a band, its distance from cells, and letters of the legend; inches: a swatch with its gaps.
BAND, AWAY, SIZE = 1.8, 1.8, 7.0
SWATCH, GAP = 0.2, 0.14


def draw_band(axes: Axes, tokens: Sequence[Token], *, block: int, is_query: bool) -> None:
    """Draw the band of a heatmap's side, left of or below the cells, whose rows and columns are blocks of tokens."""
    x, y = (-AWAY, 0.0) if is_query else (0.0, -AWAY)
    along: Transform = axes.get_yaxis_transform() if is_query else axes.get_xaxis_transform()
    moved = offset_copy(along, axes.get_figure(root=True), x, y, units="points")
    for start, stop, role in role_runs(tokens):
        ends, edge = (start / block - 0.5, stop / block - 0.5), (0, 0)
        axes.add_line(_line((edge, ends) if is_query else (ends, edge), role, moved))


def draw_column(axes: Axes, tokens: Sequence[Token], x: float) -> None:
    """Draw the band beside a column of tokens, one row each, at `x` of the axes' units."""
    for start, stop, role in role_runs(tokens):
        axes.add_line(_line(((x, x), (start - 0.5, stop - 0.5)), role, axes.transData))


def _line(ends: tuple[tuple[float, float], tuple[float, float]], role: str, transform: Transform) -> Line2D:
    line = Line2D(*ends, color=colours.role_colour(role), linewidth=BAND, solid_capstyle="butt", clip_on=False)
    line.set(transform=transform, zorder=3)
    return line


class RoleLegend:
    """The names of the roles of both sides, in rows that fit into `width` inches; without roles it takes no room."""

    def __init__(self, tokens: Sequence[Token], width: float) -> None:
        self.rows: list[list[str]] = []
        taken = 0.0
        for role in dict.fromkeys(role for _, _, role in role_runs(tokens)):
            wide = SWATCH + text_width(role[:LABEL_LENGTH], SIZE) + GAP
            if not self.rows or taken + wide > width - 2 * MARGIN:
                self.rows.append([])
                taken = 0.0
            self.rows[-1].append(role)
            taken += wide

    @property
    def height(self) -> float:
        """The inches that the legend takes."""
        return len(self.rows) * SIZE * 1.5 / 72 + (MARGIN if self.rows else 0)

    def draw(self, figure: Figure) -> None:
        """Write the legend at the bottom of a figure whose size is set."""
        width, height = figure.get_size_inches()
        for number, row in enumerate(self.rows):
            x, y = MARGIN, MARGIN + (len(self.rows) - number - 0.5) * SIZE * 1.5 / 72
            for role in row:
                ends = ((x / width, (x + SWATCH - 0.06) / width), (y / height, y / height))
                figure.add_artist(_line(ends, role, figure.transFigure))
                figure.text((x + SWATCH) / width, y / height, role[:LABEL_LENGTH], fontsize=SIZE, va="center")
                x += SWATCH + text_width(role[:LABEL_LENGTH], SIZE) + GAP
