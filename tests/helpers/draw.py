"""Figures drawn as the exports draw them: the view, the drawing for paper, and the bytes for the browser."""

from typing import Any

from matplotlib.figure import Figure as PaperFigure

from analysis.selection import Selection
from models import Attention
from viz import DrawOptions
from viz.figures.base import Subject
from viz.figures.registry import FIGURES
from viz.files.provenance import provenance

# The pictures that every text has.
TEXT_FIGURES = ("heatmap", "flow", "grid")


def view_of(
    name: str,
    att: Attention,
    layer: int | None = None,
    head: int | None = None,
    *,
    options: DrawOptions | None = None,
    maps: Any = None,
    image: Any = None,
    **selected: Any,
) -> Any:
    """Return the view of a figure; `selected` is a token or a region, as written in links."""
    selection = Selection.parse(layer, head, **selected)
    return FIGURES[name].view(Subject(att, image, maps), selection, options or DrawOptions())


def paper(name: str, att: Attention, *place: int, options: DrawOptions | None = None, **given: Any) -> PaperFigure:
    """Return a figure's drawing for paper."""
    return FIGURES[name].to_paper(view_of(name, att, *place, options=options, **given), options or DrawOptions())


def packed(name: str, att: Attention, *place: int, options: DrawOptions | None = None, **given: Any) -> bytes:
    """Return the bytes of a figure that the browser draws."""
    return FIGURES[name].to_wire(view_of(name, att, *place, options=options, **given), options or DrawOptions())


def transformations(name: str, att: Attention, layer: int, head: int, **given: Any) -> dict[str, Any]:
    """Return what provenance says was done to the weights."""
    options, maps, image = (
        given.pop("options", None) or DrawOptions(),
        given.pop("maps", None),
        given.pop("image", None),
    )
    figure, selection = FIGURES[name], Selection.parse(layer, head, **given)
    view = figure.view(Subject(att, image, maps), selection, options)
    return provenance(att, figure, selection, options, view)["transformations"]
