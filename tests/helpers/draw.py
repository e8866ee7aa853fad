"""Figures drawn as the exports draw them: the view, the drawing for paper, and the bytes for the browser."""

from typing import Any

from matplotlib.figure import Figure as PaperFigure

from analysis.selection import Selection
from models import Attention
from viz import DrawOptions
from viz.figures.base import Subject
from viz.figures.registry import FIGURES
from viz.figures.token_graph_view import readable_region
from viz.files.page import write_selection
from viz.files.provenance import provenance
from viz.head_maps import HeadMaps
from viz.wire.instrument import Opening, trace_message
from viz.wire.tiles import make_tile

# The pictures that every text has.
TEXT_FIGURES = ("heatmap", "flow", "grid")
# Those whose HTML is the whole instrument.
INSTRUMENTS = (*TEXT_FIGURES, "view")
# What provenance says of a figure whose view changes nothing.
PLAIN_VIEW = {
    "unit": "pieces",
    "heads": "",
    "combine": "overlay",
    "special": "show",
    "sink": "show",
    "renormalise": False,
}


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
    """Return a message that the browser draws as the figure: the maps of all heads ("grid") or one tile ("flow")."""
    options, maps = options or DrawOptions(), given.pop("maps", None)
    selection = Selection.parse(*place, **given)
    opening = Opening("file", write_selection(selection, options))
    if name == "grid":
        return trace_message(att, opening, maps=maps or HeadMaps.empty(att).fill(att), parts=["heads"], options=options)
    tile = make_tile(att, *selection.of_one_head(), readable_region(att, selection))
    return trace_message(att, opening, tiles=[tile], parts=["graph"], options=options)


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
