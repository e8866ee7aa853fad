"""The header of a GGUF file, read alone: what the file contains, before any of it takes memory.

The libraries that read these files trust the lengths in them: an array of 10**18 numbers in a file of 100 bytes.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from models.checkpoints.headers import MAX_TENSORS, Stored
from models.errors import BrokenModel
from models.memory import readable

# The types of a value, and how struct reads them.
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
# The largest published files have a few hundred settings, and vocabularies of 300,000 tokens and 500,000 merges.
_MAX_SETTINGS, _MAX_ENTRIES, _MAX_ENTRIES_IN_ALL = 10_000, 1_000_000, 4_000_000
_MAX_TEXT, _MAX_PIECE, _MAX_NAME, _MAX_DIMENSIONS = 10_000_000, 100_000, 1_000, 8
# Longer arrays and texts are checked and passed over.
_KEPT_ENTRIES, _KEPT_LETTERS = 8_192, 200
_ALIGNMENT, _MAX_ALIGNMENT, _MAX_BYTES = 32, 2**20, 2**60


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file describes: its architecture, its settings, and its tensors with their shapes and types."""

    architecture: str
    settings: dict[str, Any]
    tensors: dict[str, Stored]

    @property
    def quantised(self) -> tuple[str, ...]:
        """The types of the quantised tensors, the most frequent one first."""
        counted = Counter(tensor.dtype for tensor in self.tensors.values() if tensor.dtype not in _EXACT)
        return tuple(name for name, _ in counted.most_common())


_EXACT = {"F32", "F16", "BF16", "F64"}


class _Damaged(ValueError):
    """What is wrong with a file, in a few words."""


def read_gguf_header(path: Path, name: str) -> GgufHeader:
    """Return what a GGUF file of the model `name` contains.

    Raises:
        BrokenModel: the file cannot be read, is not whole, or describes more than any model has.
    """
    try:
        with path.open("rb") as file:
            return _Reader(file, path.stat().st_size).read()
    except (OSError, _Damaged) as error:
        why = error.strerror if isinstance(error, OSError) else error
        of = "" if path.name == name else f" of {name}"
        raise BrokenModel(f"{path.name[:80]}{of} is not a whole GGUF file ({why}): fetch it again.") from error


class _Reader:
    """Reads one header; every length is compared with the file's before anything of that length is read."""

    def __init__(self, file: BinaryIO, n_bytes: int) -> None:
        self._file = file
        self._left = n_bytes
        self._n_bytes = n_bytes
        self._n_entries = 0

    def read(self) -> GgufHeader:
        if self._bytes(min(4, self._left)) != b"GGUF":
            raise _Damaged("it does not begin with GGUF")
        version = self._number("<I")
        if version not in _VERSIONS:
            raise _Damaged(f"its version is {version:,}, expected 2 or 3")
        n_tensors, n_settings = self._number("<Q"), self._number("<Q")
        if n_tensors > MAX_TENSORS or n_settings > _MAX_SETTINGS:
            raise _Damaged(
                f"it describes {n_tensors:,} tensors and {n_settings:,} settings, expected {MAX_TENSORS:,} and "
                f"{_MAX_SETTINGS:,} at most"
            )
        settings: dict[str, Any] = {}
        for _ in range(n_settings):
            key = self._text(_MAX_NAME)
            if key in settings:
                raise _Damaged(f"it contains {key[:60]} twice")
            settings[key] = self._value(self._number("<I"))
        architecture = settings.get("general.architecture")
        if not isinstance(architecture, str) or not architecture:
            raise _Damaged("it does not name its architecture")
        return GgufHeader(architecture, settings, self._tensors(n_tensors, settings))

    def _tensors(self, n_tensors: int, settings: dict[str, Any]) -> dict[str, Stored]:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        found: dict[str, Stored] = {}
        ends = []
        for _ in range(n_tensors):
            name, n_dimensions = self._text(_MAX_NAME), self._number("<I")
            if name in found or n_dimensions > _MAX_DIMENSIONS:
                raise _Damaged(f"it contains {name[:60]} twice, or with more than {_MAX_DIMENSIONS} dimensions")
            shape = [self._number("<Q") for _ in range(n_dimensions)]
            kind, offset = self._number("<I"), self._number("<Q")
            if kind not in {known.value for known in GGMLQuantizationType}:
                raise _Damaged(f"{name[:60]} has the type {kind:,}, which the library gguf does not know")
            in_block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
            n_bytes = prod(shape) // in_block * block_bytes
            if shape and shape[0] % in_block:
                raise _Damaged(f"{name[:60]} has rows of {shape[0]:,} numbers, expected a multiple of {in_block}")
            if 0 in shape or n_bytes > self._n_bytes or offset > self._n_bytes:
                raise _Damaged(
                    f"{name[:60]} needs {readable(min(n_bytes, _MAX_BYTES))}, the file has {readable(self._n_bytes)}"
                )
            found[name] = Stored(tuple(reversed(shape)), GGMLQuantizationType(kind).name)
            ends.append((offset, offset + n_bytes))
        self._check_places(sorted(ends), settings)
        return found

    def _check_places(self, ends: list[tuple[int, int]], settings: dict[str, Any]) -> None:
        """Refuse tensors that overlap, or end after the file."""
        alignment = settings.get("general.alignment", _ALIGNMENT)
        if type(alignment) is not int or not 0 < alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
            raise _Damaged(f"its alignment is {str(alignment)[:20]}, expected a power of two")
        start = -(-(self._n_bytes - self._left) // alignment) * alignment
        before = 0
        for offset, end in ends:
            if offset < before:
                raise _Damaged("two of its tensors overlap")
            before = end
        if ends and start + before > self._n_bytes:
            raise _Damaged(f"its tensors end at byte {start + before:,}, the file has {self._n_bytes:,} bytes")

    def _value(self, kind: int) -> Any:
        """Return a number or a short text or array; the length of a long array, None for a long text."""
        if kind in _NUMBERS:
            return self._number(_NUMBERS[kind])
        if kind == _STRING:
            text = self._text(_MAX_TEXT)
            return text if len(text) <= _KEPT_LETTERS else None
        if kind != _ARRAY:
            raise _Damaged(f"a setting has the type {kind:,}, which GGUF does not have")
        inner, length = self._number("<I"), self._number("<Q")
        self._n_entries += length
        if length > _MAX_ENTRIES or self._n_entries > _MAX_ENTRIES_IN_ALL:
            raise _Damaged(f"a list in it has {length:,} entries, expected {_MAX_ENTRIES:,} at most")
        if inner in _NUMBERS:
            size = struct.calcsize(_NUMBERS[inner])
            raw = self._bytes(length * size)
            if length > _KEPT_ENTRIES:
                return length
            return [one[0] for one in struct.iter_unpack(_NUMBERS[inner], raw)]
        if inner != _STRING:
            raise _Damaged(f"a list in it contains values of the type {inner:,}")
        for _ in range(length):
            self._text(_MAX_PIECE)
        return length

    def _text(self, maximum: int) -> str:
        length = self._number("<Q")
        if length > maximum:
            raise _Damaged(f"a text in it has {length:,} bytes, expected {maximum:,} at most")
        try:
            return self._bytes(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _Damaged("a text in it is not UTF-8") from error

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._bytes(struct.calcsize(form)))[0]

    def _bytes(self, length: int) -> bytes:
        if length > self._left:
            raise _Damaged("it ends in the middle of its header")
        self._left -= length
        return self._file.read(length)
