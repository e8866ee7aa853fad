"""Work that outlasts a rerun of the page: it runs in its own thread, and visitors share, watch and stop it.

A job runs as long as somebody watches it. The page of each visitor calls `watch` every time it draws the progress.
A visitor who presses Stop or closes the tab no longer watches, and the job ends when nobody is left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar

Result = TypeVar("Result")
Progress = Callable[[int, int], None]
# A page calls `watch` about once a second, but browsers throttle the timers of a hidden tab to one per minute.
WATCH_TIMEOUT_SECONDS = 90.0


class Stopped(Exception):
    """Raised inside the work when nobody watches it any more."""


class Job(Generic[Result]):
    """One piece of work: `work(progress)` calls `progress(done, total)` as it goes, and returns the result.

    `n_bytes` is what the result takes in memory, and `seconds` how long the work is expected to take, if known.
    """

    def __init__(self, work: Callable[[Progress], Result], *, n_bytes: int = 0, seconds: float | None = None) -> None:
        self.n_bytes = n_bytes
        self.done, self.total = 0, 0
        self._expected_seconds = seconds
        self._started = monotonic()
        self._first_report: tuple[float, int] | None = None  # its time, and how many parts were done
        self._watchers: dict[str, float] = {}
        self._abandoned = threading.Event()
        self._finished = threading.Event()
        self._result: Result | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, args=(work,), name="headlight-job", daemon=True).start()

    def _run(self, work: Callable[[Progress], Result]) -> None:
        try:
            self._result = work(self._report)
        except BaseException as error:
            self._error = error.with_traceback(None) if isinstance(error, Stopped) else error
        finally:
            self._finished.set()

    def _report(self, done: int, total: int) -> None:
        if self._first_report is None:
            self._first_report = (monotonic(), done)
        self.done, self.total = done, total
        watchers = self._watchers.values()
        if self._abandoned.is_set() or (watchers and monotonic() - max(watchers) > WATCH_TIMEOUT_SECONDS):
            raise Stopped

    def watch(self, visitor: str) -> None:
        """Note that a visitor watches this job now."""
        self._watchers[visitor] = monotonic()

    def leave(self, visitor: str) -> None:
        """Note that a visitor no longer watches; the work ends when the last visitor leaves."""
        self._watchers.pop(visitor, None)
        if not self._watchers:
            self._abandoned.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most this many seconds (None: without limit); return whether the work has ended."""
        return self._finished.wait(seconds)

    @property
    def finished(self) -> bool:
        """Whether the work has ended, with a result, an error or `Stopped`."""
        return self._finished.is_set()

    @property
    def stopped(self) -> bool:
        """Whether the work ended because nobody watched it, or is about to end for this reason."""
        return isinstance(self._error, Stopped) or (self._abandoned.is_set() and self._result is None)

    @property
    def failed(self) -> bool:
        """Whether the work raised an error other than `Stopped`."""
        return self._error is not None and not isinstance(self._error, Stopped)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end, from the speed of the parts so far, else from the expected time; None if unknown.

        The time before the first part (reading the text, waiting for another forward pass) does not count as speed.
        """
        now = monotonic()
        if self._first_report is not None and self.done > self._first_report[1]:
            since, done = self._first_report
            return (now - since) / (self.done - done) * (self.total - self.done)
        if self._expected_seconds is None:
            return None
        share_left = 1 - self.done / self.total if self.total else 1.0
        since = self._first_report[0] if self._first_report else self._started
        return max(0.0, share_left * self._expected_seconds - (now - since))

    def result(self) -> Result:
        """Return what the finished work returned, or raise what it raised.

        Raises:
            Stopped: the work ended early because nobody watched it.
        """
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result


class Jobs(Generic[Result]):
    """Jobs by key: visitors who request the same work get the same job. Finished jobs stay while there is room.

    There is room for `most` jobs and `most_bytes()` bytes, and always for the newest job. The least recently requested
    job is dropped first.
    """

    def __init__(self, most: int, most_bytes: Callable[[], float]) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._jobs: dict[Hashable, Job[Result]] = {}
        self._lock = threading.Lock()

    def find(self, key: Hashable) -> Job[Result] | None:
        """Return the job of a key, None if there is none or it was stopped."""
        with self._lock:
            job = self._jobs.pop(key, None)
            if job is None or job.stopped:
                return None
            self._jobs[key] = job  # the dictionary's order is that of the requests
            return job

    def find_or_start(self, key: Hashable, start: Callable[[], Job[Result]], visitor: str) -> Job[Result]:
        """Return the job of a key, watched by the visitor; call `start` if there is none or it was stopped."""
        with self._lock:
            job = self._jobs.pop(key, None)
            if job is None or job.stopped:
                job = start()
            job.watch(visitor)
            self._jobs[key] = job
            self._drop_old()
            return job

    def forget(self, key: Hashable) -> None:
        """Drop a job, so that the next request starts a new one."""
        with self._lock:
            self._jobs.pop(key, None)

    def _drop_old(self) -> None:
        for key, job in list(self._jobs.items())[:-1]:
            n_bytes = sum(other.n_bytes for other in self._jobs.values())
            if job.finished and (len(self._jobs) > self._most or n_bytes > self._most_bytes()):
                del self._jobs[key]
