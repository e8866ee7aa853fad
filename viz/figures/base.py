"""What every figure is: one class that declares what it takes and draws its view for each renderer.

A new figure is one file with a subclass of `Figure`, and one entry in viz/figures/registry.py. Exports, provenance, the
command line and the export popover of the page read what the class declares.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import plotly.graph_objects as go
from jaxtyping import UInt8
from matplotlib.figure import Figure as PaperFigure

from analysis.selection import Region, Selection
from models import Attention
from models.errors import BadSelection
from viz.formats import PICTURES
from viz.head_maps import HeadMaps
from viz.options import DrawOptions
from viz.wire.packing import pack_chart

View = TypeVar("View")


class Offer(NamedTuple):
    """An entry of the export popover: its title, and whether it means all heads instead of the chosen one."""

    title: str
    all_heads: bool = False


@dataclass(frozen=True)
class Subject:
    """What a figure is drawn of: an attention, and what some figures need beside it.

    `image` is the picture that the model saw; `maps` are the maps of all heads, if they are computed already.
    """

    att: Attention
    image: UInt8[np.ndarray, "row column 3"] | None = None
    maps: HeadMaps | None = None


class Figure(ABC, Generic[View]):
    """One kind of picture. `view` returns its tidy data, from which every `to_` method draws the same picture."""

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
    takes_text: bool = True
    takes_image: bool = True
    one_head: bool = True
    """Whether the figure shows exactly one head, which then has to be given."""
    shows_all_maps: bool = False
    """Whether the figure needs the maps of all heads."""
    shows_tokens: bool = True
    """Whether tokens are written in the figure, so that fonts have to be found for them."""
    opens_instrument: bool = False
    """Whether the HTML of the figure is the whole instrument, opened on what the figure shows."""
    has_buttons: bool = False
    """Whether a chart of the figure has Plotly's buttons for zooming."""

    def fits(self, subject: Subject) -> bool:
        """Return whether the figure can be drawn of this subject."""
        return True

    def check_heads(self, layer: int | None, head: int | None) -> None:
        """Check that the given layer and head are what the figure needs.

        Raises:
            BadSelection: one of them is missing.
        """
        if layer is None or head is None:
            raise BadSelection(f"A {self.name} shows one head: give a layer and a head.")

    @abstractmethod
    def view(self, subject: Subject, selection: Selection, options: DrawOptions) -> View:
        """Return the tidy data of the picture, the same for every renderer.

        Raises:
            BadSelection: no such layer, head, token or region, or the subject does not fit.
        """

    def to_plotly(self, view: View, options: DrawOptions) -> go.Figure:
        """Return the picture as an interactive figure."""
        raise NotImplementedError

    def to_paper(self, view: View, options: DrawOptions) -> PaperFigure:
        """Return the picture for paper; the caller saves it (viz/files/export.py)."""
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

    def contents(self, subject: Subject, selection: Selection) -> str:
        """Return one sentence that says which part of the attention an export contains.

        Raises:
            BadSelection: no such region or token.
        """
        layer, head = selection.of_one_head()
        return region_contents(subject.att, selection.region_in(subject.att), f"layer {layer}, head {head}")


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
