"""Kills at random moments: of a server and of its trainings, by SIGKILL and SIGTERM; what is left, and what is lost.

The server is mostly `benchmarks.kill_server`, which starts in seconds; one moment in ten is the app, in Chromium.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import psutil
import torch
from safetensors import SafetensorError, safe_open

from analysis.recording import FRAMES, Recorder, read_frames
from benchmarks.kill_server import digest, order
from benchmarks.table import Report, met
from models.scratch.tasks import TASKS
from models.scratch.training import CHECKPOINT, Training

ROOT = Path(__file__).parents[1]
SEEDS = (1, 2, 3)
SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM}
# Longer is a failure: a process that is killed while it imports torch on a busy machine needs 10 s.
PATIENCE = 60.0
APP_EVERY = 10


@dataclass
class Found:
    """What was found over all moments of one kind."""

    moments: int = 0
    slowest_end: float = 0.0
    slowest_sweep: float = 0.0
    frames: int = 0
    checkpoints: int = 0
    same_weights: int = 0
    failures: list[str] = field(default_factory=list)


class Server:
    """A running `benchmarks.kill_server`, and all that it has told."""

    def __init__(self, temporary: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.kill_server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        self.ready = threading.Event()
        self.done = 0
        self.state: dict[str, Any] = {}
        self.frames: dict[int, str] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            if "ready" in told:
                self.ready.set()
            elif "done" in told or "refused" in told:
                self.done += 1
            else:
                if told["name"] != self.state.get("name"):
                    self.frames = {}
                self.frames |= {int(step): seen for step, seen in told["new"].items()}
                self.state = told

    def ask(self, what: dict[str, Any]) -> None:
        """Give an order and wait until it is done."""
        until(self.ready.is_set)
        before = self.done
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        until(lambda: self.done > before)


def until(condition: Callable[[], object]) -> float:
    """Wait until something holds; return the seconds that it took, infinity where it took too long."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > PATIENCE:
            return float("inf")
        time.sleep(0.01)
    return time.monotonic() - start


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def files_of(temporary: Path, pid: int) -> tuple[list[Path], list[Path]]:
    """Return what stands in the temporary folder: a server's own, and what is left of others."""
    mine = [path for path in temporary.iterdir() if f"-{pid}-" in path.name]
    return mine, [path for path in temporary.iterdir() if path not in mine]


@cache
def never_killed(seed: int) -> tuple[str, dict[int, str]]:
    """Return the digests of weights and frames of a training in this process."""
    wanted = order(seed)
    recorder = Recorder(Training(TASKS[wanted.task], wanted.settings), wanted.text)
    frames = {0: digest(recorder.frame())}
    while not recorder.training.finished:
        recorder.advance()
        if recorder.training.step % wanted.every == 0 or recorder.training.finished:
            frames[recorder.training.step] = digest(recorder.frame())
    with tempfile.TemporaryDirectory() as folder:
        recorder.training.save(Path(folder))
        return hashlib.sha256((Path(folder) / "model.safetensors").read_bytes()).hexdigest(), frames


def checkpoint_of(folder: Path) -> int:
    """Return the step of a folder's checkpoint, -1 where there is none."""
    try:
        with safe_open(folder / CHECKPOINT, framework="pt") as file:
            return int(file.metadata()["step"])
    except FileNotFoundError:
        return -1
    except SafetensorError as error:
        return -1 if "No such file" in str(error) else -2


def wait_for_moment(server: Server, dice: Random) -> None:
    """Wait to a random moment: while the process starts, while it trains and saves, or when it has just ended."""
    if dice.random() < 0.3:
        time.sleep(dice.uniform(0, 3))
        return
    until(lambda: server.frames)
    time.sleep(dice.uniform(0, 1.5))


def kill_server(server: Server, name: str, temporary: Path, found: Found) -> Server:
    """Kill a server with a training; return the next one, started at once."""
    child = server.state["pid"]
    server.process.send_signal(SIGNALS[name])
    start = time.monotonic()
    server.process.wait()
    following = Server(temporary)  # at once: the training's process may still be ending
    until(lambda: gone(child))
    found.slowest_end = max(found.slowest_end, time.monotonic() - start)
    if not gone(child):
        found.failures.append("a process outlived its server")
    until(following.ready.is_set)
    taken = until(lambda: not files_of(temporary, following.process.pid)[1])
    found.slowest_sweep = max(found.slowest_sweep, taken)
    if left := files_of(temporary, following.process.pid)[1]:
        found.failures.append(f"left: {[path.name for path in left]}")
    return following


def kill_training(server: Server, name: str, seed: int, found: Found) -> None:
    """Kill a training, go on with it, and compare it with one that was never killed."""
    folder, child = Path(server.state["folder"]), server.state["pid"]
    reported, checkpoint = dict(server.frames), checkpoint_of(folder)
    with suppress(ProcessLookupError):
        os.kill(child, SIGNALS[name])
    until(lambda: server.state["status"] not in ("running", "stopping"))
    if server.state["status"] != "finished":
        after = checkpoint_of(folder)
        if after < checkpoint:
            found.failures.append(f"checkpoint of step {checkpoint} was reported, {after} is there")
        found.checkpoints += checkpoint >= 0
        server.ask({"resume": True})
        until(lambda: server.state["pid"] != child and server.state["status"] not in ("running", "stopping"))
    if server.state["status"] != "finished":
        found.failures.append(f"ended as {server.state['status']}")
        return
    weights, frames = never_killed(seed)
    on_disk = {frame.step: digest(frame) for frame in read_frames(folder)}
    found.frames += len(reported)
    if server.frames != frames or on_disk != frames or not reported.items() <= frames.items():
        found.failures.append(f"frames of seed {seed} are lost or differ")
    if hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() == weights:
        found.same_weights += 1
    else:
        found.failures.append(f"weights of seed {seed} differ")
    expected = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "training.json"}
    if left := {path.name for path in folder.iterdir()} - expected - {FRAMES, "recording.npz"}:
        found.failures.append(f"left in the folder: {left}")


def kill_app(name: str, dice: Random, temporary: Path, found: Found) -> None:
    """Kill the app while a page trains, and start it again."""
    from playwright.sync_api import sync_playwright

    from benchmarks.browser import chromium, new_page
    from tests.helpers.app_server import start_app

    temporary.mkdir()
    log = temporary.parent / "app.txt"
    with sync_playwright() as playwright, chromium(playwright) as browser:
        app, url = start_app(log, TMPDIR=str(temporary))
        page = new_page(browser)
        page.goto(f"{url}/watch?layers=1&heads=2&width=8&steps=2000")
        page.get_by_role("button", name="Start training").click(timeout=60_000)
        until(lambda: psutil.Process(app.pid).children())
        children = [child.pid for child in psutil.Process(app.pid).children()]
        time.sleep(dice.uniform(0, 8))
        app.send_signal(SIGNALS[name])
        app.wait()
        found.slowest_end = max(found.slowest_end, until(lambda: all(map(gone, children))))
        if not all(map(gone, children)):
            found.failures.append("a process outlived the app")
        app, url = start_app(log, TMPDIR=str(temporary))
        page.goto(f"{url}/watch")
        page.get_by_role("button", name="Start training").wait_for(timeout=60_000)
        taken = until(lambda: not list(temporary.iterdir()))
        found.slowest_sweep = max(found.slowest_sweep, taken)
        if left := [path.name for path in temporary.iterdir()]:
            found.failures.append(f"left: {left}")
        app.terminate()
        app.wait(20)
    temporary.rmdir()


def killed(moments: int, *, with_app: bool = True, seed: int = 0) -> dict[tuple[str, str], Found]:
    """Return what was found, by who was killed and how."""
    torch.set_num_threads(1)  # as the trainings, whose weights are compared
    dice, found = Random(f"kills {seed}"), defaultdict[tuple[str, str], Found](Found)
    with tempfile.TemporaryDirectory() as place:
        temporary = Path(place) / "server"
        temporary.mkdir()
        server = Server(temporary)
        for moment in range(moments):
            name = ("SIGKILL", "SIGTERM")[moment // 2 % 2]
            if with_app and moment % APP_EVERY == APP_EVERY - 1:
                kind = found["the app", ("SIGKILL", "SIGTERM")[moment // APP_EVERY % 2]]
                kind.moments += 1
                kill_app(("SIGKILL", "SIGTERM")[moment // APP_EVERY % 2], dice, Path(place) / "app", kind)
                continue
            number = dice.choice(SEEDS)
            server.state = {}
            server.ask({"start": number})
            until(lambda server=server: "pid" in server.state)
            wait_for_moment(server, dice)
            kind = found[("a server", "a training")[moment % 2], name]
            kind.moments += 1
            if moment % 2:
                kill_training(server, name, number, kind)
            else:
                server = kill_server(server, name, temporary, kind)
        server.process.terminate()
        server.process.wait()
        if left := list(temporary.iterdir()):
            found["a server", "SIGTERM"].failures.append(f"left at the end: {left}")
    return dict(found)


def main(report: Report, moments: int = 50) -> None:
    """Print what kills leave and lose."""
    found = killed(moments)
    rows = [
        (
            *kind,
            one.moments,
            f"{one.slowest_end:.1f} s" if one.slowest_end else "",
            f"{one.slowest_sweep:.1f} s" if one.slowest_sweep else "",
            one.frames or "",
            one.checkpoints or "",
            f"{one.same_weights} of {one.moments}" if kind[0] == "a training" else "",
            met(not one.failures) + "".join(f"; {failure}" for failure in one.failures),
        )
        for kind, one in sorted(found.items())
    ]
    header = (
        *("killed", "by", "moments", "slowest end of its processes", "slowest sweep after the next start"),
        *("frames reported before", "checkpoints reported before", "weights as never killed", "nothing left or lost"),
    )
    report.table("Kills at random moments", header, rows)
