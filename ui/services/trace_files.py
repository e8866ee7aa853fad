"""Traces from files: a visitor's upload, or the server's own. Each is read once, in a job, and bounded like a trace.

Their jobs are among the traces of texts (ui/services/traces.py): what is in memory counts together, and what was not
shown for the longest time is let go.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from models import AttentionTrace
from models.display import visible
from models.errors import BadTrace
from models.memory import SHARE_OF_FREE, free_bytes, readable
from models.trace_files.read import SUFFIXES as READ
from ui.services.jobs import Job, Progress
from ui.services.settings import budget, cache_bytes, upload_bytes
from ui.services.traces import traces

SUFFIXES = tuple(suffix.removeprefix(".") for suffix in READ)
LONGEST_NAME = 80
# In the server's memory, a written file is kept until the tab closes. Base64 is a third longer than its bytes.
SAVED = {"npz": 1.0, "json": 4 / 3}
# One file at a time: a text of numbers takes several times its size while it is read.
_reading = Lock()


@dataclass(frozen=True)
class OwnFile:
    """The key of a visitor's file: the number counts the files of the visit."""

    visitor: str
    number: str


@dataclass(frozen=True)
class ServerFile:
    """The key of a file of the server; one that was written again is another."""

    path: Path
    size: int
    changed: int


def name_file(given: str) -> str:
    """Return the name of an upload as the page shows it, and as Python could open it beside the script."""
    name = re.split(r"[/\\]", visible(given))[-1]
    stem, dot, suffix = name.rpartition(".")
    return f"{stem[: LONGEST_NAME - 12]}{dot}{suffix[:11]}"


def read_upload(key: OwnFile, name: str, data: bytes) -> Job[AttentionTrace]:
    """Start to read an upload."""
    return traces().find_or_start(key, lambda: Job(lambda _: _read(name, data), n_bytes=len(data)), key.visitor)


def read_server_file(path: Path, visitor: str) -> Job[AttentionTrace]:
    """Return the job that reads a file of the server, whatever its size; started, if it is not in memory.

    Raises:
        BadTrace: there is no such file, in one sentence.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise BadTrace(f"This server's trace cannot be opened: there is no file {path.name}.") from error
    key = ServerFile(path, stat.st_size, stat.st_mtime_ns)

    def work(progress: Progress) -> AttentionTrace:
        return AttentionTrace.load(path)

    return traces().find_or_start(key, lambda: Job(work, n_bytes=stat.st_size), visitor)


def _read(name: str, data: bytes) -> AttentionTrace:
    most = int(upload_bytes())
    if len(data) > most:
        raise BadTrace(
            f"{name} has {readable(len(data))}, and this page opens up to {readable(most)}: give fewer layers or "
            "tokens, or open it with the command headlight."
        )
    with _reading, tempfile.TemporaryDirectory(prefix="headlight-") as folder:
        # The name is a visitor's: in a path it has letters, digits and one dot.
        stem, _, suffix = name.rpartition(".")
        path = Path(folder, f"{re.sub(r'[^A-Za-z0-9_-]+', '-', stem).strip('-') or 'trace'}.{_plain(suffix)}")
        path.write_bytes(data)
        return AttentionTrace.load(path, max_bytes=_most_bytes())


def _plain(suffix: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", suffix.lower()) or "bin"


def _most_bytes() -> int:
    """Return the memory that one trace from a file may take: as one text, and no more than all traces together."""
    allowed = budget().n_bytes
    limits = [SHARE_OF_FREE * free_bytes(), cache_bytes(), *([] if allowed is None else [allowed])]
    return int(min(limits))


def written(trace: AttentionTrace, suffix: str) -> bytes:
    """Return the bytes of a trace as a file.

    Raises:
        CannotWrite: the disk is full or read-only.
    """
    with tempfile.TemporaryDirectory(prefix="headlight-") as folder:
        path = Path(folder, f"trace.{suffix}")
        trace.save(path)
        return path.read_bytes()
