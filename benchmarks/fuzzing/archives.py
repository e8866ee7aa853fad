"""Recordings (`.npz`) that are none: bombs, lies in headers, other types and axes, pickles, damaged zip files."""

import io
import struct
import zipfile
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

import numpy as np

from analysis.recording import Recording
from benchmarks.fuzzing.mutations import NUMBERS, STRINGS, mutated_bytes

_FIELDS = ("task", "text", "steps_in_all", "step", "loss", "accuracy", "scores", "maps")
_TYPES = ("u1", "i1", "i8", "f2", "f8", "c16", "?", "S3", "U5", "M8[s]", "V7", "O", ">i4", "f4,i4")


def _whole() -> dict[str, np.ndarray]:
    """Return the arrays of a good recording: 3 frames of 2 layers, 5 heads, 7 queries, 11 keys."""
    dice = np.random.default_rng(1)
    return {
        "task": np.array("previous"),
        "text": np.array("a b c d"),
        "steps_in_all": np.array(30),
        "step": np.array([0, 10, 30]),
        "loss": np.array([1.0, 0.5, 0.1]),
        "accuracy": np.array([0.0, 0.5, 1.0]),
        "scores": dice.random((3, 2, 5)),
        "maps": dice.integers(0, 255, (3, 2, 5, 7, 11), np.uint8),
    }


def make_archive(dice: Random) -> bytes:
    """Return the bytes of a recording that is spoilt in its arrays, their headers, or its zip file."""
    if dice.random() < 0.03:
        return _bomb()
    arrays: dict[str, Any] = _whole()
    for _ in range(dice.choice((0, 1, 1, 2, 4))):
        _spoil_array(dice, arrays)
    parts = {name: _npy(array) for name, array in arrays.items()}
    for _ in range(dice.choice((0, 0, 1, 2))):
        name = dice.choice(_FIELDS)
        parts[name] = _spoilt_npy(dice, parts.get(name, b""))
    file = io.BytesIO()
    with zipfile.ZipFile(
        file, "w", dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    ) as archive:
        for name, raw in parts.items():
            place = (
                f"{name}.npy"
                if dice.random() < 0.97
                else dice.choice((name, f"../{name}.npy", f"/{name}.npy", "\udc80"))
            )
            archive.writestr(place.encode("utf-8", "replace").decode(), raw)
    raw = file.getvalue()
    deed = dice.randrange(8)
    if deed == 0:
        return raw[: dice.randrange(len(raw))]
    if deed == 1:
        return mutated_bytes(dice, raw)
    if deed == 2:
        return _flagged(dice, raw)
    return dice.choice((dice.randbytes(200), b"", b"PK\x05\x06" + bytes(18), b"PK\x03\x04")) if deed == 3 else raw


def _spoil_array(dice: Random, arrays: dict[str, Any]) -> None:
    name, deed = dice.choice(_FIELDS), dice.randrange(6)
    array = np.asarray(arrays.get(name, np.zeros(3)))
    if deed == 0:
        arrays.pop(name, None)
    elif deed == 1:
        try:
            arrays[name] = array.astype(dice.choice(_TYPES))
        except (ValueError, TypeError):
            arrays[name] = np.zeros(array.shape, dice.choice(_TYPES))
    elif deed == 2:
        arrays[name] = np.resize(array, tuple(dice.choice((0, 1, 2, 3, 5)) for _ in range(dice.randrange(6))))
    elif deed == 3:
        arrays[name] = np.array(
            dice.choice((*NUMBERS, *STRINGS[:20], None)), dtype=object if dice.random() < 0.3 else None
        )
    elif deed == 4 and array.dtype.kind == "f":
        arrays[name] = np.full(array.shape, dice.choice((np.nan, np.inf, -1e308)))
    else:
        arrays[name] = array[::-1].T if array.shape else array[None]


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=True)
    return file.getvalue()


def _spoilt_npy(dice: Random, raw: bytes) -> bytes:
    """Return an array's file with a header that lies, or spoilt bytes."""
    if dice.random() < 0.4:
        return mutated_bytes(dice, raw)
    shape = dice.choice(
        ("(10**12,)", "(1000000000000,)", "(-1,)", "()", "(0, 99999999999)", "(3", "[3]", "None", "(3.0,)", "'a'")
    )
    descr = dice.choice(("'<f8'", "'|O'", "'<U999999999'", "'|V2147483647'", "'x'", "[('a', '<f8')] * 9", "None", "1"))
    header = f"{{'descr': {descr}, 'fortran_order': {dice.choice(('False', 'True', '1', 'x'))}, 'shape': {shape}, }}"
    if dice.random() < 0.15:
        header = dice.choice(("(" * 900 + header, "__import__('os')", "'a' * 10", "{" * 300, "1" * 5000))
    text = header.encode("latin-1", "replace")
    version = dice.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x09"))
    length = dice.choice((len(text), len(text), len(text), 0, 65_535))
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", length) + text + raw[128:]


def _flagged(dice: Random, raw: bytes) -> bytes:
    """Return a zip file with one number of a local or central header changed: encryption, method, sizes."""
    spoilt = bytearray(raw)
    # Where a local and a central header keep flags, method, checksum, both sizes and the name's length.
    signature, places = dice.choice(
        ((b"PK\x03\x04", (4, 6, 8, 14, 18, 22, 26, 28)), (b"PK\x01\x02", (6, 8, 10, 16, 20, 24, 28, 30, 42)))
    )
    starts = [place for place in range(len(raw) - 46) if raw[place : place + 4] == signature]
    if starts:
        place = dice.choice(starts) + dice.choice(places)
        spoilt[place : place + 2] = dice.choice(
            (b"\x01\x00", b"\x00\x00", b"\xff\xff", b"\x63\x00", b"\x0e\x00", b"\x09\x00")
        )
    return bytes(spoilt)


@cache
def _bomb() -> bytes:
    """Return a file of 200 kB that unpacks to 320 MB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in _FIELDS:
            archive.writestr(f"{name}.npy", bytes(40_000_000))
    return file.getvalue()


@cache
def _place() -> Path:
    return Path(mkdtemp(prefix="fuzz-")) / "recording.npz"


def read_archive(raw: bytes) -> list[str]:
    """Read a recording, and thin it out as a shipped one is."""
    _place().write_bytes(raw)
    Recording.load(_place()).thin(2)
    return []
