"""The arrays of a document: members of an `.npz`, or base64 and lists in a `.json`. Each is read on demand."""

from __future__ import annotations

import binascii
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.trace_files import npy
from models.trace_files.contents import STORED
from models.trace_files.refusals import Spoilt, admit, shown
from models.trace_files.schema import ArrayRecord
from models.trace_files.zip_members import Archive

_TYPES = {name: (dtype, stored) for dtype, (name, stored) in STORED.items()}
_MAX_AXES = 8


def check_sizes(records: dict[str, ArrayRecord], max_bytes: int) -> None:
    """Let arrays through that fit into memory together, before one of them is read.

    Raises:
        Spoilt: an array has an unknown type or no numbers, or all of them take more than `max_bytes`.
    """
    total = 0
    for name, record in records.items():
        if record.dtype not in _TYPES:
            raise Spoilt(
                f"the array {shown(name)!r} has the type {shown(record.dtype)!r}, expected {', '.join(_TYPES)}"
            )
        if len(record.shape) > _MAX_AXES or any(size < 1 for size in record.shape):
            raise Spoilt(f"the array {shown(name)!r} has the shape {shown(str(list(record.shape)))}")
        total += n_bytes_of(record)
    admit(total, max_bytes, "it")


def n_bytes_of(record: ArrayRecord) -> int:
    """Return the bytes that an array takes."""
    return math.prod(record.shape) * np.dtype(_TYPES[record.dtype][1]).itemsize


class Arrays:
    """Arrays by name: each is read once, so that the same name gives the same tensor."""

    def __init__(self, records: dict[str, ArrayRecord]) -> None:
        self._records = records
        self._read: dict[str, Tensor] = {}

    def get(self, ref: str | list[Any]) -> Tensor:
        """Return an array.

        Raises:
            Spoilt: there is no such array, or it is not what its record says.
        """
        if isinstance(ref, list):
            return self._from_lists(ref)
        if ref not in self._records:
            raise Spoilt(f"it has no array {shown(ref)!r}")
        if ref not in self._read:
            self._read[ref] = self._load(ref, self._records[ref])
        return self._read[ref]

    def _load(self, name: str, record: ArrayRecord) -> Tensor:
        raise NotImplementedError

    def _from_lists(self, values: list[Any]) -> Tensor:
        raise Spoilt("it has numbers where the name of an array is expected")


class MemberArrays(Arrays):
    """Arrays that are `.npy` members of an `.npz`."""

    def __init__(self, archive: Archive, records: dict[str, ArrayRecord]) -> None:
        super().__init__(records)
        self._archive = archive

    def _load(self, name: str, record: ArrayRecord) -> Tensor:
        stream = self._archive.open(f"{name}.npy")
        header = npy.read_header(stream, stream.member.size, name)
        dtype, stored = _TYPES[record.dtype]
        if header.shape != record.shape or header.dtype.newbyteorder("=") != np.dtype(stored).newbyteorder("="):
            raise Spoilt(
                f"the array {shown(name)!r} is {header.dtype} {shown(str(list(header.shape)))}, expected "
                f"{record.dtype} {shown(str(list(record.shape)))}"
            )
        found = torch.from_numpy(npy.read_numbers(stream, header))
        stream.finish()
        return found.view(dtype)


class JsonArrays(Arrays):
    """Arrays that are in the document, as base64 or as lists in lists."""

    def _load(self, name: str, record: ArrayRecord) -> Tensor:
        n_bytes, text = n_bytes_of(record), record.base64
        if text is None:
            raise Spoilt(f"the array {shown(name)!r} has no base64")
        if len(text) != 4 * (-(-n_bytes // 3)):
            raise Spoilt(
                f"the base64 of {shown(name)!r} has {len(text):,} characters, its shape and type need "
                f"{4 * (-(-n_bytes // 3)):,}"
            )
        try:
            raw = bytearray(binascii.a2b_base64(text, strict_mode=True))
        except ValueError as error:
            raise Spoilt(f"the array {shown(name)!r} is not base64") from error
        dtype, stored = _TYPES[record.dtype]
        if len(raw) != n_bytes or (dtype is torch.bool and max(raw) > 1):
            raise Spoilt(f"the base64 of {shown(name)!r} is not what its type and shape need")
        array = np.frombuffer(raw, stored).reshape(record.shape)
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False)).view(dtype)

    def _from_lists(self, values: list[Any]) -> Tensor:
        return lists_to_tensor(values)


def lists_to_tensor(values: list[Any]) -> Tensor:
    """Return nested lists of numbers as float32, and of true and false as booleans; null is no number (NaN).

    Raises:
        Spoilt: they are ragged, empty, nested too deep, or hold something else.
    """
    shape, level = [], values
    while isinstance(level, list):
        shape.append(len(level))
        if not level or len(shape) > _MAX_AXES:
            raise Spoilt("its lists of numbers are empty or nest too deep")
        level = level[0]
    flat = list(_flatten(values, shape))
    if len({type(each) is bool for each in flat}) > 1:
        raise Spoilt("its lists hold numbers beside true and false")
    if type(flat[0]) is bool:
        return torch.tensor(flat).reshape(shape)
    try:
        numbers = [math.nan if each is None else float(each) for each in flat]
    except OverflowError as error:
        raise Spoilt("its lists hold a number that is too large") from error
    return torch.tensor(numbers, dtype=torch.float32).reshape(shape)


def _flatten(values: Any, shape: list[int]) -> Iterator[Any]:
    if not shape:
        if type(values) not in (int, float, bool, type(None)):
            raise Spoilt("its lists of numbers hold something else")
        yield values
        return
    if not isinstance(values, list) or len(values) != shape[0]:
        raise Spoilt("its lists of numbers differ in length", "give each head the same queries and keys")
    for each in values:
        yield from _flatten(each, shape[1:])
