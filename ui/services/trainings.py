"""Trainings that visitors start: a child process each (docs/decisions/0011), bounded, watched, stopped, gone on with.

A training runs as long as its visitor's page looks at it. Stopped, it leaves a checkpoint in a folder of its own, from
which the same command goes on to the same weights; the folder is deleted when its visitor starts another or is gone.
"""

from __future__ import annotations

import atexit
import threading
from functools import cache

from ui.services.jobs import WATCH_TIMEOUT_SECONDS
from ui.services.settings import trainings_at_once
from ui.services.training_folders import ServerFolder, sweep
from ui.services.training_process import FAILED, FINISHED, RUNNING, STOPPED, STOPPING, NoTraining, Training
from ui.services.training_requests import LONGEST_TEXT, Order, ordered

__all__ = [
    "FAILED",
    "FINISHED",
    "LONGEST_TEXT",
    "RUNNING",
    "STOPPED",
    "STOPPING",
    "NoTraining",
    "Order",
    "Training",
    "Trainings",
    "ordered",
    "trainings",
]

# A stopped training that nobody looks at any more keeps its folder so long, in seconds.
KEPT_SECONDS = 3600.0
# Stopped ones at most, over all visitors: a folder is about a megabyte.
MOST_KEPT = 40
LOOK_SECONDS = 1.0


class Trainings:
    """The trainings of all visitors, one each; none sees another's."""

    def __init__(self) -> None:
        self._of: dict[str, Training] = {}
        self._lock = threading.RLock()
        self._keeper: threading.Thread | None = None
        self._folder = ServerFolder()
        self._closed = False
        sweep()
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
            NoTraining: as many as this server takes are running, or it is ending.
            CannotWrite: there is no room for its folder on the disk.
        """
        with self._lock:
            self._room(visitor)
            self.put_away(visitor)
            training = Training(order, self._folder)
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
        """End and delete all, and start no more."""
        with self._lock:
            self._closed = True
            for visitor in list(self._of):
                self.put_away(visitor)
            self._folder.close()

    def _room(self, visitor: str) -> None:
        if self._closed:
            raise NoTraining("This server is ending: start the training when it is back.")
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
                if status == RUNNING and training.unwatched > WATCH_TIMEOUT_SECONDS:
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
