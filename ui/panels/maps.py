"""Which map the page shows: the attention, or one of the methods that are made of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import streamlit as st

from analysis.maps import METHODS, Method, targets_of
from models import Attention, AttentionTrace, Model
from models.capture.cost import Estimate
from ui.messages import describe_error, escape_markdown, guarded
from ui.panels.trace_file import Shown, shorten
from ui.panels.trace_request import UPDATE_SECONDS, build_request, show_progress_bar
from ui.services.jobs import Job
from ui.services.maps import MapRequest, maps
from ui.services.settings import ask_seconds
from ui.services.visitor import visitor
from ui.state.inspect import INSPECT

ATTENTION = "attention"
# Most maps are made within this time. After it the page shows the attention, and offers Stop.
QUICK_SECONDS = 1.0
OWN_ANSWER = "Of the model's own answer"
LONGEST_GOAL = 60
ONE_TEXT = "Heads for a pair are ranked over this text alone."
_INSTEAD = "The attention is shown instead."
_UNTIL = "the pictures show the attention until it is there"


def choose_method() -> None:
    """Show the methods."""
    st.selectbox(
        "Show",
        tuple(METHODS),
        **INSPECT.widget_args("show"),
        format_func=lambda name: METHODS[name].title,
        width=215,
    )


def derived_map(shown: Shown, trace: AttentionTrace, att: Attention) -> Attention:
    """Say what the chosen method is, and return its map; the attention while there is none, with a sentence why."""
    choice = INSPECT.current()
    method = METHODS[choice.show]
    # The attention has this row too: the page must not jump when another map is chosen.
    with st.container(key="map-row", horizontal=True, vertical_alignment="center", gap="small"):
        about = st.empty()
        _explain(method)
        if method.has_target and shown.model is not None:
            _choose_target(trace)
    if method.name == ATTENTION:
        about.caption(escape_markdown(f"{method.shows} {method.hides}"))
        return att
    try:
        found = _find(method, shown.model, att)
    except BaseException as error:
        st.info(escape_markdown(f"{describe_error(error, 'showing the map')} {_INSTEAD}"), icon=":material/info:")
        found = None
    # What the trace says of itself stands elsewhere on the page.
    own = [] if found is None else [notice for notice in found.notices if notice not in att.notices]
    sentences = [method.shows, method.hides, *own]
    about.caption(escape_markdown(" ".join([*sentences, *([ONE_TEXT] if choice.lines else [])])))
    return att if found is None else found


def _explain(method: Method) -> None:
    """Show the equation of a method and its paper, in a popover."""
    with st.popover("Equation", icon=":material/function:", type="tertiary", key="map equation"):
        st.latex(method.equation)
        paper = method.paper
        st.markdown(f"{escape_markdown(str(paper))}: [{escape_markdown(paper.title)}]({paper.link}).")


def _choose_target(trace: AttentionTrace) -> None:
    """Show what the gradient is of."""
    titles = {"": OWN_ANSWER, **dict(targets_of(trace))}
    goal = INSPECT.current().goal
    titles.setdefault(goal, shorten(goal, LONGEST_GOAL))  # a link may name another one
    st.selectbox(
        "What the gradient is of",
        tuple(titles),
        **INSPECT.widget_args("goal", labels=titles.items()),
        format_func=lambda target: titles.get(target, target),
        label_visibility="collapsed",
        width=260,
    )


def _find(method: Method, model: Model | None, att: Attention) -> Attention | None:
    """Return the map of an attention; None while it is made, or until the visitor starts it.

    Raises:
        HeadlightError: the method does not fit, or the map would take more than this server allows.
    """
    request = _request(method, model, att)
    job = maps().find(request.key)
    if job is None:
        refusal = request.refusal()
        if refusal:
            st.info(escape_markdown(f"{refusal} {_INSTEAD}"), icon=":material/info:")
            return None
        estimate = request.estimate()
        if not _may_start(request, estimate):
            return None
        job = maps().find_or_start(request.key, lambda: request.start(estimate), visitor())
        with st.spinner(f"{method.title} …"):
            job.wait(QUICK_SECONDS)
    if not job.finished:
        _show_job(request.key, job, method.title)
        return None
    st.session_state.pop("map started", None)
    try:
        return job.result()
    except BaseException:
        maps().forget(request.key)  # another try may succeed
        raise


def _request(method: Method, model: Model | None, att: Attention) -> MapRequest:
    """Return the request for a map.

    Raises:
        HeadlightError: what the model read cannot be read again.
    """
    target = INSPECT.current().goal if method.has_target else ""
    if not method.needs_model or model is None:
        return MapRequest(method.name, att, target=target)
    # While another text is traced, the page shows the trace before: the map is made of what that was made of.
    shown, wanted = st.session_state.get("shown"), build_request(model)
    inputs = (wanted if shown is None or shown.model != wanted.model else shown).given()
    return MapRequest(method.name, att, model, inputs | _changes(att), target)


def _changes(att: Attention) -> dict[str, Any]:
    """Return what was changed in the pass of an attention, as arguments of `Model.trace`."""
    source = asdict(att.source)
    heads = {(kind, layer, head): how for kind, layer, head, how in source.get("ablate", ())}
    masked = list(source.get("mask_tokens", ()))
    return {**({"ablate": heads} if heads else {}), **({"mask_tokens": masked} if masked else {})}


def _may_start(request: MapRequest, estimate: Estimate) -> bool:
    """Return whether a map starts now; a long one is offered with a button that starts it."""
    session = st.session_state
    stopped = session.get("map stopped") == request.key
    if (estimate.seconds <= ask_seconds() and not stopped) or session.get("map started") == request.key:
        return True
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        method = METHODS[request.method]
        begin = "Stopped. " if stopped else ""
        st.markdown(f"{begin}{method.title} takes long here ({estimate}). {_INSTEAD} Start it, or {method.remedy}.")
        st.button("Start", key="start map", type="primary", on_click=_start, args=(request.key,))
    return False


def _start(key: tuple[int, str, str]) -> None:
    st.session_state["map started"] = key
    st.session_state.pop("map stopped", None)


def _stop(key: tuple[int, str, str], job: Job[Attention]) -> None:
    job.leave(visitor())
    st.session_state["map stopped"] = key
    st.session_state.pop("map started", None)


@st.fragment(run_every=UPDATE_SECONDS)
@guarded
def _show_job(key: tuple[int, str, str], job: Job[Attention], title: str) -> None:
    """Show the progress of a map with a Stop button; rerun the page when it has ended."""
    if job.finished or st.session_state.get("map stopped") == key:
        st.rerun()
    job.watch(visitor())
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        show_progress_bar(job, f"{title} ({_UNTIL})", "part")
        st.button("Stop", key="stop map", on_click=_stop, args=(key, job))
