"""A file to a trace. The file is hostile: nothing is unpickled, and its sizes are checked before memory is taken."""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import memory
from models.errors import BadArgument, BadMatrix, BadTrace, NoText
from models.trace_files import json_text
from models.trace_files.array_files import read_npy, read_npz, read_safetensors
from models.trace_files.arrays import JsonArrays, MemberArrays, check_sizes
from models.trace_files.csv_tables import read_csv_table
from models.trace_files.rebuild import Rebuilder
from models.trace_files.refusals import Spoilt, admit, is_name, refuse, shown
from models.trace_files.schema import DOCUMENT, check_document
from models.trace_files.tables import is_table, read_npz_table
from models.trace_files.zip_members import Archive

if TYPE_CHECKING:
    from models.attention import Attention
    from models.trace import AttentionTrace

log = logging.getLogger("headlight.models")

_OTHERS: dict[str, Callable[[Any, int], Attention]] = {
    ".csv": read_csv_table,
    ".npy": read_npy,
    ".safetensors": read_safetensors,
}
SUFFIXES = (".npz", ".json", *_OTHERS)
_REMEDY = f"save the trace with AttentionTrace.save, or its weights as {', '.join(SUFFIXES)}"
# The largest `trace.json` in an .npz: a million tokens.
_MAX_DOCUMENT = 200_000_000


def read_trace(path: Path, *, max_bytes: int | None = None) -> AttentionTrace:
    """Read a trace. `max_bytes` limits the memory that it may take, by default most of the free memory.

    Raises:
        BadTrace: the file is no trace, is damaged, or takes more memory.
    """
    if max_bytes is None:
        max_bytes = int(memory.SHARE_OF_FREE * memory.free_bytes())
    name = shown(path.name)
    try:
        if not is_name(path) or not stat.S_ISREG(path.stat().st_mode):
            raise Spoilt("it is no file", _REMEDY)
        return _read(path, max_bytes)
    except Spoilt as spoilt:
        log.info("reading %s: %s", path, spoilt, exc_info=True)
        raise refuse(path, spoilt) from spoilt
    except OSError as error:
        log.info("reading %s: %r", path, error)
        raise BadTrace(
            f"{name} cannot be opened ({error.strerror or 'the disk refuses it'}): check its name."
        ) from error
    except (BadMatrix, BadArgument, NoText) as error:
        log.info("reading %s: %r", path, error)
        raise BadTrace(f"{name} holds no attention that fits together: {error}") from error
    except MemoryError as error:
        raise refuse(path, Spoilt("it takes more memory than is free", "save fewer layers, heads or tokens")) from error


def _read(path: Path, max_bytes: int) -> AttentionTrace:
    suffix = path.suffix.lower()
    if suffix == ".npz":
        with Archive(path) as archive:
            if DOCUMENT in archive.members:
                return _read_document(archive, max_bytes)
            return _of(read_npz_table if is_table(archive) else read_npz, archive, max_bytes)
    if suffix == ".json":
        return _read_json(path, max_bytes)
    if suffix in _OTHERS:
        return _of(_OTHERS[suffix], path, max_bytes)
    raise Spoilt(f"files that end in {shown(suffix) or 'nothing'!r} are not read", _REMEDY)


def _of(read: Callable[[Any, int], Attention], given: Path | Archive, max_bytes: int) -> AttentionTrace:
    from models.trace import AttentionTrace  # a trace has methods that call this

    return AttentionTrace.of(read(given, max_bytes))


def _read_document(archive: Archive, max_bytes: int) -> AttentionTrace:
    stream = archive.open(DOCUMENT)
    if stream.member.size > _MAX_DOCUMENT:
        raise Spoilt(f"its {DOCUMENT} has {memory.readable(stream.member.size)}")
    admit(stream.member.size, max_bytes, DOCUMENT)
    document = check_document(json_text.parse(archive.read(DOCUMENT), max_bytes, DOCUMENT))
    check_sizes(document.arrays, max_bytes)
    return Rebuilder(document, MemberArrays(archive, document.arrays)).trace()


def _read_json(path: Path, max_bytes: int) -> AttentionTrace:
    admit(path.stat().st_size, max_bytes, "it")
    document = check_document(json_text.parse(path.read_bytes(), max_bytes, "it"))
    check_sizes(document.arrays, max_bytes)
    return Rebuilder(document, JsonArrays(document.arrays)).trace()
