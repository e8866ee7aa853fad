"""Recordings of trainings: maps, truth scores, loss and accuracy every few steps, live or from a file.

`python -m analysis.recording TASK --out FOLDER` trains and writes a frame every few steps. The server reads the frames
while the training runs. SIGTERM or a closed standard input stops the training: it writes a checkpoint, from which the
same command resumes. At the end the folder contains the model that `python -m models.train` makes, and `recording.npz`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from transformers.utils import logging as transformers_logging

from analysis.truth import average_scores
from models.disk import remove_parts, whole_files, writing
from models.errors import BadTraining, CannotWrite, HeadlightError
from models.package import module_name
from models.scratch.tasks import TASKS, Task, task_named
from models.scratch.training import CHECKPOINT, Training, change_settings, make_folder, start_or_resume
from models.train import settings_arguments

EVERY = 10
# Number of unseen samples from which a frame's accuracy and truth scores are computed.
WATCHED = 64
# Frames of a shipped recording: a slider has no use for more positions.
MOST_SHIPPED = 80
RECORDING = "recording.npz"
FRAMES = "frames"
LEVELS = 255
# Bytes of the largest recording that is read, after decompression: far more than 80 frames of any task.
LARGEST = 2**28


@dataclass(frozen=True)
class Frame:
    """The state of a training after `step` steps.

    `loss` is the mean since the previous frame. `accuracy` is the share of unseen samples that the model answers
    correctly, and `scores[layer, head]` are the truth scores over them (NaN if no truth is known).
    `maps[layer, head, query, key]` is the attention over the watched text, 0 to 255 for weights from 0 to 1.
    """

    step: int
    loss: float
    accuracy: float
    scores: Float[np.ndarray, "layer head"]
    maps: UInt8[np.ndarray, "layer head query key"]


@dataclass(frozen=True)
class Recording:
    """All frames of a training of `task`, oldest first; `text` is the watched text, `steps_in_all` the last step."""

    task: str
    text: str
    steps_in_all: int
    step: Int[np.ndarray, " frame"]
    loss: Float[np.ndarray, " frame"]
    accuracy: Float[np.ndarray, " frame"]
    scores: Float[np.ndarray, "frame layer head"]
    maps: UInt8[np.ndarray, "frame layer head query key"]

    @classmethod
    def of(cls, task: str, text: str, steps_in_all: int, frames: Sequence[Frame]) -> Recording:
        """Return a recording of frames, at least one."""
        return cls(
            task,
            text,
            steps_in_all,
            np.array([frame.step for frame in frames]),
            np.array([frame.loss for frame in frames]),
            np.array([frame.accuracy for frame in frames]),
            np.stack([frame.scores for frame in frames]),
            np.stack([frame.maps for frame in frames]),
        )

    def thin(self, most: int = MOST_SHIPPED) -> Recording:
        """Return at most `most` frames, the first and the last among them, denser at the start, where most happens."""
        n_frames = len(self.step)
        if n_frames <= most:
            return self
        chosen = np.unique(np.round((n_frames - 1) * np.linspace(0, 1, most) ** 1.5).astype(int))
        arrays = {name: getattr(self, name)[chosen] for name in ("step", "loss", "accuracy", "scores", "maps")}
        return Recording(self.task, self.text, self.steps_in_all, **arrays)

    def save(self, path: Path) -> None:
        """Write a compressed `.npz`, whole or not at all.

        Raises:
            CannotWrite: the disk refuses the file.
        """
        with whole_files(path.parent) as part, (part / path.name).open("wb") as file:
            np.savez_compressed(file, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read a file that `save` wrote.

        Raises:
            BadTraining: the file is not a recording.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(part.file_size for part in archive.infolist()) > LARGEST:
                    raise ValueError("it unpacks to more than any recording")
            with np.load(path, allow_pickle=False) as file:
                found = {name: file[name] for name in cls.__dataclass_fields__}
            arrays = {name: _check_array(name, found, axes) for name, axes in _AXES.items()}
            return cls(str(found["task"][()]), str(found["text"][()]), int(found["steps_in_all"][()]), **arrays)
        # A damaged file raises anything: zipfile and numpy let errors of the decompressors and of Python's parser pass.
        except Exception as error:
            raise BadTraining(f"{path.name} is not a recording of a training: record it again.") from error


# The kind of number and the axes of each array of a recording. Axes with the same letter have the same length.
_AXES = {"step": "i f", "loss": "f f", "accuracy": "f f", "scores": "f f l h", "maps": "u f l h q k"}


def _check_array(name: str, found: dict[str, np.ndarray], axes: str) -> np.ndarray:
    """Return an array of a file, after a check of its kind and of its shape against the other arrays."""
    kind, *names = axes.split()
    array, n_frames, n_layers, n_heads = found[name], len(found["step"]), *found["maps"].shape[1:3]
    sizes = {"f": n_frames, "l": n_layers, "h": n_heads}
    expected = tuple(sizes.get(letter, size) for letter, size in zip(names, array.shape, strict=True))
    right_kind = array.dtype == np.uint8 if kind == "u" else array.dtype.kind == kind
    if not right_kind or array.shape != expected or not array.size:
        raise ValueError(f"{name} has the shape {array.shape} of {array.dtype}")
    return array


class Recorder:
    """Makes frames of one training over one text."""

    def __init__(self, training: Training, text: str = "") -> None:
        self.training = training
        task = training.task
        self.text = text or (task.examples[0] if task.examples else "")
        self._watched = task.watched_batch(self.text)
        self._samples = task.samples(Random("watched"), WATCHED, held_out=True) if task.has_truth else []
        self._unseen = task.batch(self._samples) if self._samples else task.draw(Random(), 1000, held_out=True)
        self._losses: list[float] = []

    def advance(self) -> None:
        """Take a step of the training."""
        self._losses.append(self.training.advance())

    def frame(self) -> Frame:
        """Return a frame of the present state, and start a new mean of the loss."""
        task = self.training.task
        with self.training.evaluating() as network:
            maps = task.attention(network, self._watched)[:, 0]
            right = task.judge(network, self._unseen)
            if self._samples:
                weights = task.attention(network, self._unseen)
                scores = average_scores(
                    [
                        (weights[:, row, :, : len(solution.truth)].numpy(), solution)
                        for row, (_, solution) in enumerate(self._samples)
                    ]
                )
            else:
                scores = np.full(maps.shape[:2], np.nan)
        loss = float(np.mean(self._losses)) if self._losses else float("nan")
        self._losses.clear()
        levels = (maps[:, :, task.watched_queries(self.text)] * LEVELS).round().to(torch.uint8).numpy()
        return Frame(self.training.step, loss, float(right.float().mean()), scores, levels)


# --- a folder that the training's process writes and the server reads -------------------------------------------------


def write_frame(folder: Path, frame: Frame) -> None:
    """Write a frame, so that a reader finds a complete file or none.

    Raises:
        CannotWrite: the disk refuses the file.
    """
    with writing(folder):
        folder.mkdir(exist_ok=True)
        with whole_files(folder / FRAMES) as part, (part / f"{frame.step:08}.npz").open("wb") as file:
            np.savez(file, **vars(frame))


def read_frames(folder: Path, after: int = -1) -> list[Frame]:
    """Return the frames of a folder after the step `after`, oldest first."""
    found = []
    for path in sorted((folder / FRAMES).glob("*.npz")):
        if int(path.stem) > after:
            with suppress(FileNotFoundError), np.load(path, allow_pickle=False) as file:  # deleted meanwhile
                found.append(
                    Frame(int(file["step"]), float(file["loss"]), float(file["accuracy"]), file["scores"], file["maps"])
                )
    return found


def _delete_frames_after(folder: Path, step: int) -> None:
    """Delete the frames after the checkpoint: a training that was killed repeats their steps."""
    for path in (folder / FRAMES).glob("*.npz"):
        if int(path.stem) > step:
            path.unlink()


class _Stop:
    """Whether this process was asked to end, by a signal or by a closed standard input."""

    def __init__(self, *, with_input: bool) -> None:
        self.asked = threading.Event()
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)
        if with_input:
            threading.Thread(target=self._until_closed, daemon=True).start()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked.set()

    def _until_closed(self) -> None:
        sys.stdin.read()
        self.asked.set()


def _save(folder: Path, training: Training, frame: Frame) -> None:
    """Write a frame and a checkpoint. A folder that was deleted meanwhile is made again, also in the middle of both."""
    for last in (False, True):
        try:
            write_frame(folder, frame)
            training.save_checkpoint(folder)
            return
        except CannotWrite:
            if last or folder.exists() or not folder.parent.is_dir():
                raise


def record(task: Task, folder: Path, *, text: str = "", every: int = EVERY, stop: _Stop, **settings: Any) -> bool:
    """Train in a folder, from its checkpoint if it has one, and write frames; return whether the training finished.

    Raises:
        HeadlightError: the settings make no network, the folder contains another training, or the disk refuses a file.
    """
    training = start_or_resume(task, change_settings(task.settings, **settings), folder)
    recorder = Recorder(training, text)
    make_folder(folder)
    remove_parts(folder / FRAMES)
    _delete_frames_after(folder, training.step)
    if not training.step:
        write_frame(folder, recorder.frame())
    while not training.finished and not stop.asked.is_set():
        recorder.advance()
        if training.step % every == 0 or training.finished:
            _save(folder, training, recorder.frame())
    if not training.finished:
        training.save_checkpoint(folder)
        return False
    frames = read_frames(folder)
    training.save(folder)
    # Last, because the server takes a folder with a recording for a finished training.
    Recording.of(task.name, recorder.text, training.settings.steps, frames).thin().save(folder / RECORDING)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return True


def main(arguments: list[str] | None = None) -> int:
    """Record a training; return the exit code."""
    command = argparse.ArgumentParser(prog=f"python -m {module_name('analysis.recording')}", description=__doc__)
    command.add_argument("task", metavar="TASK", help=", ".join(TASKS))
    command.add_argument("--out", type=Path, required=True, help="the folder to train in")
    command.add_argument("--text", default="", help="the text to watch (default: the task's first example)")
    command.add_argument("--every", type=int, default=EVERY, help="steps from frame to frame")
    command.add_argument("--while-input-is-open", action="store_true", help="stop when standard input is closed")
    settings_arguments(command)
    given = vars(command.parse_args(arguments))
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(1)  # like models.train, so that both make the same weights
    stop = _Stop(with_input=given.pop("while_input_is_open"))
    try:
        task, folder = task_named(given.pop("task")), given.pop("out")
        record(task, folder, text=given.pop("text"), every=max(1, given.pop("every")), stop=stop, **given)
    except HeadlightError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
