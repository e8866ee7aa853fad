"""The page "Watch it train": a small transformer learns a task whose right attention is known, live or recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

import models.scratch.trained
from analysis.recording import RECORDING, Frame
from models.scratch.networks import POSITIONS
from models.scratch.tasks import TASKS
from ui.components import training_picture
from ui.messages import describe_error, escape_markdown, guarded
from ui.panels.lessons import LESSONS
from ui.services.recordings import scene_over, shipped_recording
from ui.services.settings import allowed_models
from ui.services.trainings import (
    FAILED,
    FINISHED,
    RUNNING,
    STOPPED,
    STOPPING,
    TrainingProcess,
    TrainingRequest,
    trainings,
)
from ui.services.visitor import visitor
from ui.state import watch as watching
from ui.state.watch import RANGES, RATES, WatchChoice
from viz.wire.training import frames_of, pack_frames, pack_scene

_STYLE = Path(__file__).parents[1] / "style.css"
SHIPPED = Path(models.scratch.trained.__file__).parent
# A running training is looked at so often, a resting one to say that its page is still open.
LOOK_SECONDS, REST_SECONDS = 0.9, 30.0
_CALLED = {
    RUNNING: "running",
    STOPPING: "stopping",
    STOPPED: "stopped",
    FINISHED: "finished",
    FAILED: "ended unexpectedly",
}
_NORM_NAMES = {"pre": "before each block (pre-norm)", "post": "after each block (post-norm, as in the paper)"}


def page() -> None:
    """Task and lesson, the controls, the picture."""
    st.html(_STYLE)
    notices = watching.ADDRESS.restore()
    st.markdown("# Watch it train: where heads look, from the first step to the last")
    st.pills(
        "Task",
        tuple(TASKS),
        **watching.held("task"),
        format_func=lambda name: TASKS[name].title,
        on_change=_take_task,
        label_visibility="collapsed",
    )
    choice = watching.ADDRESS.chosen()
    _lesson(choice.task)
    for notice in notices:
        st.warning(escape_markdown(notice), icon=":material/info:")
    own = _own()
    _controls(choice, own)
    problem = st.session_state.pop("watch problem", None) or (own.problem if own and own.status == FAILED else None)
    if problem:
        st.error(escape_markdown(problem), icon=":material/error:")
    status = own.status if own else ""
    every = None if own is None else LOOK_SECONDS if status in (RUNNING, STOPPING) else REST_SECONDS
    st.fragment(_picture, run_every=every)(choice.task, own, status)
    _taking_away(choice, own)
    watching.ADDRESS.write()


def _own() -> TrainingProcess | None:
    """Return the visitor's own training, if it is what is shown."""
    training = trainings().of(visitor())
    return training if st.session_state.get("watch shown") == "own" else None


def _lesson(task: str) -> None:
    lesson = LESSONS[task]
    left, right = st.columns([6, 5], gap="medium", vertical_alignment="center")
    left.markdown(
        f"**The task.** {TASKS[task].rule}  \n**Where a head has to look.** {TASKS[task].looks}  \n"
        f"**What training shows.** {lesson.watch}"
    )
    with right.container(gap="xxsmall"):
        st.latex(lesson.loss)
        st.caption(f"The loss: {lesson.letters}. [{lesson.paper}]({lesson.link})", text_alignment="center")


def _controls(choice: WatchChoice, own: TrainingProcess | None) -> None:
    """Let the text, the settings and the course of a training be chosen."""
    task = TASKS[choice.task]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if task.has_truth:
            st.text_input(
                "Text to watch", **watching.held("text"), help=f"For example {task.examples[-1]!r}.", width=420
            )
        else:
            st.text_input(
                "Picture to watch, 0 to 359", **watching.held("text"), help="None of them is trained on.", width=200
            )
        status = own.status if own else ""
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
            st.button("Back to the recording", key="watch back", on_click=_back)
        elif (mine := trainings().of(visitor())) is not None:
            name = TASKS[mine.request.task].title
            st.button(f"To your training: {name}", key="watch own", on_click=_to_own, args=(mine.request.task,))
        with st.popover("Settings", width=130):
            _settings()


def _settings() -> None:
    """Let sizes and the course of the optimiser be chosen; they hold from the next start on."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for name, title, step in (
            ("seed", "Seed", 1),
            ("layers", "Layers", 1),
            ("heads", "Heads", 1),
            ("width", "Width", 8),
            ("steps", "Steps", 100),
        ):
            low, high = RANGES[name]
            st.number_input(title, low, high, step=step, **watching.held(name), width=140)
        st.number_input(
            "Learning rate",
            *RATES,
            step=5e-4,
            format="%.5f",
            **watching.held("rate"),
            width=150,
            help="The highest, reached after a tenth of the steps; then it falls to 0.",
        )
        st.selectbox("Positions", POSITIONS, **watching.held("positions"), width=150)
        st.selectbox(
            "Layer norm", watching.NORMS, **watching.held("norm"), format_func=_NORM_NAMES.__getitem__, width=330
        )


@guarded
def _picture(task: str, own: TrainingProcess | None, status: str) -> None:
    """Send what is new; a training that has come to another status concerns the rest of the page."""
    if own is not None:
        own.watch()
        if own.status != status:
            st.rerun()
        if frames := own.frames():
            title = f"## Your training: {TASKS[task].title}, seed {own.request.settings.seed}, {_CALLED[status]}"
            st.markdown(title)
            _send(own.name, own.request, frames, live=status in (RUNNING, STOPPING))
            return
    starting = ". Your training starts, which takes some seconds …" if own is not None and status == RUNNING else ""
    path = SHIPPED / task / RECORDING
    if not path.exists():
        missing = "There is no recording of this task here: press Start training, and watch it as it goes."
        st.info(starting.removeprefix(". ") or missing)
        return
    try:
        recording = shipped_recording(path)
    except BaseException as error:
        st.error(escape_markdown(describe_error(error, f"replaying {path}")), icon=":material/error:")
        return
    st.markdown(f"## Recorded: {TASKS[task].title}{starting}")
    if own is None and watching.ADDRESS.chosen().text not in (recording.text, recording.text or "0"):
        st.caption("The recording is over its own text: Start training watches yours.")
    settings = replace(TASKS[task].settings, steps=recording.steps_in_all)
    name = f"{task} {path.stat().st_mtime_ns}"
    _send(name, TrainingRequest(task, recording.text, settings), frames_of(recording), live=False)


def _send(name: str, order: TrainingRequest, frames: list[Frame], *, live: bool) -> None:
    session = st.session_state
    sent_name, sent_step = session.get("watch sent") or ("", -1)
    about = scene_over(order.task, order.text, frames[0].maps.shape[-1])
    training_picture(
        pack_scene(about, key=name, steps=order.settings.steps),
        pack_frames(frames, key=name, after=sent_step if sent_name == name else -1, live=live),
        _send_all,
    )
    session["watch sent"] = (name, frames[-1].step)


def _send_all() -> None:
    st.session_state["watch sent"] = None


def _taking_away(choice: WatchChoice, own: TrainingProcess | None) -> None:
    """Lead from the training to the trained model."""
    with st.container(horizontal=True, gap="small"):
        if own is not None and own.status == FINISHED:
            st.download_button(
                "Download the trained model",
                own.model_zip,
                f"headlight-{own.request.task}.zip",
                "application/zip",
                key="watch download",
                help="Config, safetensors, tokenizer and training.json: unpack the folder and open it in Inspect.",
                on_click="ignore",
            )
        name = f"{models.scratch.trained.PREFIX}{choice.task}"
        allowed = allowed_models()
        if name in models.scratch.trained.names() and (allowed is None or name in allowed):
            text = {"text": choice.text} if TASKS[choice.task].has_truth else {}
            st.link_button("Open the trained model in Inspect", f"./?{urlencode({'model': name, **text})}")


# --- what the buttons do ----------------------------------------------------------------------------------------------


def _start() -> None:
    def start() -> None:
        trainings().start(watching.ADDRESS.now().order(), visitor())
        st.session_state["watch shown"] = "own"

    _tried(start, "starting a training")


def _resume() -> None:
    _tried(lambda: trainings().resume(visitor()), "resuming a training")


def _tried(act: Callable[[], None], doing: str) -> None:
    try:
        act()
    except BaseException as error:
        st.session_state["watch problem"] = describe_error(error, doing)


def _stop() -> None:
    training = trainings().of(visitor())
    if training is not None:
        training.stop()


def _back() -> None:
    _stop()
    st.session_state["watch shown"] = "recorded"


def _to_own(task: str) -> None:
    watching.begin(task)
    st.session_state["watch shown"] = "own"


def _take_task() -> None:
    task = st.session_state["watch task"]
    if task is None:  # a click on the chosen task
        st.session_state["watch task"] = watching.ADDRESS.kept.task
        return
    _back()
    watching.begin(task)


page()
