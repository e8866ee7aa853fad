"""What must hold for every hostile input, of any kind."""

import logging
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from models.errors import HeadlightError

SEED = 2026
LONGEST_SENTENCE = 1200
# `ui.messages.describe_error` says this about an unexpected error.
UNEXPECTED = "Headlight did not expect"
_ROOT = Path(__file__).parents[2]
# Paths that no visitor may read: of the project, of Python, of temporary files.
_OWN = {str(_ROOT), sys.prefix, os.path.realpath(sys.prefix), tempfile.gettempdir() + "/"}


@dataclass(frozen=True)
class Kind:
    """One kind of hostile input.

    `make(dice)` returns an input. `run(input)` gives it to the app and returns the sentences that a visitor reads about
    it (none if it is accepted), or raises a HeadlightError. `share` is how many of 10,000 inputs are of this kind.
    `pages` says that it runs whole pages, with the bundled model.
    """

    name: str
    make: Callable[[Random], Any]
    run: Callable[[Any], list[str]]
    share: int
    pages: bool = False


@dataclass(frozen=True)
class Outcome:
    """The outcome of an input: "accepted", "notice" (accepted with a sentence), "refused", or "failed" and why."""

    what: str
    seconds: float
    why: str = ""


class Failed(Exception):
    """Raised by a run that finds a fault itself."""


class _Last(logging.Handler):
    """Keeps the last exception of the log, because the visitor's sentence does not contain it."""

    def __init__(self) -> None:
        super().__init__()
        self.exception = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.exception = describe_exception(record.exc_info[1])


def dice_of(kind: str, number: int, seed: int = SEED) -> Random:
    """Return the random numbers of one input; the input depends on nothing else."""
    return Random(f"{seed} {kind} {number}")


def check(kind: Kind, number: int, seed: int = SEED) -> Outcome:
    """Create an input and give it to the app; return the outcome."""
    given = kind.make(dice_of(kind.name, number, seed))
    last = _Last()
    log = logging.getLogger("headlight")
    log.addHandler(last)
    start = time.perf_counter()
    what = "accepted"
    try:
        sentences = kind.run(given)
        what = "notice" if sentences else "accepted"
    except HeadlightError as error:
        what, sentences = "refused", [str(error)]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic of Rust code is no Exception
        return Outcome("failed", time.perf_counter() - start, describe_exception(error))
    finally:
        log.removeHandler(last)
    seconds = time.perf_counter() - start
    for sentence in sentences:
        if why := fault_of(sentence):
            return Outcome("failed", seconds, f"{why}: {sentence[:300]!r} {last.exception}")
    return Outcome(what, seconds)


def fault_of(sentence: str) -> str:
    """Return what is wrong with a sentence for a visitor; "" if nothing is."""
    if UNEXPECTED in sentence:
        return "an unexpected error"
    if len(sentence.splitlines()) != 1:
        return "not one line"
    if "Traceback" in sentence:
        return "a traceback"
    if any(path in sentence for path in _OWN):
        return "a path of this machine"
    if len(sentence) > LONGEST_SENTENCE:
        return f"{len(sentence):,} characters"
    if any("\ud800" <= character <= "\udfff" for character in sentence):
        return "half a character, which no message can carry"
    return ""


def describe_exception(error: BaseException) -> str:
    """Return an exception and its causes, each with its position in the project, in one line."""
    parts = []
    while error is not None and len(parts) < 3:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if frame.filename.startswith(str(_ROOT)) and ".venv" not in frame.filename]
        where = " < ".join(
            f"{Path(frame.filename).relative_to(_ROOT)}:{frame.lineno}"
            for frame in [*ours[-1:], *frames[-1:]][:2]
            if frame.filename.startswith(str(_ROOT))
        )
        deepest = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        message = re.sub(r"\s+", " ", str(error))[:200]
        parts.append(f"{type(error).__name__}: {message} [{where}; {deepest}]")
        error = error.__cause__
    return " <- ".join(parts)
