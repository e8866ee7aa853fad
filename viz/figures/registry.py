"""All figures, by name. Exports, provenance, the command line and the export popover iterate over them."""

from __future__ import annotations

from typing import Any

from viz.figures.base import Figure
from viz.figures.grid import Grid
from viz.figures.heatmap import Heatmap
from viz.figures.patches import Patches
from viz.figures.signal import Signal
from viz.figures.sound import SoundFigure
from viz.figures.table import Table
from viz.figures.token_graph import TokenGraph
from viz.figures.view import InstrumentView
from viz.formats import CannotExport

FIGURES: dict[str, Figure[Any]] = {
    figure.name: figure
    for figure in (
        Heatmap(),
        TokenGraph(),
        Grid(),
        InstrumentView(),
        Patches(),
        Signal(),
        SoundFigure(),
        Table(),
    )
}


def find_figure(name: str) -> Figure[Any]:
    """Return a figure by its name.

    Raises:
        CannotExport: there is no such figure.
    """
    if name not in FIGURES:
        raise CannotExport(f"There is no figure {name[:40]!r}: choose {list_figures()}.")
    return FIGURES[name]


def list_figures() -> str:
    """Return the names of all figures as a person enumerates them."""
    *first, last = FIGURES
    return f"{', '.join(first)} or {last}"
