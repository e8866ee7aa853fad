"""The instrument on the page: its message, and what the browser reports of the selection."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from analysis.selection import Region
from models import Attention
from ui.components.instrument import instrument
from ui.services.attention_cache import maps_of, request_maps
from ui.services.instrument_traces import name_of
from ui.services.visitor import visitor
from ui.state.inspect import INSPECT, opened_selection
from viz.wire.instrument import Opening, Sentence, is_small, trace_message
from viz.wire.tiles import make_tile

# Seconds that a page waits for the thumbnails of a long text. The browser asks for the rest.
MAPS_TIMEOUT_SECONDS = 0.3


def show_instrument(att: Attention, sentences: Sequence[Sentence] = ()) -> None:
    """Show the linked pictures of an attention, which is one of several `sentences` or stands alone.

    The message is the same in every run until another trace or another opening comes, so that Streamlit does not send
    it again.
    """
    opening, name = INSPECT.opening(), name_of(att, visitor())
    instrument(_message(att, opening, name, sentences), INSPECT.receive)


def _message(att: Attention, opening: Opening, name: str, sentences: Sequence[Sentence]) -> bytes:
    if is_small(att):
        return trace_message(att, opening, trace=name, sentences=sentences)
    maps = maps_of(att).first_layers(_n_layers_sent(att, opening, name))
    selection, _ = opened_selection(opening).fit(att)
    layer, head = selection.of_one_head()
    tile = make_tile(att, layer, head, selection.region or Region.whole(att))
    return trace_message(att, opening, trace=name, maps=maps, tiles=[tile], sentences=sentences)


def _n_layers_sent(att: Attention, opening: Opening, name: str) -> int:
    """Return how many layers of thumbnails come with the message; the same in every run of an opening."""
    sent = st.session_state.get("instrument sent")
    if sent is None or sent[:2] != (name, opening.id):
        job = request_maps(att, name)
        job.wait(MAPS_TIMEOUT_SECONDS)
        sent = (name, opening.id, maps_of(att).n_done)
        st.session_state["instrument sent"] = sent
    return sent[2]
