"""All heads: at once where they are computed quickly, else layer by layer, with progress and a way to stop."""

from __future__ import annotations

from collections.abc import Callable
from weakref import ref

import streamlit as st

from models import Attention
from ui.caches import maps_job, maps_of
from ui.components import head_grid
from ui.runs import progress_bar, visitor
from ui.state import choose
from viz import Look
from viz.grid import pack_grid
from viz.maps import HeadMaps

# So long the rest of the page waits for the maps; they are a tenth of a second for most texts.
PATIENCE = 1.0
LOOK_SECONDS = 1.5


def overview(att: Attention, selected: tuple[int, int], look: Look) -> None:
    """Show the maps of all heads, complete or as far as they are; a click or the arrow keys choose a head."""
    st.markdown("## All heads")
    maps = maps_of(att)
    if not maps.complete and not _stopped(att):
        job = maps_job(att, visitor())
        if not job.wait(PATIENCE):
            _growing(att, selected, look)
            return
        job.result()
    _grid(att, maps, selected, look, _pick)
    if not maps.complete:
        st.button("Go on", key="go on", on_click=_go_on)


@st.fragment(run_every=LOOK_SECONDS)
def _growing(att: Attention, selected: tuple[int, int], look: Look) -> None:
    job = maps_job(att, visitor())
    if job.finished or _stopped(att):
        st.rerun()
    _grid(att, maps_of(att), selected, look, _pick_anew)
    with st.container(horizontal=True, vertical_alignment="center"):
        progress_bar(job, "Looking at all heads", "layer")
        st.button("Stop", key="stop maps", on_click=_stop, args=(att,))


def _stopped(att: Attention) -> bool:
    stopped = st.session_state.get("maps stopped")
    return stopped is not None and stopped() is att


def _stop(att: Attention) -> None:
    maps_job(att, visitor()).leave(visitor())
    # No strong reference: a session must not hold the traces that it has seen.
    st.session_state["maps stopped"] = ref(att)


def _go_on() -> None:
    st.session_state["maps stopped"] = None


def _grid(
    att: Attention, maps: HeadMaps, selected: tuple[int, int], look: Look, pick: Callable[[int, int], None]
) -> None:
    # What will be replaced soon is sent at a third of the resolution.
    packed = pack_grid(att, look, maps=maps if maps.complete else maps.coarse())
    head_grid(packed, selected, pick)


def _pick(layer: int, head: int) -> None:
    choose(layer=layer, head=head)


def _pick_anew(layer: int, head: int) -> None:
    """Choose a head in the growing grid: that part may be gone when the choice arrives, so the whole page runs."""
    _pick(layer, head)
    st.rerun()
