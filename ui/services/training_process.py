"""One training: a child process with its own folder, which can be stopped and resumed.

The server reads what the process writes to its standard error through a pipe, so the sentence that says that the disk
is full does not need any space on that disk.
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
from time import monotonic
from typing import IO
from uuid import uuid4

from analysis.recording import RECORDING, Frame, read_frames
from models.errors import HeadlightError
from models.package import path_variables
from models.scratch.training import CHECKPOINT
from ui.services.training_folders import ServerFolder
from ui.services.training_requests import TrainingRequest

log = logging.getLogger("headlight.ui")

RUNNING, STOPPING, STOPPED, FINISHED, FAILED = "running", "stopping", "stopped", "finished", "failed"
# After SIGTERM the child finishes its step and writes a checkpoint. If that takes longer, the child hangs.
GRACE_SECONDS = 20.0
# The niceness of the child: nobody notices one training step more or less per second, but a slow page is noticed.
LOWER_PRIORITY = 5
# Lines of standard error that are kept: the last one is shown to the visitor, the others go into the log.
MOST_LINES = 50
DELETED = "The folder of this training was deleted on the server, and its checkpoint with it: start it again."


class NoTraining(HeadlightError):
    """A training cannot start or resume now."""


class TrainingProcess:
    """One training of one visitor, with its own folder."""

    def __init__(self, request: TrainingRequest, server: ServerFolder) -> None:
        self.request = request
        self.name = uuid4().hex
        self.folder = server.make(self.name)
        self._server = server
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._reader: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stop_time: float | None = None
        self._last_watched = monotonic()
        self._frames: list[Frame] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the process, or restart it from its checkpoint; do nothing if it still runs.

        Raises:
            NoTraining: its folder was deleted.
        """
        with self._lock:
            if self._process is not None:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(GRACE_SECONDS if self._stop_time else 0)
                if self._process.poll() is None:
                    return
            if self.deleted:
                raise NoTraining(DELETED)
            self._stop_time = None
            self._last_watched = monotonic()
            self._close_pipe()
            self._lines.clear()
            self._process = subprocess.Popen(
                self.request.command(self.folder),
                stdin=subprocess.PIPE,  # only this server has the other end, so the child notices when the server ends
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=self._server.inherited,
                env={**os.environ, **path_variables(), "OMP_NUM_THREADS": "1"},
            )
            self._reader = threading.Thread(target=self._read_lines, args=(self._process.stderr,), daemon=True)
            self._reader.start()
            if hasattr(os, "setpriority"):
                with suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, self._process.pid, LOWER_PRIORITY)

    def _read_lines(self, pipe: IO[bytes]) -> None:
        """Read what the process writes, so that it never blocks on a full pipe."""
        with pipe:
            for line in pipe:
                self._lines.append(line.decode("utf-8", errors="replace").rstrip())

    @property
    def deleted(self) -> bool:
        """Whether somebody, such as a cleaner of temporary files, deleted its folder or the checkpoint in it."""
        # The process writes a frame before the checkpoint of the same step: only a second frame proves a checkpoint.
        started = bool(self._frames) and self._frames[-1].step > self.request.every
        saved = any((self.folder / name).exists() for name in (CHECKPOINT, RECORDING))
        return not self.folder.exists() or (started and not saved)

    def stop(self) -> None:
        """Send SIGTERM, so that the process writes its checkpoint and ends."""
        if self._process is not None and self._process.poll() is None and self._stop_time is None:
            self._stop_time = monotonic()
            self._process.terminate()

    def watch(self) -> None:
        """Note that the visitor's page shows the training now."""
        self._last_watched = monotonic()

    @property
    def seconds_unwatched(self) -> float:
        """Seconds since the visitor's page last showed it."""
        return monotonic() - self._last_watched

    @property
    def status(self) -> str:
        """One of RUNNING, STOPPING, STOPPED, FINISHED, FAILED."""
        if self._process is None:
            return STOPPED
        code = self._process.poll()
        if code is None:
            return STOPPING if self._stop_time is not None else RUNNING
        if self.deleted:
            return FAILED
        if code == 0:
            return FINISHED if (self.folder / RECORDING).exists() else STOPPED
        # SIGTERM came before the process had its handler, while it was importing, or it hung and was killed.
        return STOPPED if self._stop_time is not None and code in (-signal.SIGTERM, -signal.SIGKILL) else FAILED

    @property
    def problem(self) -> str:
        """Why it failed, in one sentence."""
        if self._reader is not None and self._exit_code() is not None:
            self._reader.join(1.0)  # the thread may not have read the last line yet
        lines = [line for line in self._lines if line]
        if self._exit_code() == 2 and lines:
            return lines[-1]
        if self.deleted:
            return DELETED
        log.error("a training of %s ended with %s: %s", self.request.task, self._exit_code(), "\n".join(lines))
        step = self._frames[-1].step if self._frames else 0
        return (
            f"The training ended unexpectedly after step {step:,}; Resume continues from its last checkpoint, "
            "and the details are in the server's log."
        )

    def _exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def frames(self) -> list[Frame]:
        """Return all frames so far, oldest first."""
        with self._lock:
            self._frames += read_frames(self.folder, self._frames[-1].step if self._frames else -1)
            return list(self._frames)

    def model_zip(self) -> bytes:
        """Return the finished model as a zip archive: `load_model` opens the unpacked folder."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(self.folder.iterdir()):
                if path.is_file() and path.name != CHECKPOINT:
                    archive.write(path, f"{self.request.task}/{path.name}")
        return buffer.getvalue()

    def kill_if_hanging(self) -> None:
        """Kill the process if it did not end within GRACE_SECONDS after `stop`."""
        if self.status == STOPPING and self._stop_time is not None and monotonic() - self._stop_time > GRACE_SECONDS:
            assert self._process is not None
            self._process.kill()

    def delete(self) -> None:
        """Kill the process and delete the folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._close_pipe()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
