"""The page "Watch it train": a small transformer learns a task whose right attention is known, live or recorded."""

from __future__ import annotations

import streamlit as st

from models.scratch.tasks import TASKS
from ui.messages import escape_markdown
from ui.panels.lessons import show_lesson
from ui.panels.trained_model import offer_trained_model
from ui.panels.training_controls import own_training, pop_problem, stop_and_show_recording, training_controls
from ui.panels.training_picture import REFRESH_SECONDS, REFRESH_SECONDS_AT_REST, show_training
from ui.services.training_process import FAILED, RUNNING, STOPPING
from ui.state.watch import WATCH, choose_task


def page() -> None:
    """Show the task and its lesson, the controls, the picture, and what to do with the trained model."""
    notices = WATCH.restore()
    st.markdown("# Watch it train: where heads look, from the first step to the last")
    st.pills(
        "Task",
        tuple(TASKS),
        **WATCH.widget_args("task", on_change=_open_task),
        format_func=lambda name: TASKS[name].title,
        label_visibility="collapsed",
    )
    choice = WATCH.now()
    show_lesson(choice.task)
    for notice in notices:
        st.warning(escape_markdown(notice), icon=":material/info:")
    own = own_training()
    # Read once: a training that ends while the page is drawn must not leave a Stop next to the finished picture.
    status = own.status if own else ""
    training_controls(choice, own, status)
    problem = pop_problem() or (own.problem if own and status == FAILED else None)
    if problem:
        st.error(escape_markdown(problem), icon=":material/error:")
    seconds = REFRESH_SECONDS if status in (RUNNING, STOPPING) else REFRESH_SECONDS_AT_REST
    st.fragment(show_training, run_every=seconds if own else None)(choice.task, own, status)
    offer_trained_model(choice, own, status)
    WATCH.publish()


def _open_task() -> None:
    stop_and_show_recording()
    choose_task(WATCH.now().task)


page()
