"""What the pictures of measures share: colours, layout, hover texts, and the notes below their titles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure as PaperFigure

from viz import colours
from viz.figures.measures_view import HeadPoints, NumbersGrid
from viz.figures.plotly_text import plotly_text
from viz.paper.frame import BAR_GAP, BAR_NUMBERS, BAR_TITLE, BAR_WIDTH

# The outline of the heads that a query found: distinct from the blue of the palettes.
FOUND = colours.TRUTH
GRID_LINE = "rgba(128, 136, 149, 0.3)"
FRAME_TITLE, FRAME_LINE = 9.0, 8.0
# Pixels from the upper edge to the foot of the title.
TITLE = 22
# As colours, these tell groups apart also in print without colour; Plotly's names and matplotlib's.
SYMBOLS = (
    ("circle", "o"),
    ("square", "s"),
    ("diamond", "D"),
    ("triangle-up", "^"),
    ("triangle-down", "v"),
    ("cross", "P"),
    ("x", "X"),
    ("star", "*"),
)


def as_hover(lines: Iterable[str]) -> str:
    """Return lines as Plotly shows them, the first one bold."""
    first, *rest = map(plotly_text, lines)
    return "<br>".join([f"<b>{first}</b>", *rest])


def state_note(view: NumbersGrid | HeadPoints) -> str:
    """Return what the picture says below its title: the range of its colours, what a query found, what is missing."""
    parts = []
    if isinstance(view, NumbersGrid):
        parts.append(f"colours from {view.scale.range_text}")
        n_undefined = int((view.exists & np.isnan(view.numbers)).sum())
        if n_undefined:
            parts.append(f"{n_undefined} not defined (pink)")
        n_heads = int(view.exists.sum())
    else:
        n_heads = len(view.heads) + len(view.left_out)
        if view.left_out:
            parts.append(f"{len(view.left_out)} heads have no place, since a number is not defined")
        if np.isnan(view.colours).any():
            parts.append(f"{int(np.isnan(view.colours).sum())} without a colour (pink)")
    if view.found is not None:
        parts.append(f"{len(view.found)} of {n_heads} found (orange)")
    return "; ".join([*parts, *([view.note] if view.note else [])])


def plain_layout(title: str, height: int) -> dict[str, Any]:
    """Return the layout that all these figures have."""
    return {
        # The baseline of the first line, below the upper edge.
        "title": {"text": title, "font": {"size": 15}, "y": 1 - TITLE / height, "yanchor": "bottom"},
        "height": height,
        "margin": {"l": 48, "r": 8, "t": 52, "b": 44},
        "plot_bgcolor": "rgba(0,0,0,0)",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "uirevision": title,
        "hovermode": "closest",
    }


def add_bar(figure: PaperFigure, axes: Axes, shown: ScalarMappable, title: str) -> None:
    """Add a bar of colours on paper beside axes that have their place, as high as they are."""
    place = axes.get_position()
    left, wide = place.x1 + BAR_GAP / figure.get_figwidth(), BAR_WIDTH / figure.get_figwidth()
    bar = figure.colorbar(shown, cax=figure.add_axes((left, place.y0, wide, place.height)))
    bar.set_label(title, fontsize=BAR_TITLE)
    bar.ax.tick_params(labelsize=BAR_NUMBERS, length=2)
    bar.outline.set_linewidth(0.4)
    # More than 50 colours would become an image; hairlines close the seams between neighbours.
    assert bar.solids is not None
    bar.solids.set(rasterized=False, edgecolor="face", linewidth=0.6)
