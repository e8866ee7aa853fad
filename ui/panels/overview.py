"""The maps of all heads: at once if they are computed quickly, else layer by layer, with progress and Stop."""

from __future__ import annotations

from weakref import ref

import streamlit as st

from analysis.selection import Selection
from models import Attention
from ui.components import head_grid
from ui.messages import describe_error, escape_markdown, guarded
from ui.panels.trace_request import show_progress_bar
from ui.services.attention_cache import maps_of, request_maps
from ui.services.visitor import visitor
from ui.state.inspect import INSPECT
from viz import DrawOptions
from viz.figures.base import Subject
from viz.figures.grid import Grid
from viz.head_maps import HeadMaps

# Seconds the page blocks on the maps before switching to incremental updates; most texts take a tenth of a second.
MAPS_TIMEOUT_SECONDS = 1.0
LOOK_SECONDS = 1.5


def overview(att: Attention, selected: tuple[int, int], options: DrawOptions) -> None:
    """Show the maps of all heads, or those computed so far; a click or the arrow keys choose a head."""
    st.markdown("## All heads")
    maps = maps_of(att)
    if not maps.complete and not _stopped(att):
        job = request_maps(att, visitor())
        # The job may have been cancelled a moment ago: then the next run starts a new one that resumes.
        if not job.wait(MAPS_TIMEOUT_SECONDS) or job.stopped:
            _growing(att, selected, options)
            return
        try:
            job.result()
        except BaseException as error:
            st.error(escape_markdown(describe_error(error, "looking at all heads")), icon=":material/error:")
    _grid(att, maps, selected, options)
    if _stopped(att) and not maps.complete:
        st.button("Go on", key="go on", on_click=_go_on)


@st.fragment(run_every=LOOK_SECONDS)
@guarded
def _growing(att: Attention, selected: tuple[int, int], options: DrawOptions) -> None:
    job, choice = request_maps(att, visitor()), INSPECT.current()
    if job.finished or _stopped(att) or (choice.layer, choice.head) != selected:
        # All maps are complete, or another head was chosen here: the rest of the page has to follow.
        st.rerun()
    _grid(att, maps_of(att), selected, options)
    with st.container(horizontal=True, vertical_alignment="center"):
        show_progress_bar(job, "Looking at all heads", "layer")
        st.button("Stop", key="stop maps", on_click=_stop, args=(att,))


def _stopped(att: Attention) -> bool:
    stopped = st.session_state.get("maps stopped")
    return stopped is not None and stopped() is att


def _stop(att: Attention) -> None:
    request_maps(att, visitor()).leave(visitor())
    # No strong reference: a session must not keep the traces that it has shown in memory.
    st.session_state["maps stopped"] = ref(att)


def _go_on() -> None:
    st.session_state["maps stopped"] = None


def _grid(att: Attention, maps: HeadMaps, selected: tuple[int, int], options: DrawOptions) -> None:
    # Maps that will be replaced soon are sent at a third of the resolution.
    figure, subject = Grid(), Subject(att, maps=maps if maps.complete else maps.coarse())
    packed = figure.to_wire(figure.view(subject, Selection(), options), options)
    head_grid(packed, selected, _pick)


def _pick(layer: int, head: int) -> None:
    INSPECT.update(layer=layer, head=head)
