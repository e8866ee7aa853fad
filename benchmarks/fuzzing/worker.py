"""The process that hostile inputs run in, so that one that hangs or dies takes nothing else with it.

Workers are forked from a server that has imported everything: to import it again would take longer than the inputs.
"""

import ctypes
import gc
import logging
import multiprocessing
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers.utils import logging as transformers_logging

from benchmarks.fuzzing.checks import check
from benchmarks.fuzzing.kinds import KINDS
from benchmarks.fuzzing.pages import ENVIRONMENT

# An input that asks for more fails with a MemoryError, and not with the machine.
MOST_BYTES = 12 * 2**30
# A second try tells an input that is slow from one that other work held up.
SLOW_SECONDS = 2.0
PRINTED = "printed"


def start(name: str, seed: int, first: int, last: int, folder: str) -> tuple[BaseProcess, Connection]:
    """Start a worker for the inputs from `first` to before `last`, whose files lie in a folder.

    What it tells comes through the connection: a dictionary before and after each input.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    mine, its = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(name, seed, first, last, folder, its), daemon=True)
    process.start()
    its.close()
    return process, mine


def _main(name: str, seed: int, first: int, last: int, folder: str, told: Connection) -> None:
    os.setsid()
    os.environ.update(ENVIRONMENT)
    tempfile.tempdir = folder
    # Libraries print: what they say last tells why a process died.
    printed = os.open(Path(folder) / PRINTED, os.O_WRONLY | os.O_CREAT)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("headlight").addHandler(logging.NullHandler())
    logging.getLogger("headlight").propagate = False
    work(name, seed, first, last, told.send)


def work(name: str, seed: int, first: int, last: int, tell: Callable[[dict[str, Any]], None]) -> None:
    """Run the inputs from `first` to before `last`, and tell how much memory is held.

    The second half runs once more: what the first time fills caches with, the second time finds there.
    """
    kind = KINDS[name]
    for number in (-1, -2, -3):  # what is built and loaded once
        check(kind, number, seed)
    middle = (first + last) // 2
    for number in range(first, last):
        tell({"begun": number})
        outcome = check(kind, number, seed)
        if outcome.seconds > SLOW_SECONDS:
            outcome = min(outcome, check(kind, number, seed), key=lambda one: one.seconds)
        tell({"done": number, **vars(outcome)})
    tell({"resident": resident()})
    for number in range(middle, last):
        tell({"again": number})
        check(kind, number, seed)
    tell({"resident": resident()})


def resident() -> int:
    """Return the resident bytes after everything that nobody holds has been given back."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return psutil.Process().memory_info().rss
