"""Ctrl+C ends `python -m viz` at once and without a traceback, from the command's first import on."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130  # as a shell tells a command that SIGINT ended: 128 + 2


def end_quietly(_number: int, _frame: FrameType | None) -> None:
    """End the process: there is nothing to clean up, since files are written in one go when they are done."""
    os._exit(INTERRUPTED)


# While Python looks for a module that it was given by -m, argv[0] is "-m" (documentation of sys.argv). It imports the
# package then, and torch with it, which takes seconds, before the command's first line could catch anything. A shell
# that made a background command deaf to Ctrl+C is left its way.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, end_quietly)
