"""The region of a long head that is shown: chosen by a box in the heatmap, or by numbers."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from analysis.selection import READABLE, Region, TokenRef
from models import Attention
from ui.state.inspect import INSPECT, Choice

_SIDES = (("queries", "query"), ("keys", "key"))


def region_controls(att: Attention, choice: Choice) -> None:
    """Offer the region as numbers, and the way back to the whole head."""
    name = f"Region {choice.region}" if choice.region else "Region"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        popover = st.popover(name, icon=":material/crop:", key="region popover", on_change="rerun")
        if choice.region:
            st.button("Whole head", key="whole head", on_click=_open, args=(att, Region.whole(att)), type="tertiary")
        st.caption(_hint(att, choice))
    if not popover.open:
        return  # a head switch must not wait for what nobody sees
    with popover, st.form("region form", border=False):
        region = choice.selection().region_in(att)
        for (side, singular), span in zip(_SIDES, (region.queries, region.keys), strict=True):
            last = (att.n_query if side == "queries" else att.n_key) - 1
            first, second = st.columns(2)
            # A key of its own for every region: a box drawn in the heatmap renews the numbers.
            options: dict[str, Any] = {"min_value": 0, "max_value": last, "step": 1}
            first.number_input(f"First {singular}", value=span.start, key=_key(choice, side, "first"), **options)
            second.number_input(f"Last {singular}", value=span.stop - 1, key=_key(choice, side, "last"), **options)
        st.form_submit_button("Open region", on_click=_open_numbers, args=(att, choice))
        st.caption(f"Up to {READABLE} x {READABLE} pairs are shown one by one, more as block maxima.")


def _hint(att: Attention, choice: Choice) -> str:
    region = choice.selection().region_in(att)
    if not region.exact:
        return "Draw a box in the heatmap, or give the numbers, to open a part of it pair by pair."
    return f"Of {att.n_query:,} queries and {att.n_key:,} keys." if choice.region else ""


def _key(choice: Choice, side: str, end: str) -> str:
    return f"region {choice.region} {side} {end}"


def _open_numbers(att: Attention, choice: Choice) -> None:
    spans = []
    for side, _ in _SIDES:
        first, last = (int(st.session_state[_key(choice, side, end)]) for end in ("first", "last"))
        spans.append(range(min(first, last), max(first, last) + 1))
    _open(att, Region(*spans))


def open_box(att: Attention, x: list[float], y: list[float]) -> None:
    """Open the box that was drawn in the heatmap, from its ends in positions."""
    _open(att, Region(_touched(y, att.n_query), _touched(x, att.n_key)))


def _touched(ends: list[float], count: int) -> range:
    """Return the positions whose cells a side of the box touches; a position's cell ends half-way to the next."""
    first, last = (min(max(math.floor(end + 0.5), 0), count - 1) for end in sorted(ends))
    return range(first, last + 1)


def _open(att: Attention, region: Region) -> None:
    """Make a region the session's; a token that is isolated elsewhere is let go.

    A region of another text than the session's is dropped: a visitor may type a text and at once draw in the old
    picture.
    """
    if att.source.text and att.source.text != INSPECT.current().text:
        return
    INSPECT.update(region="" if region == Region.whole(att) else str(region))
    token = INSPECT.current().token
    if token and TokenRef.parse(token) not in region:
        INSPECT.update(token="")
