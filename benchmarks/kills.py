"""Kill servers and their trainings at random moments, by SIGKILL and SIGTERM; measure what is left and what is lost.

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
from benchmarks.kill_server import digest, small_request
from benchmarks.table import Report, met
from models.scratch.tasks import TASKS
from models.scratch.training import CHECKPOINT, Training

ROOT = Path(__file__).parents[1]
SEEDS = (1, 2, 3)
SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM}
# A training that is resumed imports torch and trains to its end: on a busy machine it took more than 60 s.
TIMEOUT_SECONDS = 240.0
APP_EVERY = 10


@dataclass
class Results:
    """The results of all kills of one kind."""

    moments: int = 0
    slowest_end: float = 0.0
    slowest_sweep: float = 0.0
    frames: int = 0
    checkpoints: int = 0
    same_weights: int = 0
    failures: list[str] = field(default_factory=list)


class Server:
    """A running `benchmarks.kill_server`, and everything that it has reported."""

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
            message = json.loads(line)
            if "ready" in message:
                self.ready.set()
            elif "done" in message or "refused" in message:
                self.done += 1
            else:
                if message["name"] != self.state.get("name"):
                    self.frames = {}
                self.frames |= {int(step): seen for step, seen in message["new"].items()}
                self.state = message

    def ask(self, what: dict[str, Any]) -> None:
        """Send a request and wait until it is done."""
        until(self.ready.is_set)
        before = self.done
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        until(lambda: self.done > before)


def until(condition: Callable[[], object]) -> float:
    """Wait until a condition holds; return the seconds, or infinity after TIMEOUT_SECONDS."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > TIMEOUT_SECONDS:
            return float("inf")
        time.sleep(0.01)
    return time.monotonic() - start


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def list_folders(temporary: Path, pid: int) -> tuple[list[Path], list[Path]]:
    """Return the folders of a server in the temporary folder, and those that other servers left."""
    mine = [path for path in temporary.iterdir() if f"-{pid}-" in path.name]
    return mine, [path for path in temporary.iterdir() if path not in mine]


@cache
def train_undisturbed(seed: int) -> tuple[str, dict[int, str]]:
    """Return the hashes of the weights and frames of a training in this process, which nothing kills."""
    wanted = small_request(seed)
    recorder = Recorder(Training(TASKS[wanted.task], wanted.settings), wanted.text)
    frames = {0: digest(recorder.frame())}
    while not recorder.training.finished:
        recorder.advance()
        if recorder.training.step % wanted.every == 0 or recorder.training.finished:
            frames[recorder.training.step] = digest(recorder.frame())
    with tempfile.TemporaryDirectory() as folder:
        recorder.training.save(Path(folder))
        return hashlib.sha256((Path(folder) / "model.safetensors").read_bytes()).hexdigest(), frames


def read_checkpoint_step(folder: Path) -> int:
    """Return the step of a folder's checkpoint; -1 if there is none, -2 if it cannot be read."""
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


def kill_server(server: Server, name: str, temporary: Path, found: Results) -> Server:
    """Kill a server with a training; return the next one, started at once."""
    child = server.state["pid"]
    server.process.send_signal(SIGNALS[name])
    start = time.monotonic()
    server.process.wait()
    following = Server(temporary)  # at once: the training's process may still be ending
    until(lambda: has_ended(child))
    found.slowest_end = max(found.slowest_end, time.monotonic() - start)
    if not has_ended(child):
        found.failures.append("a process outlived its server")
    until(following.ready.is_set)
    taken = until(lambda: not list_folders(temporary, following.process.pid)[1])
    found.slowest_sweep = max(found.slowest_sweep, taken)
    if left := list_folders(temporary, following.process.pid)[1]:
        found.failures.append(f"left: {[path.name for path in left]}")
    return following


def kill_training(server: Server, name: str, seed: int, found: Results) -> None:
    """Kill a training, resume it, and compare it with one that was never killed."""
    folder, child = Path(server.state["folder"]), server.state["pid"]
    reported, checkpoint = dict(server.frames), read_checkpoint_step(folder)
    with suppress(ProcessLookupError):
        os.kill(child, SIGNALS[name])
    until(lambda: server.state["status"] not in ("running", "stopping"))
    if server.state["status"] != "finished":
        after = read_checkpoint_step(folder)
        if after < checkpoint:
            found.failures.append(f"checkpoint of step {checkpoint} was reported, {after} is there")
        found.checkpoints += checkpoint >= 0
        server.ask({"resume": True})
        until(lambda: server.state["pid"] != child and server.state["status"] not in ("running", "stopping"))
    if server.state["status"] != "finished":
        found.failures.append(f"ended as {server.state['status']}")
        return
    weights, frames = train_undisturbed(seed)
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


def kill_app(name: str, dice: Random, temporary: Path, found: Results) -> None:
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
        found.slowest_end = max(found.slowest_end, until(lambda: all(map(has_ended, children))))
        if not all(map(has_ended, children)):
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


def kill_repeatedly(moments: int, *, with_app: bool = True, seed: int = 0) -> dict[tuple[str, str], Results]:
    """Kill `moments` times; return the results by what was killed and how."""
    torch.set_num_threads(1)  # as the trainings, whose weights are compared
    dice, found = Random(f"kills {seed}"), defaultdict[tuple[str, str], Results](Results)
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
    """Print what kills leave behind and what they lose."""
    found = kill_repeatedly(moments)
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
