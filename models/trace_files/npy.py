"""NumPy's `.npy`: a header that says what the numbers are, read with a strict pattern and never as Python."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from models.trace_files.refusals import Spoilt, shown

MAGIC = b"\x93NUMPY"
_LONGEST_HEADER, _MAX_AXES, _MOST = 10_000, 8, 2**62
_FIELD = r"""['"]{name}['"]\s*:\s*{value}"""
_DESCR = re.compile(_FIELD.format(name="descr", value=r"""['"]([<>|=]?)([a-zA-Z?])(\d{0,9})['"]"""))
_ORDER = re.compile(_FIELD.format(name="fortran_order", value=r"(True|False)"))
# A number ends at a comma or at the end: otherwise a long one could be split in millions of ways.
_SHAPE = re.compile(_FIELD.format(name="shape", value=r"\(\s*((?:\d{1,19}L?\s*(?:,\s*|(?=\)))){0,9})\)"))
_SIZES = {"f": (2, 4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "b": (1,), "?": (1,)}
_LONGEST_TEXT = 100_000


@runtime_checkable
class Bytes(Protocol):
    """Where bytes come from: a file or a member of one."""

    def read(self, n_bytes: int) -> bytes:
        """Return the next bytes, all of them."""

    def fill(self, view: memoryview) -> None:
        """Fill memory with the next bytes."""


@dataclass(frozen=True)
class Header:
    """What an array is: `length` bytes of header stand before it."""

    dtype: np.dtype
    shape: tuple[int, ...]
    by_columns: bool
    length: int

    @property
    def n_bytes(self) -> int:
        """The bytes of the array, without its header."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(source: Bytes, n_bytes: int, name: str) -> Header:
    """Return what an array is whose file or member has `n_bytes`.

    Raises:
        Spoilt: it is no header, or the numbers that it describes do not fill the file.
    """
    magic = source.read(8)
    if magic[:6] != MAGIC or magic[6] not in (1, 2, 3):
        raise Spoilt(f"{shown(name)!r} is no array of NumPy (.npy)", "save it with numpy.save or numpy.savez")
    width = 2 if magic[6] == 1 else 4
    length = struct.unpack("<H" if width == 2 else "<L", source.read(width))[0]
    if length > _LONGEST_HEADER:
        raise Spoilt(f"the header of {shown(name)!r} has {length:,} bytes, expected {_LONGEST_HEADER:,} at most")
    text = source.read(length).decode("latin-1")
    dtype, shape, by_columns = _parse(text, name)
    header = Header(dtype, shape, by_columns, 8 + width + length)
    if not math.prod(shape):
        raise Spoilt(f"the array {shown(name)!r} is empty", "save at least one number")
    if math.prod(shape) > _MOST or header.length + header.n_bytes != n_bytes:
        raise Spoilt(
            f"the array {shown(name)!r} has {max(0, n_bytes - header.length):,} bytes, its shape "
            f"{shown(str(list(shape)))} and type {dtype} need {header.n_bytes:,}"
        )
    return header


def _parse(text: str, name: str) -> tuple[np.dtype, tuple[int, ...], bool]:
    """Return the type, the shape and the order of a header."""
    parts = [pattern.search(text) for pattern in (_DESCR, _ORDER, _SHAPE)]
    rest = text
    for part in parts:
        rest = rest.replace(part[0], "", 1) if part else rest
    descr, order, sizes = parts
    if descr is None or order is None or sizes is None or re.fullmatch(r"\{[\s,]*\}\s*", rest) is None:
        kind = re.search(r"""descr['"]\s*:\s*(.{1,40})""", text)
        shown_kind = f" ({shown(kind[1])})" if kind and descr is None else ""
        raise Spoilt(f"the header of {shown(name)!r} describes no array of numbers{shown_kind}", "save plain numbers")
    shape = tuple(int(size) for size in re.findall(r"\d+", sizes[1]))
    if len(shape) > _MAX_AXES:
        raise Spoilt(f"the array {shown(name)!r} has {len(shape)} axes, expected {_MAX_AXES} at most")
    return _dtype(descr, name), shape, order[1] == "True"


def _dtype(descr: re.Match[str], name: str) -> np.dtype:
    order, kind, digits = descr[1], descr[2], descr[3]
    size = int(digits) if digits else 1 if kind == "?" else 0
    if kind == "O":
        raise Spoilt(f"the array {shown(name)!r} holds Python objects, which are never read", "save plain numbers")
    if (kind == "U" and 0 < size <= _LONGEST_TEXT) or size in _SIZES.get(kind, ()):
        return np.dtype(bool) if kind in "b?" else np.dtype(f"{order}{kind}{size}")
    raise Spoilt(
        f"the array {shown(name)!r} has the type {shown(descr[0].partition(':')[2].strip())}",
        "save it as float16, float32 or float64",
    )


def read_numbers(source: Bytes, header: Header) -> np.ndarray:
    """Return an array in this machine's byte order; only its own memory is taken, after its size was checked."""
    raw = np.empty(header.n_bytes, np.uint8)
    source.fill(raw.data)
    if header.dtype == np.bool_ and raw.max() > 1:
        raise Spoilt("an array of True and False has other values")
    flat = raw.view(header.dtype)
    if header.dtype.kind == "U":
        _check_text(flat)
    if not flat.dtype.isnative:
        flat = flat.astype(flat.dtype.newbyteorder("="))
    found = flat.reshape(header.shape, order="F" if header.by_columns else "C")
    return np.ascontiguousarray(found).reshape(header.shape)


def _check_text(flat: np.ndarray) -> None:
    codes = flat.view(flat.dtype.byteorder.replace("|", "=") + "u4")
    if codes.max() > 0x10FFFF or bool(((codes >= 0xD800) & (codes <= 0xDFFF)).any()):
        raise Spoilt("a text has half a character")


def make_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return the header of an array by rows; `dtype` as NumPy writes it: `<f4`."""
    axes = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({axes}), }}"
    padding = -(len(MAGIC) + 4 + len(text) + 1) % 64
    raw = (text + " " * padding + "\n").encode("ascii")
    return MAGIC + b"\x01\x00" + struct.pack("<H", len(raw)) + raw
