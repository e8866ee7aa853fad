"""Processes of Python, forked from one that has imported all libraries: each starts in 0.1 s instead of 5 s of CPU.

What a fork cannot show is that a command starts; tests/headlight/test_installed.py and the tests named "real" or "in a
process of its own" start each command with the interpreter.
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import chdir
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.helpers.paths import ROOT

TIMEOUT_SECONDS = 250
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["analysis.recording", "models", "viz.cli.main", "headlight"])


def fork_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the trainings of a test start as forks; tests of the command itself do not use this."""
    _start_server()  # now, because its socket is in the temporary folder, which tests change
    names = {name: getattr(subprocess, name) for name in ("PIPE", "DEVNULL", "TimeoutExpired")}
    monkeypatch.setattr("ui.services.training_process.subprocess", SimpleNamespace(**names, Popen=Forked))


def run_python(
    *arguments: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Return what `python -c CODE` or `python -m MODULE` writes, and its exit code, less than 0 for a signal."""
    _start_server()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("out", "err")]
        process = _context.Process(target=_write_into, args=(arguments, files, cwd, env and dict(env)))
        _start(process)
        process.join(TIMEOUT_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, TIMEOUT_SECONDS)
        written = [file.read_text() if file.exists() else "" for file in files]
    return subprocess.CompletedProcess(arguments, process.exitcode, *written)


class Forked:
    """What is used of `subprocess.Popen`: pipes, or nothing, as the standard files."""

    def __init__(
        self,
        command: list[str],
        *,
        pass_fds: tuple[int, ...] = (),
        text: bool = False,
        env: Mapping[str, str] | None = None,
        **files: object,
    ) -> None:
        _start_server()
        ours, theirs = [], []
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            if files.get(name) != subprocess.PIPE:
                ours.append(None)
                theirs.append(Connection(os.open(os.devnull, os.O_RDWR)))
                continue
            ends = _context.Pipe(duplex=False)
            mine, its = ends if number else reversed(ends)
            ours.append(os.fdopen(os.dup(mine.fileno()), ("r" if number else "w") + ("" if text else "b")))
            theirs.append(its)
            mine.close()
        self.stdin, self.stdout, self.stderr = ours
        kept = [Connection(os.dup(number)) for number in pass_fds]
        arguments = [each for each in command[1:] if each != "-P"]
        self._process = _context.Process(
            target=_read_from, args=(arguments, theirs, kept, env and dict(env)), daemon=True
        )
        _start(self._process)
        self.pid = self._process.pid
        for each in (*theirs, *kept):
            each.close()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("a fork", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def _start_server() -> None:
    with chdir(ROOT):  # where it finds our modules
        forkserver.ensure_running()


def _start(process: BaseProcess) -> None:
    """Start a process that does not run the main module again, which a page under test may have replaced by itself."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        process.start()
    finally:
        sys.modules["__main__"] = main


def _write_into(arguments: list[str], files: list[Path], cwd: Path, env: dict[str, str] | None) -> None:
    outside = [os.open(file, os.O_WRONLY | os.O_CREAT) for file in files]
    os.chdir(cwd)
    _be(arguments, env, os.open(os.devnull, os.O_RDONLY), *outside)


def _read_from(
    arguments: list[str], files: list[Connection], kept: list[Connection], env: dict[str, str] | None
) -> None:
    del kept  # the process has the files open
    _be(arguments, env, *(file.fileno() for file in files))


def _be(arguments: list[str], env: dict[str, str] | None, *standard: int) -> None:
    """Be `python ARGUMENTS` from here on, with these files as standard input, output and error."""
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
    tempfile.tempdir = None  # it depends on the environment
    for number, file in enumerate(standard):
        os.dup2(file, number)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    option, what, *rest = arguments
    sys.argv = [option, *rest]
    try:
        if option == "-c":
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
        else:
            assert option == "-m"
            sys.modules.pop(what, None)  # as in a process that has just started
            runpy.run_module(what, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # a fork ends without them
