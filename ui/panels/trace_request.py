"""From a text to its trace on the page: a short run starts at once, a long one is confirmed, watched and stopped."""

from __future__ import annotations

import streamlit as st

from models import AttentionTrace, Model
from models.capture.cost import Estimate, readable_seconds
from ui.panels.conversation import reads_conversation, written_messages
from ui.panels.picture_input import chosen_picture
from ui.panels.sound_input import chosen_sound
from ui.services.jobs import Job
from ui.services.models import model_id
from ui.services.settings import ask_seconds
from ui.services.traces import TraceRequest, readings, traces
from ui.services.visitor import visitor
from ui.state.inspect import INSPECT

# Between two updates of the progress bar: a shorter time would only move the bar in smaller steps.
UPDATE_SECONDS = 0.6
# The tokenizer needs a tenth of a second for this many characters.
LONG_TEXT = 100_000
# How long the page waits for the tokenizer before it offers Stop.
READING_SECONDS = 1.0
_OLD_PICTURES = "The pictures below still show what was inspected before."


def build_request(model: Model) -> TraceRequest:
    """Return the request for what the visitor has chosen.

    Raises:
        BadPicture: the visitor's picture cannot be read, in one sentence.
    """
    choice = INSPECT.current()
    if model.card.modality == "image":
        image, name = chosen_picture(model)
        return TraceRequest(model_id(model), picture=name, image=image)
    if model.card.modality == "sound":
        audio, name = chosen_sound(model)
        target = choice.target if "cross" in model.card.kinds else ""
        return TraceRequest(model_id(model), target=target, sound=name, audio=audio)
    generate = choice.generate if model.card.writes else 0
    if model.card.modality == "text and image":
        image, name = chosen_picture(model)
        text = choice.shown_text
        return TraceRequest(model_id(model), text, generate=generate, picture=name, image=image, reads_both=True)
    # The session keeps the target for the next encoder-decoder; other models have no use for it.
    target = choice.target if "cross" in model.card.kinds else ""
    if reads_conversation(model):
        return TraceRequest(model_id(model), target=target, generate=generate, messages=written_messages())
    return TraceRequest(
        model_id(model),
        choice.shown_text,
        choice.pair,
        target,
        generate,
        add_special_tokens=choice.add_special_tokens,
        # The same holds for languages, which each tokenizer names in its own way.
        src_lang=choice.src_lang if choice.src_lang in model.languages else "",
        tgt_lang=choice.tgt_lang if choice.tgt_lang in model.languages and "cross" in model.card.kinds else "",
    )


def trace(model: Model, request: TraceRequest | None = None, *, keeps_previous: bool = True) -> AttentionTrace | None:
    """Return the trace of a request, by default of the chosen text of the Inspect page.

    While there is none, say why and return the previous one, if any, unless it is not wanted.

    Raises:
        HeadlightError: why the text cannot be traced, in one sentence.
    """
    request, session = request or build_request(model), st.session_state
    previous = _show_previous_trace if keeps_previous else lambda: None
    _leave_previous_job(request)
    job = traces().find(request)
    if job is None or (session.get("stopped") == request and not job.finished):
        estimate = _estimate(model, request)
        if estimate is None:
            return previous()
        long = estimate.seconds > ask_seconds() or session.get("stopped") == request
        if long and session.get("started") != request:
            _offer_start(request, f"This is a long run ({estimate}).")
            return previous()
        job = traces().find_or_start(request, lambda: request.start(model, estimate), visitor())
        with st.spinner("Tracing …"):
            job.wait(0 if long else max(ask_seconds(), 1.0))
    if not job.finished:
        session.started = request
        _show_job(request, job, "Tracing")
        return previous()
    session.pop("started", None)
    try:
        result = job.result()
    except BaseException:
        traces().forget(request)  # another try may succeed
        raise
    session.shown = request
    return result


def _estimate(model: Model, request: TraceRequest) -> Estimate | None:
    """Return the bytes and seconds of the trace; None while a long text is tokenized, or if the visitor stopped that.

    Raises:
        HeadlightError: the text cannot be read, or would take more than the budget, in one sentence.
    """
    n_characters = sum(map(len, (request.text, request.pair, request.target, request.messages)))
    if n_characters < LONG_TEXT:
        return request.estimate(model)
    length = f"{n_characters / 1e6:.1f} million" if n_characters >= 10**6 else f"{n_characters:,}"
    job = readings().find(request)
    if (job is None or not job.finished) and st.session_state.get("stopped") == request:
        _offer_start(request, f"This text has {length} characters.")
        return None
    job = readings().find_or_start(request, lambda: Job(lambda progress: request.estimate(model)), visitor())
    with st.spinner(f"Reading {length} characters …"):
        job.wait(READING_SECONDS)
    if not job.finished:
        _show_job(request, job, f"Reading {length} characters")
        return None
    if job.failed:
        readings().forget(request)  # another try may succeed
    return job.result()


def _leave_previous_job(request: TraceRequest) -> None:
    """Stop watching the job of an earlier request, which this visitor no longer waits for."""
    started = st.session_state.get("started")
    if started and started != request:
        job = traces().find(started)
        if job is not None and not job.finished:
            job.leave(visitor())
        st.session_state.pop("started")


def _show_previous_trace() -> AttentionTrace | None:
    """Return the trace that was shown last and say so, if it is still in memory."""
    shown = st.session_state.get("shown")
    job = traces().find(shown) if shown else None
    if job is None or not job.finished:
        return None
    st.caption(_OLD_PICTURES)
    return job.result()


def _offer_start(request: TraceRequest, reason: str) -> None:
    """Say why a run does not start by itself, with a button that starts it."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        stopped = "Stopped. " if st.session_state.get("stopped") == request else ""
        st.markdown(f"{stopped}{reason}")
        st.button("Start", key="start", type="primary", on_click=_start, args=(request,))


def _start(request: TraceRequest) -> None:
    st.session_state.started = request
    st.session_state.pop("stopped", None)


def _stop(request: TraceRequest, job: Job) -> None:
    job.leave(visitor())
    st.session_state.pop("started", None)
    st.session_state.stopped = request


@st.fragment(run_every=UPDATE_SECONDS)
def _show_job(request: TraceRequest, job: Job, doing: str) -> None:
    """Show the progress of a job with a Stop button; rerun the page when the job has ended."""
    if job.finished or st.session_state.get("stopped") == request:
        st.rerun()
    job.watch(visitor())  # also if the last update is a while ago
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        show_progress_bar(job, doing, "layer")
        st.button("Stop", key="stop", on_click=_stop, args=(request, job))


def show_progress_bar(job: Job, doing: str, unit: str) -> None:
    """Show how much of a job is done and how long the rest will take."""
    left = job.seconds_left
    rest = "" if left is None else f", about {readable_seconds(left)} left"
    counted = f": {unit} {job.done} of {job.total}" if job.total else " …"
    st.progress(job.done / job.total if job.total else 0.0, f"{doing}{counted}{rest}")
