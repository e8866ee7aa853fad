"""What is wrong with a trace file, until the reader makes one sentence of it."""

from __future__ import annotations

import os
from pathlib import Path

from models.errors import BadTrace
from models.memory import readable

AGAIN = "save or fetch it again"


class Spoilt(ValueError):
    """What is wrong with a file in a few words, and the remedy."""

    def __init__(self, why: str, remedy: str = AGAIN) -> None:
        super().__init__(why)
        self.remedy = remedy


def refuse(path: Path, spoilt: Spoilt) -> BadTrace:
    """Return the refusal of a file, in one sentence."""
    return BadTrace(f"{shown(path.name)} cannot be read as a trace: {spoilt}; {spoilt.remedy}.")


def is_name(path: Path) -> bool:
    """Return whether the system can have a file of this name: no null character, no half character."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def shown(text: str, longest: int = 60) -> str:
    """Return a name from a file as a sentence can carry it: short, in one line, without half characters."""
    safe = "".join(each if each.isprintable() else "�" for each in text[: longest + 1])
    return safe if len(safe) <= longest else f"{safe[: longest - 1]}…"


def admit(n_bytes: int | float, max_bytes: int, what: str) -> None:
    """Let memory through that a file says it takes.

    Raises:
        Spoilt: it takes more than `max_bytes`.
    """
    if n_bytes > max_bytes:
        raise Spoilt(
            f"{what} takes about {readable(n_bytes)} of memory, and {readable(max_bytes)} may be used",
            "save fewer layers, heads or tokens, or read it on a machine with more memory",
        )
