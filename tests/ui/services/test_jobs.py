"""Jobs: visitors share them, watch them and stop them by leaving; jobs that no longer fit are dropped."""

import threading

import pytest

from ui.services import jobs
from ui.services.jobs import Job, Jobs, Stopped

SECONDS = 20


class Steps:
    """Work whose steps the test releases one by one."""

    def __init__(self, total: int = 3) -> None:
        self.total = total
        self.free = threading.Semaphore(0)
        self.reached = 0

    def __call__(self, progress) -> str:
        for done in range(1, self.total + 1):
            assert self.free.acquire(timeout=SECONDS)
            self.reached = done
            progress(done, self.total)
        return "all"

    def finish(self) -> None:
        for _ in range(self.total):
            self.free.release()


def test_a_job_reports_its_progress_and_returns_its_result():
    steps = Steps()
    job = Job(steps, seconds=10.0)
    job.watch("ann")
    assert not job.finished
    assert 0 < job.seconds_left <= 10
    steps.finish()
    assert job.wait(SECONDS)
    assert (job.done, job.total, job.result()) == (3, 3, "all")
    assert job.seconds_left == 0


def test_the_time_before_the_first_part_does_not_count_as_speed(monkeypatch):
    """A pass over 512 tokens whose text took 10 s to read has 0.1 s left, not 20 s."""
    clock, reports = [100.0], [(10.0, 1), (0.5, 2), (0.5, 3), (0.5, 6)]
    monkeypatch.setattr(jobs, "monotonic", lambda: clock[0])
    left: list[float | None] = []

    def work(progress) -> str:
        for seconds, done in reports:
            clock[0] += seconds
            progress(done, 6)
            left.append(job.seconds_left)
        return "all"

    def ready(progress) -> str:
        assert made.wait(SECONDS)
        return work(progress)

    made = threading.Event()
    job = Job(ready, seconds=3.0)
    assert job.seconds_left == 3.0
    made.set()
    assert job.wait(SECONDS)
    assert job.result() == "all"
    assert left == [2.5, 2.0, 1.5, 0.0]
    left.clear()
    made.clear()
    job = Job(ready)  # without an expected time
    assert job.seconds_left is None
    made.set()
    assert job.wait(SECONDS)
    assert left == [None, 2.0, 1.5, 0.0]


def test_the_work_ends_when_the_last_visitor_leaves():
    steps = Steps()
    job = Job(steps)
    job.watch("ann")
    job.watch("bob")
    job.leave("ann")
    assert not job.stopped
    job.leave("bob")
    assert job.stopped
    steps.finish()
    assert job.wait(SECONDS)
    assert steps.reached == 1
    with pytest.raises(Stopped):
        job.result()


def test_work_that_nobody_watches_ends(monkeypatch):
    monkeypatch.setattr(jobs, "WATCH_TIMEOUT_SECONDS", 0.0)
    steps = Steps()
    job = Job(steps)
    job.watch("a tab that was closed")
    steps.finish()
    assert job.wait(SECONDS)
    assert job.stopped
    assert steps.reached == 1


def test_two_visitors_who_request_the_same_get_the_same_job():
    shared, steps = Jobs(5, lambda: 1e9), Steps()
    first = shared.find_or_start("key", lambda: Job(steps), "ann")
    assert shared.find_or_start("key", lambda: pytest.fail("started twice"), "bob") is first
    first.leave("ann")
    steps.finish()
    assert first.wait(SECONDS)
    assert shared.find("key").result() == "all"


def test_a_stopped_job_is_replaced_and_a_failed_one_only_when_it_is_forgotten():
    shared, steps = Jobs(5, lambda: 1e9), Steps()
    stopped = shared.find_or_start("key", lambda: Job(steps), "ann")
    stopped.leave("ann")
    assert shared.find("key") is None
    steps.finish()

    def fail(progress):
        raise ValueError("no")

    failed = shared.find_or_start("key", lambda: Job(fail), "ann")
    assert failed is not stopped
    assert failed.wait(SECONDS)
    assert shared.find("key") is failed
    with pytest.raises(ValueError, match="no"):
        failed.result()
    shared.forget("key")
    assert shared.find("key") is None


def finished(n_bytes: int) -> Job[str]:
    job = Job(lambda progress: "done", n_bytes=n_bytes)
    assert job.wait(SECONDS)
    return job


def test_jobs_that_no_longer_fit_are_dropped_the_least_recently_requested_first():
    shared: Jobs[str] = Jobs(3, lambda: 100.0)
    for name, n_bytes in (("a", 40), ("b", 40)):
        shared.find_or_start(name, lambda n_bytes=n_bytes: finished(n_bytes), "ann")
    shared.find("a")
    shared.find_or_start("c", lambda: finished(40), "ann")
    assert [name for name in "abc" if shared.find(name)] == ["a", "c"]
    # A job that is larger than all the room stays while it is the newest.
    shared.find_or_start("d", lambda: finished(1000), "ann")
    assert [name for name in "abcd" if shared.find(name)] == ["d"]


def test_a_running_job_is_never_dropped():
    shared, steps = Jobs(1, lambda: 0.0), Steps()
    running = shared.find_or_start("a", lambda: Job(steps, n_bytes=10), "ann")
    shared.find_or_start("b", lambda: finished(10), "ann")
    assert shared.find("a") is running
    steps.finish()
    assert running.wait(SECONDS)
