"""One text per line: which of them is shown, and the traces of all, over which heads are ranked."""

from __future__ import annotations

import logging
from dataclasses import replace

import streamlit as st

from analysis.causes.changes import read_heads
from models import Attention, HeadlightError, Model
from ui.panels.causes_changes import why_unchangeable
from ui.panels.trace_request import build_request
from ui.services.instrument_traces import name_of
from ui.services.settings import ask_seconds
from ui.services.traces import TraceRequest, traces
from ui.services.visitor import visitor
from ui.state.inspect import INSPECT, Choice
from viz.wire.instrument import Sentence

log = logging.getLogger("headlight.ui")
MOST_LINES = 32
LONGEST_LABEL = 70


def sentence_controls(*, all_lines: bool = False) -> None:
    """Say whether the model reads one sequence or several, and let the visitor choose between several.

    A page that shows `all_lines` at once has no choice between them.
    """
    choice = INSPECT.current()
    lines = choice.texts
    if not choice.lines:
        if "\n" in choice.text.strip():
            st.caption(f"The model reads these {len(choice.text.strip().splitlines())} lines as one sequence.")
        return
    if all_lines:
        return
    if len(lines) > MOST_LINES:
        st.warning(f"Only the first {MOST_LINES} of {len(lines)} lines are read.", icon=":material/info:")
    n_lines = min(len(lines), MOST_LINES)
    if choice.sentence >= n_lines:
        INSPECT.update(sentence=n_lines - 1)
    with st.container(key="sentence-row", horizontal=True, vertical_alignment="center", gap="small"):
        st.selectbox(
            "Text",
            range(n_lines),
            **INSPECT.widget_args("sentence"),
            format_func=lambda number: f"{number + 1}. {_shorten(lines[number])}",
            label_visibility="collapsed",
            width=420,
        )
        several = f"{n_lines} texts, one per line, each by itself" if n_lines > 1 else "one text"
        st.caption(f"The model reads {several}. Heads for a pair are ranked over all texts in which you lock one.")


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def sentences_of(model: Model, att: Attention) -> list[Sentence]:
    """Return the texts over which heads are ranked, with the names of their traces; [] where there is one text."""
    choice = INSPECT.current()
    texts = choice.texts[:MOST_LINES]
    if not choice.lines or len(texts) < 2:
        return []
    attentions = [
        att if number == choice.sentence else _trace(model, choice, number, att.kind) for number in range(len(texts))
    ]
    # A name alone does not keep a trace in memory, and the shared traces may be fewer than the lines.
    st.session_state["traces of lines"] = attentions
    return [
        Sentence("" if each is None else name_of(each, visitor()), text[:LONGEST_LABEL])
        for each, text in zip(attentions, texts, strict=True)
    ]


def request_of(model: Model, line: str) -> TraceRequest:
    """Return the request for one of the lines, with the changes of heads; struck words are of one text."""
    choice = INSPECT.current()
    heads = () if choice.before or why_unchangeable(model) else read_heads(choice.ablate)
    return replace(build_request(model), text=line, ablate=heads)


def _trace(model: Model, choice: Choice, number: int, kind: str) -> Attention | None:
    """Return the attention of a line, None if it cannot be traced quickly."""
    request = request_of(model, choice.texts[number])
    try:
        job = traces().find(request)
        if job is None:
            estimate = request.estimate(model)
            if estimate.seconds > ask_seconds():
                return None
            job = traces().find_or_start(request, lambda: request.start(model, estimate), visitor())
        job.wait(max(ask_seconds(), 1.0))
        return job.result()[kind] if job.finished else None
    except HeadlightError as error:
        log.info("tracing line %d: %s", number + 1, error)
        return None
