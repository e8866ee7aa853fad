"""The header of a safetensors file, read alone: 8 bytes with a length, and that much JSON.

`safetensors.safe_open` would map the whole file, and the system refuses to map a file larger than the machine's memory.
This module makes the same checks: the tensors follow one another without a gap or an overlap, each has the length that
its shape and type give, and the last one ends at the file's end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Bits of one number, by the name of its type in a header (safetensors 0.8, `Dtype::bitsize`).
_BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    **dict.fromkeys(("U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E5M2FNUZ", "F8_E4M3FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
# Limits of one header. The largest published checkpoints, of 384 experts in 61 layers, have 70,000 tensors and 9 MB of
# headers in 62 files. safetensors itself reads headers of 100 MB, which took 51 s and 1.9 GB.
MAX_TENSORS = 200_000
_MAX_BYTES = 10_000_000
# The largest number of safetensors, and the most dimensions of a tensor of torch.
_MAX_NUMBERS, _MAX_DIMENSIONS = 2**64 - 1, 64


@dataclass(frozen=True)
class Stored:
    """One tensor of a checkpoint as the header of its file describes it."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Header:
    """A file's tensors by name, where in the file the bytes of each begin, and the notes that its writer left."""

    tensors: dict[str, Stored]
    starts: dict[str, int]
    notes: dict[str, str]


class Damaged(ValueError):
    """What is wrong with a file, in a few words."""


def read_tensors(path: Path) -> Header:
    """Return what a safetensors file contains.

    Raises:
        Damaged: it is not a whole safetensors file.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        n_bytes = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if n_bytes < 8:
            raise Damaged(f"it has {n_bytes} bytes, expected at least 8")
        if length > min(_MAX_BYTES, n_bytes - 8):
            raise Damaged(f"its header has {length:,} bytes, expected {min(_MAX_BYTES, n_bytes - 8):,} at most")
        raw = file.read(length)
    n_objects = raw.count(b"{")  # one for each tensor, before Python makes an object of each
    if n_objects > MAX_TENSORS + 2:
        raise Damaged(f"its header describes {n_objects:,} tensors, expected {MAX_TENSORS:,} at most")
    described, notes = _parse_header(raw)
    intervals = sorted((*_find_bytes(name, tensor), name) for name, tensor in described.items())
    end = 0
    for start, stop, name in intervals:
        if start != end:
            raise Damaged(f"{name[:60]} begins at byte {start:,} of the weights, expected {end:,}")
        end = stop
    if end != n_bytes - 8 - length:
        raise Damaged(f"its header describes {end:,} bytes of weights, the file has {n_bytes - 8 - length:,}")
    tensors = {name: Stored(tuple(tensor["shape"]), tensor["dtype"]) for name, tensor in described.items()}
    return Header(tensors, {name: 8 + length + start for start, _, name in intervals}, notes)


def _parse_header(raw: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        described = json.loads(raw.decode("utf-8"), object_pairs_hook=_refuse_repeated_names)
    except Damaged:
        raise
    except (ValueError, RecursionError) as error:
        raise Damaged("its header is not JSON") from error
    notes = described.pop("__metadata__", {}) if isinstance(described, dict) else None
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise Damaged("its header is not a JSON object of tensors and notes")
    return described, notes


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Damaged("its header contains a name twice")
    return found


def _find_bytes(name: str, tensor: Any) -> tuple[int, int]:
    """Return where a tensor's bytes begin and end, counted from the end of the header."""
    fields: dict[str, Any] = tensor if isinstance(tensor, dict) else {}
    dtype, shape, offsets = fields.get("dtype"), _whole(fields.get("shape")), _whole(fields.get("data_offsets"))
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise Damaged(f"{name[:60]} has the type {str(dtype)[:20]}, which safetensors does not know")
    if shape is None or offsets is None or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise Damaged(f"{name[:60]} has no shape and offsets that are whole numbers from 0")
    n_bits = _BITS[dtype]
    for size in shape:
        n_bits *= size
        if n_bits > _MAX_NUMBERS:
            raise Damaged(f"{name[:60]} has a shape that is larger than any memory")
    if n_bits != 8 * (offsets[1] - offsets[0]):
        raise Damaged(f"{name[:60]} has {offsets[1] - offsets[0]:,} bytes, its shape and type need {n_bits / 8:,.0f}")
    return offsets[0], offsets[1]


def _whole(numbers: Any) -> list[int] | None:
    """Return a short list of whole numbers from 0 unchanged, None for anything else."""
    if not isinstance(numbers, list) or len(numbers) > _MAX_DIMENSIONS:
        return None
    return numbers if all(type(one) is int and 0 <= one <= _MAX_NUMBERS for one in numbers) else None
