"""One training: a child process in a folder of its own, stopped and gone on with.

What the process writes to its standard error comes through a pipe, so that a full disk does not swallow the sentence
that says so.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import signal
import subprocess
import threading
import zipfile
from collections import deque
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import IO
from uuid import uuid4

from analysis.recording import RECORDING, Frame, read_frames
from models.errors import HeadlightError
from models.scratch.training import CHECKPOINT
from ui.services.training_folders import ServerFolder
from ui.services.training_requests import Order

log = logging.getLogger("headlight.ui")

RUNNING, STOPPING, STOPPED, FINISHED, FAILED = "running", "stopping", "stopped", "finished", "failed"
# A child that was asked to end takes a step and writes a checkpoint; longer means that it hangs.
GRACE_SECONDS = 20.0
# Beneath every page: a step more or less a second is nothing, a page that answers late is.
LOWER_PRIORITY = 5
# What is kept of the lines that a process writes: the last one is its sentence, those before are for the log.
MOST_LINES = 50
DELETED = "The folder of this training was deleted on the server, and its checkpoint with it: start it again."
_ROOT = Path(__file__).parents[2]


class NoTraining(HeadlightError):
    """A training cannot start or go on now."""


class Training:
    """One training of one visitor, in a folder of its own."""

    def __init__(self, order: Order, server: ServerFolder) -> None:
        self.order = order
        self.name = uuid4().hex
        self.folder = server.make(self.name)
        self._server = server
        self._said: deque[str] = deque(maxlen=MOST_LINES)
        self._listener: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: float | None = None
        self._watched = monotonic()
        self._frames: list[Frame] = []
        self._lock = threading.Lock()

    def go_on(self) -> None:
        """Start the process, or start it again from its checkpoint; none runs twice.

        Raises:
            NoTraining: its folder was deleted.
        """
        with self._lock:
            if self._process is not None:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(GRACE_SECONDS if self._asked else 0)
                if self._process.poll() is None:
                    return
            if self.deleted:
                raise NoTraining(DELETED)
            self._asked = None
            self._watched = monotonic()
            self._close_pipe()
            self._said.clear()
            self._process = subprocess.Popen(
                self.order.command(self.folder),
                cwd=_ROOT,
                stdin=subprocess.PIPE,  # held by this server alone: the child ends with it, however it ends
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=self._server.inherited,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            self._listener = threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True)
            self._listener.start()
            if hasattr(os, "setpriority"):
                with suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, self._process.pid, LOWER_PRIORITY)

    def _listen(self, pipe: IO[bytes]) -> None:
        """Take what the process writes, so that it never waits for a reader."""
        with pipe:
            for line in pipe:
                self._said.append(line.decode("utf-8", errors="replace").rstrip())

    @property
    def deleted(self) -> bool:
        """Whether somebody, such as a cleaner of temporary files, deleted its folder or the checkpoint in it."""
        # A frame is written before the checkpoint of its step, so that only a second one tells of a checkpoint.
        started = bool(self._frames) and self._frames[-1].step > self.order.every
        saved = any((self.folder / name).exists() for name in (CHECKPOINT, RECORDING))
        return not self.folder.exists() or (started and not saved)

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
        if self.deleted:
            return FAILED
        if code == 0:
            return FINISHED if (self.folder / RECORDING).exists() else STOPPED
        # Asked before it could listen, while it was still importing, or killed because it did not answer.
        return STOPPED if self._asked is not None and code in (-signal.SIGTERM, -signal.SIGKILL) else FAILED

    @property
    def problem(self) -> str:
        """Return why it failed, in one sentence."""
        if self._listener is not None and self._code() is not None:
            self._listener.join(1.0)  # the last line may still be on its way
        lines = [line for line in self._said if line]
        if self._code() == 2 and lines:
            return lines[-1]
        if self.deleted:
            return DELETED
        log.error("a training of %s ended with %s: %s", self.order.task, self._code(), "\n".join(lines))
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
                if path.is_file() and path.name != CHECKPOINT:
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
            self._close_pipe()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
