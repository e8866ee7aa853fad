"""What every figure is: one class that declares what it takes and draws its view for each renderer.

A new figure is one file with a subclass of `Figure`, and one entry in viz/figures/registry.py. Exports, provenance, the
command line and the export popover of the page read what the class declares.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import plotly.graph_objects as go
from jaxtyping import UInt8
from matplotlib.figure import Figure as PaperFigure

from analysis.selection import Region, Selection
from models import Attention
from models.errors import BadSelection
from models.method_names import name_method
from viz.formats import PICTURES
from viz.head_maps import HeadMaps
from viz.options import DrawOptions
from viz.shade import view_notes
from viz.views import is_combined, view_of
from viz.wire.packing import pack_chart

View = TypeVar("View")


class Offer(NamedTuple):
    """An entry of the export popover: its title, and whether it means all heads instead of the chosen one."""

    title: str
    all_heads: bool = False

    def title_of(self, att: Attention) -> str:
        """Return the title for an attention; a map with one head for each layer has layers to choose from."""
        return self.title.replace("head", name_method(att.method).noun)


@dataclass(frozen=True)
class Subject:
    """What a figure is drawn of: an attention, and what some figures need beside it.

    `image` is the picture that the model saw; `maps` are the maps of all heads, if they are computed already. `notes`
    is what a picture says of the view that `att` is (viz/shade.py), which may be one map of several heads.
    """

    att: Attention
    image: UInt8[np.ndarray, "row column 3"] | None = None
    maps: HeadMaps | None = None
    notes: tuple[str, ...] = ()
    is_combined: bool = False


class Figure(ABC, Generic[View]):
    """One kind of picture. `view` returns its tidy data, from which every `to_` method draws the same picture.

    `view` applies words, hidden tokens and combined heads; a figure implements `make_view`, which gets the result.
    """

    name: str
    """The figure's name in `viz.export`, on the command line and in provenance."""
    help: str
    """What it shows, in one line, for the command line."""
    offers: tuple[Offer, ...]
    """The entries of the export popover."""
    formats: tuple[str, ...] = PICTURES
    options: tuple[str, ...] = ()
    """The fields of `DrawOptions` that change the picture."""
    token_help: str = ""
    """What an isolated token means, for the command line; empty where it changes nothing."""
    takes_region: bool = False
    reads: tuple[str, ...] = ("text", "image", "audio")
    """What the model may have read, by the names of the command line."""
    needs: str = ""
    """What the model must have read, one of `reads`, "" if anything will do."""
    one_head: bool = True
    """Whether the figure shows exactly one head, which then has to be given."""
    shows_all_maps: bool = False
    """Whether the figure needs the maps of all heads."""
    combines: bool = True
    """Whether the figure shows the mean or the maximum of several heads as one map."""
    overlays: bool = False
    """Whether the figure shows several chosen heads, each by itself."""
    has_notes: bool = True
    """Whether the figure says which share of the attention dimmed and hidden tokens get."""
    shows_tokens: bool = True
    """Whether tokens are written in the figure, so that fonts have to be found for them."""
    opens_instrument: bool = False
    """Whether the HTML of the figure is the whole instrument, opened on what the figure shows."""
    has_buttons: bool = False
    """Whether a chart of the figure has Plotly's buttons for zooming."""

    def fits(self, subject: Subject) -> bool:
        """Return whether the figure can be drawn of this subject."""
        return True

    def check_heads(self, selection: Selection) -> None:
        """Check that the given layer and heads are what the figure needs.

        Raises:
            BadSelection: one of them is missing.
        """
        check_combination(selection)
        if (selection.layer is None or selection.head is None) and not (self.combines and is_combined(selection)):
            raise BadSelection(f"A {self.name} shows one head: give a layer and a head.")

    def view(self, subject: Subject, selection: Selection, options: DrawOptions) -> View:
        """Return the tidy data of the picture, the same for every renderer.

        Raises:
            BadSelection: no such layer, head, token or region, or the subject does not fit.
        """
        return self.make_view(*self.apply(subject, selection, options), options)

    def apply(self, subject: Subject, selection: Selection, options: DrawOptions) -> tuple[Subject, Selection]:
        """Return words, hidden tokens and combined heads as the subject, and the selection in it.

        Raises:
            BadSelection: a chosen head does not exist.
        """
        if not self.combines:
            selection = replace(selection, combine="overlay")
        att, within = view_of(subject.att, selection, options)
        notes = view_notes(subject.att, self._counted(selection), options) if self.has_notes else ()
        maps = subject.maps if att is subject.att else None
        return Subject(att, subject.image, maps, notes, is_combined(selection)), within

    def _counted(self, selection: Selection) -> Selection:
        """Return the heads of which the shares of dimmed and hidden tokens are stated."""
        return selection

    def make_view(self, subject: Subject, selection: Selection, options: DrawOptions) -> View:
        """Return the tidy data of what `view` has applied.

        Raises:
            BadSelection: no such layer, head, token or region, or the subject does not fit.
        """
        raise NotImplementedError

    def to_plotly(self, view: View, options: DrawOptions) -> go.Figure:
        """Return the picture as an interactive figure."""
        raise NotImplementedError

    def to_figure(self, subject: Subject, selection: Selection, options: DrawOptions | None) -> go.Figure:
        """Return the view of a subject as an interactive figure.

        Raises:
            BadSelection: no such layer, head, token or region, or one that is needed is missing.
        """
        options = options or DrawOptions()
        self.check_heads(selection)
        return self.to_plotly(self.view(subject, selection, options), options)

    def to_paper(self, view: View, options: DrawOptions, width: float | None = None) -> PaperFigure:
        """Return the picture for paper, `width` inches wide if it is given; the caller saves it (viz/files/export.py).

        Raises:
            CannotExport: the width has no room for the picture.
        """
        raise NotImplementedError

    def to_wire(self, view: View, options: DrawOptions) -> bytes:
        """Return the bytes of the chart in an HTML file."""
        return pack_chart(self.to_plotly(view, options), self.heading(view), buttons=self.has_buttons)

    def heading(self, view: View) -> str:
        """Return what the picture is called, as text."""
        raise NotImplementedError

    def transformations(self, view: View) -> dict[str, Any]:
        """Return what was drawn beside the options: token, region, pooling; as JSON can hold it."""
        return {}

    def contents(self, subject: Subject, selection: Selection, options: DrawOptions) -> str:
        """Return one sentence that says which part of the attention an export contains.

        Raises:
            BadSelection: no such region or token.
        """
        subject, selection = self.apply(subject, selection, options)
        return region_contents(subject.att, selection.region_in(subject.att), name_heads(subject.att, selection))


def check_combination(selection: Selection) -> None:
    """Check that a mean or a maximum has heads.

    Raises:
        BadSelection: no heads are chosen.
    """
    if selection.combine != "overlay" and not selection.chosen:
        raise BadSelection(f"A {selection.combine} needs several heads: name them, as heads=5 (a layer) or heads=all.")


def name_heads(att: Attention, selection: Selection) -> str:
    """Return the head of a selection within a sentence: "layer 2, head 5", or "mean of layer 2"."""
    name = att.head_name(*selection.of_one_head())
    return name[:1].lower() + name[1:]


def region_contents(att: Attention, region: Region, heads: str) -> str:
    """Return the sentence that says which pairs of which heads an export contains."""
    part = "every pair" if region == Region.whole(att) else f"{region.describe()} alone"
    return f"It contains {part}: {len(region.queries):,} x {len(region.keys):,} pairs of {heads}."


def region_facts(region: Region, whole: bool) -> dict[str, Any]:
    """Return the region as provenance names it, nothing for a whole head."""
    return {} if whole else {"region": str(region)}


def pooling(block: tuple[int, int]) -> str:
    """Return the pooling as provenance names it."""
    return f"block maxima of {block[0]} x {block[1]} pairs"
