"""A trace to a file, whole or not at all; the suffix chooses the format."""

from __future__ import annotations

import base64
import json
import logging
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Any

from models.errors import CannotWrite
from models.trace_files.contents import STORED, Contents, Part
from models.trace_files.npy import make_header
from models.trace_files.refusals import Spoilt, is_name, shown
from models.trace_files.schema import DOCUMENT, check_document, plain

if TYPE_CHECKING:
    from models.trace import AttentionTrace

log = logging.getLogger("headlight.models")

# Bytes that base64 encodes at once: a multiple of 3.
_CHUNK = 3 * 2**20


def write_trace(trace: AttentionTrace, path: Path) -> None:
    """Write a trace.

    Raises:
        CannotWrite: the suffix is unknown, the trace holds something that no file takes, or the disk refuses it.
    """
    write = {".npz": _write_npz, ".json": _write_json}.get(path.suffix.lower())
    if write is None or not is_name(path):
        raise CannotWrite(f"A trace is saved as .npz or .json, not as {shown(path.name)}: give one of these suffixes.")
    contents = Contents()
    document = plain(contents.document(trace))
    try:
        check_document(document)
    except Spoilt as spoilt:
        raise CannotWrite(f"This trace cannot be saved: {spoilt}.") from spoilt
    with _whole(path) as file:
        write(file, document, contents.parts)


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write into, and move it into its place when it is written."""
    try:
        path = path.resolve()
        part = path.with_name(f".{token_hex(8)}.part")
        try:
            with part.open("xb") as file:
                yield file
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        log.info("saving a trace: %r", error)
        why = error.strerror or "the disk refuses it"
        raise CannotWrite(
            f"{shown(path.name)} cannot be written ({why}): free space, or choose another folder."
        ) from error


def _write_npz(file: IO[bytes], document: dict[str, Any], parts: dict[str, Part]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(DOCUMENT), json.dumps(document, allow_nan=False))
        for name, part in parts.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                member.write(make_header(STORED[part.dtype][1], part.shape))
                for piece in part.pieces():
                    member.write(piece)


def _write_json(file: IO[bytes], document: dict[str, Any], parts: dict[str, Part]) -> None:
    """Write the document with its arrays last, one at a time."""
    arrays = document.pop("arrays", {})
    file.write(json.dumps(document, allow_nan=False).encode("ascii")[:-1] + b', "arrays": {')
    for number, (name, part) in enumerate(parts.items()):
        described = json.dumps({name: arrays[name]})[1:-2]
        file.write((", " if number else "").encode("ascii") + described.encode("ascii") + b', "base64": "')
        left = b""
        for piece in part.pieces():
            for start in range(0, len(piece), _CHUNK):
                left += piece[start : start + _CHUNK]
                whole = len(left) - len(left) % 3
                file.write(base64.b64encode(left[:whole]))
                left = left[whole:]
        file.write(base64.b64encode(left) + b'"}')
    file.write(b"}}\n")
