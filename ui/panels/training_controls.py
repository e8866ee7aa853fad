"""The controls of "Watch it train": the text, the settings, and the buttons that start and stop a training."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from models.scratch.networks import POSITIONS
from models.scratch.tasks import TASKS
from ui.messages import describe_error
from ui.panels.trace_request import visitor
from ui.services.training_process import FAILED, RUNNING, STOPPED, STOPPING, TrainingProcess
from ui.services.trainings import trainings
from ui.state.watch import NORMS, RANGES, RATES, WATCH, WatchChoice, choose_task

# The session's keys of whether the page shows the visitor's own training, and of why the last button failed.
_OWN_IS_SHOWN, _PROBLEM = "watch own is shown", "watch problem"
_NORM_NAMES = {"pre": "before each block (pre-norm)", "post": "after each block (post-norm, as in the paper)"}


def own_training() -> TrainingProcess | None:
    """Return the visitor's own training if the page shows it; None where it shows a recording."""
    training = trainings().of(visitor())
    return training if st.session_state.get(_OWN_IS_SHOWN) else None


def pop_problem() -> str | None:
    """Return once why the last start of a training failed, in one sentence."""
    return st.session_state.pop(_PROBLEM, None)


def training_controls(choice: WatchChoice, own: TrainingProcess | None, status: str) -> None:
    """Show the text box, the settings, and the buttons for the status of the visitor's own training."""
    task = TASKS[choice.task]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        text = WATCH.widget_args("text")
        if task.has_truth:
            st.text_input("Text to watch", **text, help=f"For example {task.examples[-1]!r}.", width=420)
        else:
            st.text_input("Picture to watch, 0 to 359", **text, help="None of them is trained on.", width=200)
        _buttons(own, status)
        with st.popover("Settings", width=130):
            _settings()


def _buttons(own: TrainingProcess | None, status: str) -> None:
    if status in (RUNNING, STOPPING):
        st.button("Stop", key="watch stop", on_click=_stop, disabled=status == STOPPING, type="primary")
    elif status in (STOPPED, FAILED):
        st.button("Resume", key="watch resume", on_click=_resume, type="primary")
    if status not in (RUNNING, STOPPING):
        st.button(
            "Start again" if own else "Start training",
            key="watch start",
            on_click=_start,
            type="secondary" if status in (STOPPED, FAILED) else "primary",
        )
    if own is not None:
        st.button("Back to the recording", key="watch back", on_click=stop_and_show_recording)
    elif (hidden := trainings().of(visitor())) is not None:
        name = TASKS[hidden.request.task].title
        st.button(f"To your training: {name}", key="watch own", on_click=_show_own, args=(hidden.request.task,))


def _settings() -> None:
    """Show sizes and the course of the optimiser; a change applies to the next training that starts."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for name, title, step in (
            ("seed", "Seed", 1),
            ("layers", "Layers", 1),
            ("heads", "Heads", 1),
            ("width", "Width", 8),
            ("steps", "Steps", 100),
        ):
            low, high = RANGES[name]
            st.number_input(title, low, high, step=step, **WATCH.widget_args(name), width=140)
        st.number_input(
            "Learning rate",
            *RATES,
            step=5e-4,
            format="%.5f",
            **WATCH.widget_args("rate"),
            width=150,
            help="The highest, reached after a tenth of the steps; then it falls to 0.",
        )
        st.selectbox("Positions", POSITIONS, **WATCH.widget_args("positions"), width=150)
        st.selectbox("Layer norm", NORMS, **WATCH.widget_args("norm"), format_func=_NORM_NAMES.__getitem__, width=330)


# --- what the buttons do ----------------------------------------------------------------------------------------------


def _start() -> None:
    def start() -> None:
        trainings().start(WATCH.now().to_request(), visitor())
        st.session_state[_OWN_IS_SHOWN] = True

    _try(start, "starting a training")


def _resume() -> None:
    _try(lambda: trainings().resume(visitor()), "resuming a training")


def _try(act: Callable[[], None], doing: str) -> None:
    try:
        act()
    except BaseException as error:
        st.session_state[_PROBLEM] = describe_error(error, doing)


def _stop() -> None:
    training = trainings().of(visitor())
    if training is not None:
        training.stop()


def stop_and_show_recording() -> None:
    """Stop the visitor's training, if there is one, and show the recording of the task."""
    _stop()
    st.session_state[_OWN_IS_SHOWN] = False


def _show_own(task: str) -> None:
    choose_task(task)
    st.session_state[_OWN_IS_SHOWN] = True
