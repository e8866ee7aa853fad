"""The instrument on the page: its message, and what the browser reports of the selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from analysis.maps import METHODS
from analysis.selection import Region, Selection
from models import Attention
from ui.components.instrument import instrument
from ui.services.attention_cache import maps_of, request_maps
from ui.services.instrument_traces import name_of
from ui.services.visitor import visitor
from ui.state.inspect import INSPECT
from viz.wire.instrument import Opening, Sentence, is_small, trace_message
from viz.wire.tiles import make_tile

# Seconds that a page waits for the thumbnails of a long text. The browser asks for the rest.
MAPS_TIMEOUT_SECONDS = 0.3


def show_instrument(
    att: Attention, sentences: Sequence[Sentence] = (), *, file: str = "", is_derived: bool = False
) -> None:
    """Show the linked pictures of an attention, which is one of several `sentences` or stands alone.

    `file` is the name of the file that it was loaded from, if no model of this page made it. `is_derived` says that
    the page made the map by the chosen method.

    The message is the same in every run until another trace or another opening comes, so that Streamlit does not send
    it again.
    """
    opening, name = INSPECT.opening(), name_of(att, visitor())
    instrument(_message(att, opening, name, sentences, file, is_derived), INSPECT.receive)


def _message(
    att: Attention, opening: Opening, name: str, sentences: Sequence[Sentence], file: str, is_derived: bool
) -> bytes:
    choice = INSPECT.current()
    # A folder has a longer name than its source.
    model = "" if file else choice.model
    goal = choice.goal if is_derived and METHODS[choice.show].has_target else ""
    given: dict[str, Any] = {"trace": name, "sentences": sentences, "model": model, "file": file, "goal": goal}
    given |= {"show": choice.show if is_derived else "attention"}
    if is_small(att):
        return trace_message(att, opening, **given)
    n_layers, selection = _sent_with(att, opening, name)
    layer, head = selection.of_one_head()
    region = selection.region or Region.whole(att)
    # The heatmap shows the region, the token graph and the strip a readable part of it.
    regions = dict.fromkeys((region, region.readable_part(att, selection.token)))
    tiles = [make_tile(att, layer, head, each) for each in regions]
    maps = maps_of(att).first_layers(n_layers)
    return trace_message(att, opening, maps=maps, tiles=tiles, **given)


def _sent_with(att: Attention, opening: Opening, name: str) -> tuple[int, Selection]:
    """Return how many layers of thumbnails and which selection's tiles come with a message.

    They are the same in every run of an opening, although more layers are known later and the visitor selects others.
    """
    sent = st.session_state.get("instrument sent")
    if sent is None or sent[0] != (name, opening.id):
        job = request_maps(att, name)
        job.wait(MAPS_TIMEOUT_SECONDS)
        selection, _ = INSPECT.current().selection().fit(att)
        sent = ((name, opening.id), (maps_of(att).n_done, selection))
        st.session_state["instrument sent"] = sent
    return sent[1]
