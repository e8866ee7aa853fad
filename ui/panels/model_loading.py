"""From a model's name to the model on the page: watched while it loads, and stopped."""

from __future__ import annotations

import streamlit as st

from models import HeadlightError, Model
from ui.messages import escape_markdown, guarded
from ui.panels.trace_request import visitor
from ui.services.caches import model_job
from ui.services.jobs import Job

# Most models open within this time, under a spinner; for a longer one the page offers Stop.
QUICK_SECONDS = 3.0
# Between two looks at a model that loads.
LOOK_SECONDS = 1.0


class OpeningStopped(HeadlightError):
    """The visitor stopped the loading of a model."""


def open_model(name: str, revision: str) -> Model | None:
    """Return a loaded model that this server may open; None while it loads, with a way to stop it.

    Raises:
        HeadlightError: why it cannot be opened, in one sentence.
        OpeningStopped: the visitor stopped it.
    """
    if st.session_state.get("stopped model") == (name, revision):
        raise OpeningStopped(f"Opening {name[:80]} was stopped.")
    st.session_state.pop("stopped model", None)
    job = model_job(name, revision, visitor())
    if not job.finished:
        with st.spinner("Loading the model and proving its capture …"):
            job.wait(QUICK_SECONDS)
    if job.finished:
        return job.result()
    _watch(job, name, revision)
    return None


@st.fragment(run_every=LOOK_SECONDS)
@guarded
def _watch(job: Job[Model], name: str, revision: str) -> None:
    """Say that a model loads, and let it be stopped; its end reruns the page."""
    if job.finished or st.session_state.get("stopped model") == (name, revision):
        st.rerun()
    job.watch(visitor())
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"Loading {escape_markdown(name[:80])} …")
        st.button("Stop", key="stop model", on_click=_stop, args=(job, name, revision))


def _stop(job: Job[Model], name: str, revision: str) -> None:
    job.leave(visitor())
    st.session_state["stopped model"] = (name, revision)
