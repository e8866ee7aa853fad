"""A program in a child process that answers lines of text, and is killed when it takes too long or too much memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

# Isolated, so that neither the folder of the program nor the environment hides a package. But it finds the packages
# that this process finds, also those of PYTHONPATH and of `pip install --user`, which isolation leaves out.
_RUN = "import runpy, sys; sys.path[:] = sys.argv[2:]; runpy.run_path(sys.argv[1], run_name='__main__')"


class Child:
    """A Python program that reads a line from its input and answers with one line.

    The program starts with the first question, and again after it died.
    """

    def __init__(self, program: Path, first_line: str = "", start_seconds: float = 20.0) -> None:
        """`first_line` is what the program reads once. The start may take `start_seconds` on a busy machine."""
        self._program = program
        self._first_line = first_line
        self._start_seconds = start_seconds
        self.process: subprocess.Popen[str] | None = None

    def ask(self, line: str, seconds: float, empty: str = "") -> str:
        """Return the answer to a line, without its end.

        `empty` is a question that the program answers at once: its answer tells that the program has started. Only
        one thread may ask at a time.

        Raises:
            TimeoutError: there is no answer after `seconds`.
            ChildProcessError: the program died, for example because it needs too much memory.
        """
        if self.process is None or self.process.poll() is not None:
            self.process = self._start()
            self._exchange(empty, self._start_seconds)
        return self._exchange(line, seconds)

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _RUN, str(self._program), *filter(None, sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="ascii",
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false"},
        )
        # The process ends when its input ends: with this object, or with this program, also if that is killed.
        weakref.finalize(self, process.kill)
        if self._first_line:
            assert process.stdin is not None
            process.stdin.write(self._first_line + "\n")
        return process

    def _exchange(self, line: str, seconds: float) -> str:
        process = self.process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        timed_out = threading.Event()

        def kill() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(seconds, kill)
        timer.start()
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:  # the process died before it read everything
            answer = ""
        finally:
            timer.cancel()
        if not answer:
            process.kill()
            process.wait()
            if timed_out.is_set():
                raise TimeoutError(f"no answer after {seconds:.1f} s")
            raise ChildProcessError("the process died")
        return answer.removesuffix("\n")
