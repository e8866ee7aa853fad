"""From a text to its trace on the page: at once where it is short, else asked for, watched and stopped."""

from __future__ import annotations

from uuid import uuid4

import streamlit as st

from models import AttentionTrace, Model
from models.capture.cost import Estimate, readable_seconds
from ui.panels.picture_input import chosen_picture
from ui.services.caches import Request, loaded_as, readings, traces
from ui.services.jobs import Job
from ui.services.settings import ask_seconds
from ui.state.inspect import INSPECT

# Between two looks at a job: quicker would only move the bar in smaller steps.
LOOK_SECONDS = 0.6
# So many characters take a tenth of a second to read.
LONG_TEXT = 100_000
# Longer texts are read while the page waits this long, then with a way to stop.
READING_SECONDS = 1.0
_OLD = "The pictures below still show what was inspected before."


def visitor() -> str:
    """Return who is looking: one name for each session."""
    return st.session_state.setdefault("visitor", uuid4().hex)


def request(model: Model) -> Request:
    """Return what the visitor has chosen to trace.

    Raises:
        BadPicture: the visitor's picture cannot be read, in one sentence.
    """
    choice = INSPECT.current()
    if model.card.modality == "image":
        image, name = chosen_picture(model)
        return Request(loaded_as(model), picture=name, image=image)
    generate = choice.generate if model.card.writes else 0
    # A target stays with the visitor for the next encoder-decoder; no other model reads one.
    target = choice.target if "cross" in model.card.kinds else ""
    return Request(loaded_as(model), choice.text, choice.pair, target, generate)


def trace(model: Model) -> AttentionTrace | None:
    """Return the trace of the chosen text; while there is none, say why and return the one before, if any.

    Raises:
        HeadlightError: why it cannot be traced, in one sentence.
    """
    wanted, session = request(model), st.session_state
    _leave_others(wanted)
    job = traces().find(wanted)
    if job is None or (session.get("stopped") == wanted and not job.finished):
        estimate = _estimate(model, wanted)
        if estimate is None:
            return _before()
        long = estimate.seconds > ask_seconds() or session.get("stopped") == wanted
        if long and session.get("started") != wanted:
            _ask(wanted, f"This is a long run: {estimate}.")
            return _before()
        job = traces().ask(wanted, lambda: wanted.start(model, estimate), visitor())
        with st.spinner("Tracing …"):
            job.wait(0 if long else max(ask_seconds(), 1.0))
    if not job.finished:
        session.started = wanted
        _watch(wanted, job, "Tracing")
        return _before()
    session.pop("started", None)
    try:
        result = job.result()
    except BaseException:
        traces().forget(wanted)  # another try may succeed
        raise
    session.shown = wanted
    return result


def _estimate(model: Model, wanted: Request) -> Estimate | None:
    """Return what the trace takes; None while a long text is cut into tokens, or where that was stopped.

    Raises:
        HeadlightError: the text cannot be read, or would take more than the budget, in one sentence.
    """
    n_characters = sum(map(len, (wanted.text, wanted.pair, wanted.target)))
    if n_characters < LONG_TEXT:
        return wanted.estimate(model)
    shown = f"{n_characters / 1e6:.1f} million" if n_characters >= 10**6 else f"{n_characters:,}"
    job = readings().find(wanted)
    if (job is None or not job.finished) and st.session_state.get("stopped") == wanted:
        _ask(wanted, f"This text has {shown} characters.")
        return None
    job = readings().ask(wanted, lambda: Job(lambda progress: wanted.estimate(model)), visitor())
    with st.spinner(f"Reading {shown} characters …"):
        job.wait(READING_SECONDS)
    if not job.finished:
        _watch(wanted, job, f"Reading {shown} characters")
        return None
    if job.failed:
        readings().forget(wanted)  # another try may succeed
    return job.result()


def _leave_others(wanted: Request) -> None:
    """Let go of a run that this visitor no longer waits for."""
    started = st.session_state.get("started")
    if started and started != wanted:
        job = traces().find(started)
        if job is not None and not job.finished:
            job.leave(visitor())
        st.session_state.pop("started")


def _before() -> AttentionTrace | None:
    """Return what was shown last, while it is in memory."""
    shown = st.session_state.get("shown")
    job = traces().find(shown) if shown else None
    if job is None or not job.finished:
        return None
    st.caption(_OLD)
    return job.result()


def _ask(wanted: Request, why: str) -> None:
    """Say why a run does not start by itself, and let it be started."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        stopped = "Stopped. " if st.session_state.get("stopped") == wanted else ""
        st.markdown(f"{stopped}{why}")
        st.button("Start", key="start", type="primary", on_click=_start, args=(wanted,))


def _start(wanted: Request) -> None:
    st.session_state.started = wanted
    st.session_state.pop("stopped", None)


def _stop(wanted: Request, job: Job) -> None:
    job.leave(visitor())
    st.session_state.pop("started", None)
    st.session_state.stopped = wanted


@st.fragment(run_every=LOOK_SECONDS)
def _watch(wanted: Request, job: Job, doing: str) -> None:
    """Show how far a job is, and let it be stopped; its end reruns the page."""
    if job.finished or st.session_state.get("stopped") == wanted:
        st.rerun()
    job.watch(visitor())  # the last look may be a while ago
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        progress_bar(job, doing, "layer")
        st.button("Stop", key="stop", on_click=_stop, args=(wanted, job))


def progress_bar(job: Job, doing: str, unit: str) -> None:
    """Show how much of a job is done and how long the rest will take."""
    left = job.seconds_left
    rest = "" if left is None else f", about {readable_seconds(left)} left"
    counted = f": {unit} {job.done} of {job.total}" if job.total else " …"
    st.progress(job.done / job.total if job.total else 0.0, f"{doing}{counted}{rest}")
