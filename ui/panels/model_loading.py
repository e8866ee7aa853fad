"""From the name of a model to the model on the page: the visitor watches it load, and can stop it."""

from __future__ import annotations

import streamlit as st

from models import HeadlightError, Model
from ui.messages import escape_markdown, guarded
from ui.services.jobs import Job
from ui.services.models import request_model
from ui.services.visitor import visitor

# Most models load within this time, under a spinner. After it the page offers Stop.
QUICK_SECONDS = 3.0
# Between two checks whether the model has loaded.
UPDATE_SECONDS = 1.0


class LoadingStopped(HeadlightError):
    """The visitor stopped the loading of a model."""


def open_model(name: str, revision: str) -> Model | None:
    """Return a loaded model that this server may open; None while it loads, with a Stop button on the page.

    Raises:
        HeadlightError: why it cannot be opened, in one sentence.
        LoadingStopped: the visitor stopped it.
    """
    if st.session_state.get("stopped model") == (name, revision):
        raise LoadingStopped(f"Opening {name[:80]} was stopped.")
    st.session_state.pop("stopped model", None)
    job = request_model(name, revision, visitor())
    if not job.finished:
        with st.spinner("Loading the model and verifying its capture …"):
            job.wait(QUICK_SECONDS)
    if job.finished:
        return job.result()
    _show_loading(job, name, revision)
    return None


@st.fragment(run_every=UPDATE_SECONDS)
@guarded
def _show_loading(job: Job[Model], name: str, revision: str) -> None:
    """Say that a model loads, with a Stop button; rerun the page when the loading has ended."""
    if job.finished or st.session_state.get("stopped model") == (name, revision):
        st.rerun()
    job.watch(visitor())
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"Loading {escape_markdown(name[:80])} …")
        st.button("Stop", key="stop model", on_click=_stop, args=(job, name, revision))


def _stop(job: Job[Model], name: str, revision: str) -> None:
    job.leave(visitor())
    st.session_state["stopped model"] = (name, revision)
