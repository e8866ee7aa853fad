"""A training's process, forked from one that has imported all libraries: it starts in 0.1 s instead of 5 s of CPU."""

import multiprocessing
import os
import subprocess
import sys
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from types import SimpleNamespace

import pytest

from models.package import run_module

MODULE = run_module("analysis.recording")
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["analysis.recording"])


def fork_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the trainings of a test start as forks; tests of the command itself do not use this."""
    forkserver.ensure_running()  # now, because its socket lies in the temporary folder, which tests change
    names = {name: getattr(subprocess, name) for name in ("PIPE", "DEVNULL", "TimeoutExpired")}
    monkeypatch.setattr("ui.services.training_process.subprocess", SimpleNamespace(**names, Popen=start))


def start(command: list[str], **options: object) -> "ForkedTraining | subprocess.Popen[bytes]":
    """Start what `subprocess.Popen` would start; another command than that of a training is started by it."""
    return (
        ForkedTraining(command[len(MODULE) :], **options)
        if command[: len(MODULE)] == MODULE
        else subprocess.Popen(command, **options)
    )


def run_code(code: str) -> int:
    """Run code in a fork that has imported all libraries; return the exit code, less than 0 for a signal."""
    process = _context.Process(target=exec, args=(code, {}))
    process.start()
    process.join(120)
    assert process.exitcode is not None, "the code did not end"
    return process.exitcode


class ForkedTraining:
    """What is used of `subprocess.Popen`, with a pipe as standard input and one as standard error."""

    def __init__(self, arguments: list[str], *, pass_fds: tuple[int, ...], **options: object) -> None:
        assert (options["stdin"], options["stderr"]) == (subprocess.PIPE, subprocess.PIPE)
        inside, into = _context.Pipe(duplex=False)
        out_of, outside = _context.Pipe(duplex=False)
        kept = [Connection(os.dup(number)) for number in pass_fds]
        self._process = _context.Process(target=run, args=(arguments, inside, outside, kept), daemon=True)
        self._process.start()
        self.pid = self._process.pid
        self.stdin = os.fdopen(os.dup(into.fileno()), "wb")
        self.stderr = os.fdopen(os.dup(out_of.fileno()), "rb")
        for each in (inside, into, out_of, outside, *kept):
            each.close()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("a training", timeout or 0)
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def run(arguments: list[str], inside: Connection, outside: Connection, kept: list[Connection]) -> None:
    """Be the process: the same as `python -m analysis.recording` from here on."""
    from analysis.recording import main

    os.dup2(inside.fileno(), 0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(outside.fileno(), 2)
    sys.stdin, sys.stderr = os.fdopen(0, closefd=False), os.fdopen(2, "w", closefd=False)
    inside.close()
    outside.close()
    code = main(arguments)
    sys.stderr.flush()
    os._exit(code)
