"""The whole instrument as a file: all linked pictures of one attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.selection import Region, Selection, TokenRef
from models.method_names import name_with_method
from viz.figures.base import Figure, Offer, Subject, region_facts
from viz.figures.grid_view import check_both
from viz.options import DrawOptions


@dataclass(frozen=True)
class Opened:
    """What the pictures show first; the file has the rest too."""

    title: str
    layer: int
    head: int
    token: TokenRef | None
    region: Region
    is_whole: bool


class InstrumentView(Figure[Opened]):
    """All linked pictures of one attention; HTML only, because a picture on paper shows one thing."""

    name = "view"
    help = "all linked pictures, as on the page"
    offers = (Offer("All linked pictures"),)
    formats = ("html",)
    options = ("threshold", "palette", "scale", "truth", "special", "sink", "renormalise")
    token_help = "the one that is locked at first: query:8 or key:2"
    takes_region = True
    one_head = False
    opens_instrument = True

    combines = False

    def check_heads(self, selection: Selection) -> None:
        """Check that a layer and a head are given together; without them the first head is opened."""
        check_both(selection.layer, selection.head)

    def make_view(self, subject: Subject, selection: Selection, options: DrawOptions) -> Opened:
        """Return what the pictures show first."""
        att = subject.att
        layer, head = selection.of_one_head() if selection.heads else (0, 0)
        att.weights(layer, head, queries=slice(0, 1))  # There may be no such head.
        region, token = selection.region_in(att), selection.token_in(att)
        title = name_with_method(att.method, f"{att.kind} attention")
        return Opened(title, layer, head, token, region, region == Region.whole(att))

    def heading(self, view: Opened) -> str:
        """Return which attention it is."""
        return view.title

    def transformations(self, view: Opened) -> dict[str, Any]:
        """Return the locked token and the region."""
        return {"token": str(view.token or ""), **region_facts(view.region, view.is_whole)}
