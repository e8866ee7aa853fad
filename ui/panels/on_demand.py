"""Work that takes a while: offered with a button or started at once, then watched with Stop, then its result."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

import streamlit as st

from models.errors import HeadlightError, TooLong
from ui.messages import describe_error, escape_markdown, guarded
from ui.panels.trace_request import UPDATE_SECONDS, show_progress_bar
from ui.services.jobs import Job
from ui.services.visitor import visitor
from ui.services.work import Work

Result = TypeVar("Result")
# The session's key of the work that this visitor has asked for (True), or stopped (False).
_WANTED = "work on demand"
# Most work ends within this time, under a spinner. After it the page offers Stop.
QUICK_SECONDS = 1.0


def result_or_refusal(make_work: Callable[[], Work[Result]]) -> Result | None:
    """Return the result of a piece of work on demand; None too if it is refused while it is made, with the sentence."""
    try:
        work = make_work()
    except HeadlightError as error:
        st.caption(escape_markdown(str(error)))
        return None
    return result_on_demand(work)


def result_on_demand(work: Work[Result]) -> Result | None:
    """Return the result of a piece of work; None until the visitor has asked for it, while it runs, or if it failed."""
    job = work.jobs.find(work.key)
    if (job is None or not job.finished) and not _is_wanted(work):
        _offer(work)
        return None
    job = work.jobs.find_or_start(work.key, lambda: Job(work.compute, seconds=work.seconds), visitor())
    if not job.finished:
        with st.spinner(f"{work.doing or work.button} …"):
            job.wait(QUICK_SECONDS)
    if not job.finished:
        _show_job(work, job)
        return None
    try:
        return job.result()
    except TooLong as error:
        st.info(escape_markdown(str(error)))
        return None
    except BaseException as error:
        work.jobs.forget(work.key)  # another try may succeed
        _set_wanted(work.key, wanted=False)
        st.error(escape_markdown(describe_error(error, "measuring")), icon=":material/error:")
        _offer(work)
        return None


def _is_wanted(work: Work[Result]) -> bool:
    return st.session_state.get(_WANTED, {}).get(work.key, not work.asks)


def _set_wanted(key: Hashable, *, wanted: bool) -> None:
    st.session_state.setdefault(_WANTED, {})[key] = wanted


def _offer(work: Work[Result]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            work.button, key=f"ask {work.button}", on_click=_set_wanted, args=(work.key,), kwargs={"wanted": True}
        )
        st.caption(escape_markdown(work.note), width="content")


def _stop(key: Hashable, job: Job[Result]) -> None:
    job.leave(visitor())
    _set_wanted(key, wanted=False)


@st.fragment(run_every=UPDATE_SECONDS)
@guarded
def _show_job(work: Work[Result], job: Job[Result]) -> None:
    """Show the progress of a job with a Stop button; rerun the page when the job has ended."""
    if job.finished or not _is_wanted(work):
        st.rerun()
    job.watch(visitor())
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        show_progress_bar(job, work.doing or work.button, work.unit)
        st.button("Stop", key=f"stop {work.button}", on_click=_stop, args=(work.key, job))
