"""Work that outlasts a rerun: done in a thread of its own, watched and stopped by visitors, shared by those who ask.

A job runs as long as somebody watches it: the page of each visitor says so every time it looks. Who stops it or
closes the tab watches no longer, and the last one to go ends the work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar

Result = TypeVar("Result")
Progress = Callable[[int, int], None]
# A page looks about once a second; a browser puts off the timers of a hidden tab for up to a minute.
PATIENCE = 90.0


class Stopped(Exception):
    """Raised inside the work when nobody watches it any more."""


class Job(Generic[Result]):
    """One piece of work: `work(progress)` calls `progress(done, total)` as it goes, and returns the result."""

    def __init__(self, work: Callable[[Progress], Result], *, n_bytes: int = 0, seconds: float | None = None) -> None:
        self.n_bytes = n_bytes
        self.done, self.total = 0, 0
        self._expected = seconds
        self._started = monotonic()
        self._first: tuple[float, int] | None = None  # when the first part was done, and how many there were then
        self._watchers: dict[str, float] = {}
        self._left = threading.Event()
        self._finished = threading.Event()
        self._result: Result | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, args=(work,), name="headlight-job", daemon=True).start()

    def _run(self, work: Callable[[Progress], Result]) -> None:
        try:
            self._result = work(self._progress)
        except BaseException as error:
            self._error = error.with_traceback(None) if isinstance(error, Stopped) else error
        finally:
            self._finished.set()

    def _progress(self, done: int, total: int) -> None:
        if self._first is None:
            self._first = (monotonic(), done)
        self.done, self.total = done, total
        if self._left.is_set() or (self._watchers and monotonic() - max(self._watchers.values()) > PATIENCE):
            raise Stopped

    def watch(self, visitor: str) -> None:
        """Say that a visitor looks at this job now."""
        self._watchers[visitor] = monotonic()

    def leave(self, visitor: str) -> None:
        """Take a visitor's interest back; the work ends with the last one's."""
        self._watchers.pop(visitor, None)
        if not self._watchers:
            self._left.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, so long at most, None for as long as it takes; return whether it has come."""
        return self._finished.wait(seconds)

    @property
    def finished(self) -> bool:
        """Whether the work has ended, one way or another."""
        return self._finished.is_set()

    @property
    def stopped(self) -> bool:
        """Whether it was ended because nobody watched it, or soon will be."""
        return isinstance(self._error, Stopped) or (self._left.is_set() and self._result is None)

    @property
    def failed(self) -> bool:
        """Whether the work raised an error of its own, not `Stopped`."""
        return self._error is not None and not isinstance(self._error, Stopped)

    @property
    def seconds_left(self) -> float | None:
        """How long it will still take: from what parts took so far, else from what was expected; None if unknown.

        What came before the first part was done (reading the text, waiting for another pass) says nothing of parts.
        """
        now = monotonic()
        if self._first is not None and self.done > self._first[1]:
            since, done = self._first
            return (now - since) / (self.done - done) * (self.total - self.done)
        if self._expected is None:
            return None
        left = 1 - self.done / self.total if self.total else 1.0
        return max(0.0, left * self._expected - (now - (self._first[0] if self._first else self._started)))

    def result(self) -> Result:
        """Return what the finished work returned, or raise what it raised.

        Raises:
            Stopped: nobody watched it to the end.
        """
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result


class Jobs(Generic[Result]):
    """Jobs by key: whoever asks for the same work gets the same job. Finished ones are kept while they fit.

    At most `most` jobs and `most_bytes` are kept (the last one in any case), the least recently asked for dropped.
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
            self._jobs[key] = job  # now the most recent one
            return job

    def ask(self, key: Hashable, start: Callable[[], Job[Result]], visitor: str) -> Job[Result]:
        """Return the job of a key, watched by the visitor; it is started if there is none."""
        with self._lock:
            job = self._jobs.pop(key, None)
            if job is None or job.stopped:
                job = start()
            job.watch(visitor)
            self._jobs[key] = job
            self._drop()
            return job

    def forget(self, key: Hashable) -> None:
        """Drop a job, so that whoever asks again starts it anew."""
        with self._lock:
            self._jobs.pop(key, None)

    def _drop(self) -> None:
        for key, job in list(self._jobs.items())[:-1]:
            n_bytes = sum(other.n_bytes for other in self._jobs.values())
            if job.finished and (len(self._jobs) > self._most or n_bytes > self._most_bytes()):
                del self._jobs[key]
