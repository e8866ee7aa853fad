"""What a visitor chose on the page "Heads"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.measures import NUMBERS
from ui.services.head_numbers import REPEATED
from ui.state import link
from ui.state.inspect import INSPECT
from ui.state.kinds import on_off, one_of, string
from ui.state.link import Kind, param
from ui.state.page_state import PageState

LONGEST_QUERY = 300
MEASURES = (*NUMBERS, "sink", *REPEATED.values())
_HEAD = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}", re.ASCII)


def one_head() -> Kind:
    """Return the kind of a head such as "3.1", layer and head; "" is none."""

    def read(written: str, _: Any) -> str:
        if written and not _HEAD.fullmatch(written):
            raise ValueError(f"{written[:40]!r} names no head such as 3.1, layer and head")
        return written

    return Kind(read)


@dataclass(frozen=True, kw_only=True)
class HeadsChoice:
    """The choices of the page, beside what it reads, which is the choice of the Inspect page.

    `measure` colours the grid, `x` and `y` are the axes of the scatter, and `colour` is what its points and those of
    the map show. `find` is a query of analysis.measures, and `head` the selected head. A click on a head `opens` it on
    the Inspect page, or else selects it. `repeated` adds the measures on a repeated random sequence.
    """

    measure: str = param("entropy_bits", one_of(*MEASURES))
    spread: bool = param(False, on_off())
    x: str = param("entropy_bits", one_of(*MEASURES))
    y: str = param("previous", one_of(*MEASURES))
    colour: str = param("layer", one_of("layer", "pattern", *MEASURES))
    find: str = param("", string(LONGEST_QUERY), free=True, adds_history=True)
    head: str = param("", one_head())
    opens: bool = param(True, on_off())
    repeated: bool = param(False, on_off())

    @property
    def selected(self) -> tuple[int, int] | None:
        """Layer and head of the selected head, None if there is none."""
        layer, _, head = self.head.partition(".")
        return (int(layer), int(head)) if head else None


def parse(query: Mapping[str, str]) -> tuple[HeadsChoice, list[str]]:
    """Return what a link describes."""
    return link.parse(HeadsChoice, query)


HEADS = PageState("heads", "heads_", HeadsChoice, parse, INSPECT)
