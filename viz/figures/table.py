"""The weights of one head, of the heads of a layer, or of all; viz/files/tables.py writes them as CSV and NPZ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.selection import Region, Selection
from models import Attention
from models.errors import BadSelection
from viz.figures.base import Figure, Offer, Subject, region_contents, region_facts
from viz.formats import TABLES
from viz.options import DrawOptions


@dataclass(frozen=True)
class TableView:
    """The pairs of a region, of the heads as (layer, head). The weights are read when the table is written."""

    att: Attention
    heads: tuple[tuple[int, int], ...]
    region: Region

    @property
    def n_rows(self) -> int:
        """How many rows the table has, one for each pair of each head."""
        return len(self.heads) * len(self.region.queries) * len(self.region.keys)


def table_view(att: Attention, selection: Selection) -> TableView:
    """Return the pairs of the selected heads: one, those of a layer, or all.

    Raises:
        BadSelection: no such layer, head or region, or a head without its layer.
    """
    layer, head = selection.layer, selection.head
    _check_layer(layer, head)
    layers = range(att.n_layers) if layer is None else [layer]
    heads = tuple((row, column) for row in layers for column in (selection.heads or range(att.heads_in(row))))
    return TableView(att, heads, selection.region_in(att))


def _check_layer(layer: int | None, head: int | None) -> None:
    if layer is None and head is not None:
        raise BadSelection("A table of one head needs its layer too: give both, or neither for all heads.")


class Table(Figure[TableView]):
    """The weights as rows."""

    name = "table"
    help = "weights of one head, of a layer, or of all"
    offers = (Offer("Weights of the chosen head"), Offer("Weights of all heads", all_heads=True))
    formats = TABLES
    takes_region = True
    one_head = False

    def check_heads(self, layer: int | None, head: int | None) -> None:
        """Check that a head has its layer."""
        _check_layer(layer, head)

    def view(self, subject: Subject, selection: Selection, options: DrawOptions) -> TableView:
        """Return the pairs of the selected heads."""
        return table_view(subject.att, selection)

    def transformations(self, view: TableView) -> dict[str, Any]:
        """Return the region."""
        return region_facts(view.region, view.region == Region.whole(view.att))

    def contents(self, subject: Subject, selection: Selection) -> str:
        """Return which pairs of which heads there are."""
        view = table_view(subject.att, selection)
        one = len(view.heads) == 1
        heads = f"layer {view.heads[0][0]}, head {view.heads[0][1]}" if one else f"all {len(view.heads)} heads"
        return region_contents(subject.att, view.region, heads)
