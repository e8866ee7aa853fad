"""The picture of "Watch it train": the frames of the visitor's own training, or of the recording of the task."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from analysis.recording import RECORDING, Frame
from models.checkpoints import bundled
from models.scratch.tasks import TASKS
from ui.components import training_picture
from ui.messages import describe_error, escape_markdown, guarded
from ui.services.recordings import scene_over, shipped_recording
from ui.services.training_process import FAILED, FINISHED, RUNNING, STOPPED, STOPPING, TrainingProcess
from ui.services.training_requests import TrainingRequest
from ui.state.watch import WATCH
from viz.wire.training import frames_of, pack_frames, pack_scene

# How often the page asks for new frames; a training that does not run is asked for only to say that the page is open.
REFRESH_SECONDS, REFRESH_SECONDS_AT_REST = 0.9, 30.0
_STATUS_NAMES = {
    RUNNING: "running",
    STOPPING: "stopping",
    STOPPED: "stopped",
    FINISHED: "finished",
    FAILED: "ended unexpectedly",
}
# The session's key of which picture the browser has, and the step of its last frame.
_SENT = "watch sent"


@guarded
def show_training(task: str, own: TrainingProcess | None, status: str) -> None:
    """Send the frames that the browser does not have; a change of the training's status reruns the whole page."""
    if own is not None:
        own.watch()
        if own.status != status:
            st.rerun()
        if frames := own.frames():
            title = f"## Your training: {TASKS[task].title}, seed {own.request.settings.seed}, {_STATUS_NAMES[status]}"
            st.markdown(title)
            _send(own.name, own.request, frames, live=status in (RUNNING, STOPPING))
            return
    starts = own is not None and status == RUNNING
    _show_recording(task, "Your training starts, which takes some seconds …" if starts else "", own)


def _show_recording(task: str, state_of_own: str, own: TrainingProcess | None) -> None:
    path = bundled.TRAINED / task / RECORDING
    if not path.exists():
        missing = "There is no recording of this task here: press Start training, and watch it as it goes."
        st.info(state_of_own or missing)
        return
    try:
        recording = shipped_recording(path)
    except BaseException as error:
        st.error(escape_markdown(describe_error(error, f"replaying {path}")), icon=":material/error:")
        return
    st.markdown(". ".join(filter(None, (f"## Recorded: {TASKS[task].title}", state_of_own))))
    if own is None and WATCH.now().text not in (recording.text, recording.text or "0"):
        st.caption("The recording is over its own text: Start training watches yours.")
    settings = replace(TASKS[task].settings, steps=recording.steps_in_all)
    name = f"{task} {path.stat().st_mtime_ns}"
    _send(name, TrainingRequest(task, recording.text, settings), frames_of(recording), live=False)


def _send(name: str, order: TrainingRequest, frames: list[Frame], *, live: bool) -> None:
    session = st.session_state
    sent_name, sent_step = session.get(_SENT) or ("", -1)
    scene = scene_over(order.task, order.text, frames[0].maps.shape[-1])
    training_picture(
        pack_scene(scene, key=name, steps=order.settings.steps),
        pack_frames(frames, key=name, after=sent_step if sent_name == name else -1, live=live),
        _send_all,
    )
    session[_SENT] = (name, frames[-1].step)


def _send_all() -> None:
    st.session_state[_SENT] = None
