"""Trainings that visitors start: a child process each (docs/decisions/0011), bounded, watched, stopped, gone on with.

A training runs as long as its visitor's page looks at it. Stopped, it leaves a checkpoint in a folder of its own, from
which the same command goes on to the same weights; the folder is deleted when its visitor starts another or is gone.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import monotonic
from uuid import uuid4

from analysis.recording import EVERY, RECORDING, Frame, read_frames
from models.errors import HeadlightError, NoText
from models.tasks import Settings, task_named
from models.training import CHECKPOINT, changed
from ui.jobs import PATIENCE
from ui.settings import trainings_at_once

log = logging.getLogger("headlight.ui")

RUNNING, STOPPING, STOPPED, FINISHED, FAILED = "running", "stopping", "stopped", "finished", "failed"
# A stopped training that nobody looks at any more keeps its folder so long, in seconds.
KEPT_SECONDS = 3600.0
# Stopped ones at most, over all visitors: a folder is about a megabyte.
MOST_KEPT = 40
# A child that was asked to end takes a step and writes a checkpoint; longer means that it hangs.
GRACE_SECONDS = 20.0
LOOK_SECONDS = 1.0
MOST_FRAMES = 400
# Beneath every page: a step more or less a second is nothing, a page that answers late is.
LOWER_PRIORITY = 5
LONGEST_TEXT = 400
_ROOT = Path(__file__).parents[1]
_LOG = "log.txt"


class NoTraining(HeadlightError):
    """A training cannot start or go on now."""


@dataclass(frozen=True)
class Order:
    """What is trained, and the text that is watched."""

    task: str
    text: str
    settings: Settings

    @property
    def every(self) -> int:
        """Steps from frame to frame: some frames a second, and never more than a page should hold."""
        steps = self.settings.steps
        return max(1, min(EVERY, steps // 20), -(-steps // MOST_FRAMES))

    def command(self, folder: Path) -> list[str]:
        """Return the command that trains in a folder, and goes on there."""
        settings = self.settings
        return [
            *(sys.executable, "-m", "analysis.recording", self.task, "--out", str(folder), "--while-input-is-open"),
            *(f"--text={self.text}", f"--every={self.every}", f"--seed={settings.seed}", f"--steps={settings.steps}"),
            *(f"--batch-size={settings.batch_size}", f"--learning-rate={settings.learning_rate!r}"),
            *(f"--layers={settings.n_layers}", f"--heads={settings.n_heads}", f"--width={settings.d_model}"),
            *(f"--feedforward={settings.d_feedforward}", f"--positions={settings.positions}"),
            f"--dropout={settings.dropout!r}",
            *([] if settings.norm_first else ["--post-norm"]),
        ]


def ordered(name: str, text: str, **values: object) -> Order:
    """Return an order that can be trained.

    Raises:
        HeadlightError: the settings make no network, or the task cannot read the text, in one sentence.
    """
    task = task_named(name)
    settings = changed(task.settings, **values)
    if len(text) > LONGEST_TEXT:
        raise NoText(f"The text has {len(text):,} characters: choose one of {LONGEST_TEXT} at most.")
    task.watched(text)
    return Order(name, text, settings)


class Training:
    """One training of one visitor, in a folder of its own."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.name = uuid4().hex
        self.folder = Path(tempfile.mkdtemp(prefix="headlight-training-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: float | None = None
        self._watched = monotonic()
        self._frames: list[Frame] = []
        self._lock = threading.Lock()

    def go_on(self) -> None:
        """Start the process, or start it again from its checkpoint; none runs twice."""
        with self._lock:
            if self._process is not None:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(GRACE_SECONDS if self._asked else 0)
                if self._process.poll() is None:
                    return
            self._asked = None
            self._watched = monotonic()
            with (self.folder / _LOG).open("ab") as errors:
                self._process = subprocess.Popen(
                    self.order.command(self.folder),
                    cwd=_ROOT,
                    stdin=subprocess.PIPE,  # held by this server alone: the child ends with it, however it ends
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
            if hasattr(os, "setpriority"):
                with suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, self._process.pid, LOWER_PRIORITY)

    def stop(self) -> None:
        """Ask the process to write its checkpoint and end."""
        if self._process is not None and self._process.poll() is None and self._asked is None:
            self._asked = monotonic()
            self._process.terminate()

    def watch(self) -> None:
        """Say that the visitor looks at it now."""
        self._watched = monotonic()

    @property
    def unwatched(self) -> float:
        """Seconds since somebody looked."""
        return monotonic() - self._watched

    @property
    def status(self) -> str:
        """Which of the five it is: RUNNING, STOPPING, STOPPED, FINISHED, FAILED."""
        if self._process is None:
            return STOPPED
        code = self._process.poll()
        if code is None:
            return STOPPING if self._asked is not None else RUNNING
        if code == 0:
            return FINISHED if (self.folder / RECORDING).exists() else STOPPED
        # Asked before it could listen, while it was still importing, or killed because it did not answer.
        return STOPPED if self._asked is not None and code in (-signal.SIGTERM, -signal.SIGKILL) else FAILED

    @property
    def problem(self) -> str:
        """Return why it failed, in one sentence."""
        written = (self.folder / _LOG).read_text(encoding="utf-8", errors="replace") if self.folder.exists() else ""
        lines = written.strip().splitlines()
        if self._process is not None and self._process.poll() == 2 and lines:
            return lines[-1]
        log.error("a training of %s ended with %s: %s", self.order.task, self._code(), "\n".join(lines[-20:]))
        step = self._frames[-1].step if self._frames else 0
        return (
            f"The training ended unexpectedly after step {step:,}; Resume goes on from its last checkpoint, "
            "and the details are in the server's log."
        )

    def _code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def frames(self) -> list[Frame]:
        """Return all frames so far, oldest first."""
        with self._lock:
            self._frames += read_frames(self.folder, self._frames[-1].step if self._frames else -1)
            return list(self._frames)

    def model_zip(self) -> bytes:
        """Return the finished model as an archive of a folder that `load_model` opens once it is unpacked."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(self.folder.iterdir()):
                if path.is_file() and path.name not in (_LOG, CHECKPOINT):
                    archive.write(path, f"{self.order.task}/{path.name}")
        return buffer.getvalue()

    def end_if_hanging(self) -> None:
        """Kill a process that was asked to end and did not."""
        if self.status == STOPPING and self._asked is not None and monotonic() - self._asked > GRACE_SECONDS:
            assert self._process is not None
            self._process.kill()

    def put_away(self) -> None:
        """End the process at once and delete the folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            with suppress(OSError):
                self._process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Trainings:
    """The trainings of all visitors, one each; none sees another's."""

    def __init__(self) -> None:
        self._of: dict[str, Training] = {}
        self._lock = threading.RLock()
        self._keeper: threading.Thread | None = None
        atexit.register(self.close)

    def of(self, visitor: str) -> Training | None:
        """Return a visitor's training and take note that its page looks at it."""
        with self._lock:
            training = self._of.get(visitor)
            if training is not None:
                training.watch()
            return training

    def start(self, order: Order, visitor: str) -> Training:
        """Start a training in the place of the one that the visitor has.

        Raises:
            NoTraining: as many as this server takes are running.
        """
        with self._lock:
            self._room(visitor)
            self.put_away(visitor)
            training = Training(order)
            self._of[visitor] = training
            training.go_on()
            self._keep()
            return training

    def resume(self, visitor: str) -> None:
        """Go on with a visitor's stopped or failed training.

        Raises:
            NoTraining: as many as this server takes are running, or it was deleted.
        """
        with self._lock:
            training = self._of.get(visitor)
            if training is None:
                raise NoTraining("This training was put away since nobody looked at it for an hour: start it again.")
            if training.status in (RUNNING, FINISHED):
                return
            self._room(visitor)
            training.go_on()
            self._keep()

    def put_away(self, visitor: str) -> None:
        """End and delete a visitor's training, if there is one."""
        with self._lock:
            training = self._of.pop(visitor, None)
        if training is not None:
            training.put_away()

    def close(self) -> None:
        """End and delete all."""
        for visitor in list(self._of):
            self.put_away(visitor)

    def _room(self, visitor: str) -> None:
        most = trainings_at_once()
        if not most:
            raise NoTraining("This server starts no trainings (HEADLIGHT_TRAININGS=0): watch the recorded ones.")
        running = sum(
            training.status in (RUNNING, STOPPING) for other, training in self._of.items() if other != visitor
        )
        if running >= most:
            raise NoTraining(
                f"{running} training{'s run' if running > 1 else ' runs'} on this server already, as many as it takes "
                "at once: watch a recorded one, and try again in a minute."
            )

    def _keep(self) -> None:
        """See that somebody ends what nobody looks at, as long as there is anything."""
        if self._keeper is None or not self._keeper.is_alive():
            self._keeper = threading.Thread(target=self._look_after, name="headlight-trainings", daemon=True)
            self._keeper.start()

    def _look_after(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(LOOK_SECONDS)
            with self._lock:
                if not self._of:
                    self._keeper = None
                    return
                self.tidy()

    def tidy(self) -> None:
        """Stop what nobody watches, kill what hangs, delete what nobody came back to."""
        with self._lock:
            for visitor, training in list(self._of.items()):
                status = training.status
                if status == RUNNING and training.unwatched > PATIENCE:
                    training.stop()
                training.end_if_hanging()
                if status not in (RUNNING, STOPPING) and training.unwatched > KEPT_SECONDS:
                    self.put_away(visitor)
            resting = [(t.unwatched, visitor) for visitor, t in self._of.items() if t.status not in (RUNNING, STOPPING)]
            for _, visitor in sorted(resting, reverse=True)[: max(0, len(resting) - MOST_KEPT)]:
                self.put_away(visitor)


@cache
def trainings() -> Trainings:
    """Return the trainings of all visitors; not in Streamlit's caches, which any visitor may empty."""
    return Trainings()
