"""Live trainings, each in a child process (docs/decisions/0011): start, monitor, stop and resume them.

A training runs as long as its visitor's page shows it. When it stops, it leaves a checkpoint in its folder, and the
same command resumes from there to the same weights. The folder is deleted when the visitor starts another training, or
has been away for KEEP_SECONDS.
"""

from __future__ import annotations

import atexit
import threading
from functools import cache

from ui.services.jobs import WATCH_TIMEOUT_SECONDS
from ui.services.settings import trainings_at_once
from ui.services.training_folders import ServerFolder, sweep
from ui.services.training_process import FAILED, FINISHED, RUNNING, STOPPED, STOPPING, NoTraining, TrainingProcess
from ui.services.training_requests import LONGEST_TEXT, TrainingRequest, make_request

__all__ = [
    "FAILED",
    "FINISHED",
    "LONGEST_TEXT",
    "RUNNING",
    "STOPPED",
    "STOPPING",
    "NoTraining",
    "TrainingProcess",
    "TrainingRequest",
    "Trainings",
    "make_request",
    "trainings",
]

# A stopped training that no page shows is deleted after this time.
KEEP_SECONDS = 3600.0
# The most stopped trainings, over all visitors: a folder takes about a megabyte.
MOST_STOPPED = 40
CHECK_SECONDS = 1.0


class Trainings:
    """The trainings of all visitors, one each. A visitor cannot see another visitor's training."""

    def __init__(self) -> None:
        self._of_visitor: dict[str, TrainingProcess] = {}
        self._lock = threading.RLock()
        self._monitor: threading.Thread | None = None
        self._folder = ServerFolder()
        self._closed = False
        sweep()
        atexit.register(self.close)

    def of(self, visitor: str) -> TrainingProcess | None:
        """Return a visitor's training, and note that the visitor's page shows it."""
        with self._lock:
            training = self._of_visitor.get(visitor)
            if training is not None:
                training.watch()
            return training

    def start(self, request: TrainingRequest, visitor: str) -> TrainingProcess:
        """Start a training, which replaces the visitor's previous one.

        Raises:
            NoTraining: the server already runs as many trainings as it may, or is shutting down.
            CannotWrite: the disk has no room for its folder.
        """
        with self._lock:
            self._check_room(visitor)
            self.delete(visitor)
            training = TrainingProcess(request, self._folder)
            self._of_visitor[visitor] = training
            training.start()
            self._start_monitor()
            return training

    def resume(self, visitor: str) -> None:
        """Resume a visitor's stopped or failed training.

        Raises:
            NoTraining: the server already runs as many trainings as it may, or the training was deleted.
        """
        with self._lock:
            training = self._of_visitor.get(visitor)
            if training is None:
                raise NoTraining("This training was deleted because no page has shown it for an hour: start it again.")
            if training.status in (RUNNING, FINISHED):
                return
            self._check_room(visitor)
            training.start()
            self._start_monitor()

    def delete(self, visitor: str) -> None:
        """End and delete a visitor's training, if there is one."""
        with self._lock:
            training = self._of_visitor.pop(visitor, None)
        if training is not None:
            training.delete()

    def close(self) -> None:
        """End and delete all trainings, and refuse new ones."""
        with self._lock:
            self._closed = True
            for visitor in list(self._of_visitor):
                self.delete(visitor)
            self._folder.close()

    def _check_room(self, visitor: str) -> None:
        if self._closed:
            raise NoTraining("This server is shutting down: start the training when it is back.")
        most = trainings_at_once()
        if not most:
            raise NoTraining("This server starts no trainings (HEADLIGHT_TRAININGS=0): watch the recorded ones.")
        running = sum(
            training.status in (RUNNING, STOPPING) for other, training in self._of_visitor.items() if other != visitor
        )
        if running >= most:
            raise NoTraining(
                f"This server already runs {running} training{'s' if running > 1 else ''}, which is its limit: "
                "watch a recorded one, and try again in a minute."
            )

    def _start_monitor(self) -> None:
        """Start the thread that calls `tidy`, if it does not run; it ends when there are no trainings."""
        if self._monitor is None or not self._monitor.is_alive():
            self._monitor = threading.Thread(target=self._tidy_repeatedly, name="headlight-trainings", daemon=True)
            self._monitor.start()

    def _tidy_repeatedly(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(CHECK_SECONDS)
            with self._lock:
                if not self._of_visitor:
                    self._monitor = None
                    return
                self.tidy()

    def tidy(self) -> None:
        """Stop trainings that no page shows, kill hanging ones, and delete those whose visitors did not come back."""
        with self._lock:
            for visitor, training in list(self._of_visitor.items()):
                status = training.status
                if status == RUNNING and training.seconds_unwatched > WATCH_TIMEOUT_SECONDS:
                    training.stop()
                training.kill_if_hanging()
                if status not in (RUNNING, STOPPING) and training.seconds_unwatched > KEEP_SECONDS:
                    self.delete(visitor)
            stopped = [
                (training.seconds_unwatched, visitor)
                for visitor, training in self._of_visitor.items()
                if training.status not in (RUNNING, STOPPING)
            ]
            for _, visitor in sorted(stopped, reverse=True)[: max(0, len(stopped) - MOST_STOPPED)]:
                self.delete(visitor)


@cache
def trainings() -> Trainings:
    """Return the trainings of all visitors. They are not in Streamlit's caches, which any visitor may clear."""
    return Trainings()
