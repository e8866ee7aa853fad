"""The process that runs hostile inputs, so that an input that hangs or crashes affects nothing else.

Workers are forked from a server that has imported everything: another import would take longer than the inputs.
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

# An input that needs more memory gets a MemoryError, before the machine runs out.
MOST_BYTES = 12 * 2**30
# A slow input is run twice: the first run may have been slow because of other work on the machine.
SLOW_SECONDS = 2.0
PRINTED = "printed"


def start(name: str, seed: int, first: int, last: int, folder: str) -> tuple[BaseProcess, Connection]:
    """Start a worker for the inputs from `first` to before `last`, with a folder for its files.

    The worker sends a dictionary through the connection before and after each input.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    mine, its = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(name, seed, first, last, folder, its), daemon=True)
    process.start()
    its.close()
    return process, mine


def _main(name: str, seed: int, first: int, last: int, folder: str, messages: Connection) -> None:
    os.setsid()
    os.environ.update(ENVIRONMENT)
    tempfile.tempdir = folder
    # The last lines that libraries print say why a process died.
    printed = os.open(Path(folder) / PRINTED, os.O_WRONLY | os.O_CREAT)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    torch.set_num_threads(1)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("headlight").addHandler(logging.NullHandler())
    logging.getLogger("headlight").propagate = False
    work(name, seed, first, last, messages.send)


def work(name: str, seed: int, first: int, last: int, send: Callable[[dict[str, Any]], None]) -> None:
    """Run the inputs from `first` to before `last`, and send the resident memory.

    Then run the second half again and send the memory again: caches are already full, so growth is a leak.
    """
    kind = KINDS[name]
    for number in (-1, -2, -3):  # builds and loads what all inputs share
        check(kind, number, seed)
    middle = (first + last) // 2
    for number in range(first, last):
        send({"begun": number})
        outcome = check(kind, number, seed)
        if outcome.seconds > SLOW_SECONDS:
            outcome = min(outcome, check(kind, number, seed), key=lambda one: one.seconds)
        send({"done": number, **vars(outcome)})
    send({"resident": resident()})
    for number in range(middle, last):
        send({"again": number})
        check(kind, number, seed)
    send({"resident": resident()})


def resident() -> int:
    """Return the resident bytes, after garbage collection and after free memory was returned to the system."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return psutil.Process().memory_info().rss
