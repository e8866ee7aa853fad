"""The weights of one head, of the heads of a layer, or of all; viz/files/tables.py writes them as CSV and NPZ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.selection import Region, Selection
from models import Attention
from models.errors import BadSelection
from models.method_names import name_method
from viz.figures.base import (
    Figure,
    Offer,
    Subject,
    check_combination,
    name_heads,
    region_contents,
    region_facts,
)
from viz.formats import TABLES
from viz.options import DrawOptions


@dataclass(frozen=True)
class TableView:
    """The pairs of a region, of the heads as (layer, head). The weights are read when the table is written.

    Pairs of hidden tokens are left out.
    """

    att: Attention
    heads: tuple[tuple[int, int], ...]
    region: Region
    is_combined: bool = False

    @property
    def queries(self) -> list[int]:
        """The positions of the region's queries that are not hidden."""
        return [query for query in self.region.queries if query not in self.att.hidden_queries]

    @property
    def keys(self) -> list[int]:
        """The positions of the region's keys that are not hidden."""
        return [key for key in self.region.keys if key not in self.att.hidden_keys]

    @property
    def named_heads(self) -> list[tuple[int, int]]:
        """(layer, head) as files write them: -1, -1 for one map of several heads, which provenance names."""
        return [(-1, -1)] if self.is_combined else [self.att.head_number(*head) for head in self.heads]

    @property
    def n_rows(self) -> int:
        """How many rows the table has, one for each pair of each head."""
        return len(self.heads) * len(self.queries) * len(self.keys)


def table_view(att: Attention, selection: Selection, is_combined: bool = False) -> TableView:
    """Return the pairs of the selected heads: one, several, those of a layer, or all.

    Raises:
        BadSelection: no such layer, head or region, or a head without its layer.
    """
    layer, head = selection.layer, selection.head
    _check_layer(layer, head)
    heads = selection.chosen.expand(att)
    if not heads:
        layers = range(att.n_layers) if layer is None else [layer]
        heads = tuple((row, column) for row in layers for column in (selection.heads or range(att.heads_in(row))))
    return TableView(att, heads, selection.region_in(att), is_combined)


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
    has_notes = False
    overlays = True

    def check_heads(self, selection: Selection) -> None:
        """Check that a head has its layer."""
        check_combination(selection)
        _check_layer(selection.layer, selection.head)

    def make_view(self, subject: Subject, selection: Selection, options: DrawOptions) -> TableView:
        """Return the pairs of the selected heads."""
        return table_view(subject.att, selection, subject.is_combined)

    def transformations(self, view: TableView) -> dict[str, Any]:
        """Return the region, and what became of hidden pairs."""
        hidden = {"hidden pairs": "left out"} if view.att.hidden_keys or view.att.hidden_queries else {}
        return {**region_facts(view.region, view.region == Region.whole(view.att)), **hidden}

    def contents(self, subject: Subject, selection: Selection, options: DrawOptions) -> str:
        """Return which pairs of which heads there are."""
        view = self.view(subject, selection, options)
        within = self.apply(subject, selection, options)[1]
        if within.chosen:
            heads = within.chosen.describe(view.att)
        else:
            one, noun = len(view.heads) == 1, name_method(view.att.method).noun
            heads = name_heads(view.att, within) if one else f"all {len(view.heads)} {noun}s"
        return region_contents(view.att, view.region, heads)
