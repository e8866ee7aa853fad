"""The header of a safetensors file, read alone: what the file holds, before any of it is mapped or takes memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import BrokenModel
from models.memory import readable

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
# What a header may hold, and all headers of a checkpoint together. The largest published checkpoints, of 384 experts in
# 61 layers, have 70,000 tensors and 9 MB of headers in 62 files; safetensors itself reads 100 MB, which took 51 s and
# 1.9 GB.
MOST_TENSORS = 200_000
_MOST_BYTES, _MOST_BYTES_IN_ALL = 10_000_000, 40_000_000
# The most that safetensors counts to, and the most dimensions that torch has.
_MOST_NUMBERS, _MOST_DIMENSIONS = 2**64 - 1, 64


@dataclass(frozen=True)
class Stored:
    """One tensor of a checkpoint as the header of its file describes it."""

    shape: tuple[int, ...]
    dtype: str


class _Damaged(ValueError):
    """What is wrong with a file, in few words."""


def read_headers(paths: list[Path], name: str) -> dict[Path, dict[str, Stored]]:
    """Return what each of the files of a checkpoint holds.

    Raises:
        BrokenModel: a file is missing or damaged, or there is more in all of them than in any model's.
    """
    found: dict[Path, dict[str, Stored]] = {}
    n_bytes = n_tensors = 0
    for path in paths:
        found[path] = read_header(path, name)
        n_tensors += len(found[path])
        with path.open("rb") as file:
            n_bytes += int.from_bytes(file.read(8), "little")
        if n_bytes > _MOST_BYTES_IN_ALL or n_tensors > MOST_TENSORS:
            raise BrokenModel(
                f"The weight files of {name} describe {n_tensors:,} tensors and more in {readable(n_bytes)}, expected "
                f"{MOST_TENSORS:,} in {readable(_MOST_BYTES_IN_ALL)} at most: save or fetch the model again."
            )
    return found


def read_header(path: Path, name: str) -> dict[str, Stored]:
    """Return what a safetensors file of the model `name` holds: 8 bytes of a length and so many of JSON are read.

    `safetensors.safe_open` maps the whole file for that, which the system refuses with an error of its own where the
    file exceeds the machine's memory. What it checks is checked here: the tensors lie one after another without a gap
    or an overlap, each as long as its shape and type say, up to the file's end.

    Raises:
        BrokenModel: the file is missing, or damaged.
    """
    try:
        return _tensors(path)
    except FileNotFoundError as error:
        raise BrokenModel(f"{path.name} of {name} is missing: fetch the model again.") from error
    except (OSError, _Damaged) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BrokenModel(f"{path.name} of {name} is no whole safetensors file ({why}): fetch it again.") from error


def _tensors(path: Path) -> dict[str, Stored]:
    with path.open("rb") as file:
        n_bytes = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if n_bytes < 8:
            raise _Damaged(f"it has {n_bytes} bytes, expected 8 and more")
        if length > min(_MOST_BYTES, n_bytes - 8):
            raise _Damaged(
                f"its header would have {length:,} bytes, expected {min(_MOST_BYTES, n_bytes - 8):,} at most"
            )
        raw = file.read(length)
    n_objects = raw.count(b"{")  # one for each tensor, before Python makes an object of each
    if n_objects > MOST_TENSORS + 2:
        raise _Damaged(f"its header describes {n_objects:,} tensors, expected {MOST_TENSORS:,} at most")
    described = _described(raw)
    placed = sorted((*_placed(name, tensor), name) for name, tensor in described.items())
    end = 0
    for start, stop, name in placed:
        if start != end:
            raise _Damaged(f"{name[:60]} begins at byte {start:,} of the weights, expected {end:,}")
        end = stop
    if end != n_bytes - 8 - length:
        raise _Damaged(f"its header describes {end:,} bytes of weights, it has {n_bytes - 8 - length:,}")
    return {name: Stored(tuple(tensor["shape"]), tensor["dtype"]) for name, tensor in described.items()}


def _described(raw: bytes) -> dict[str, Any]:
    try:
        described = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_name_twice)
    except _Damaged:
        raise
    except (ValueError, RecursionError) as error:
        raise _Damaged("its header is no JSON") from error
    notes = described.pop("__metadata__", {}) if isinstance(described, dict) else None
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise _Damaged("its header is no JSON object of tensors and notes")
    return described


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Damaged("its header gives a name twice")
    return found


def _placed(name: str, tensor: Any) -> tuple[int, int]:
    """Return where a tensor's bytes begin and end, counted from the end of the header."""
    fields: dict[str, Any] = tensor if isinstance(tensor, dict) else {}
    dtype, shape, places = fields.get("dtype"), _whole(fields.get("shape")), _whole(fields.get("data_offsets"))
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _Damaged(f"{name[:60]} has the type {str(dtype)[:20]}, which safetensors does not know")
    if shape is None or places is None or len(places) != 2 or places[0] > places[1]:
        raise _Damaged(f"{name[:60]} has no shape and place that are whole numbers from 0")
    n_bits = _BITS[dtype]
    for size in shape:
        n_bits *= size
        if n_bits > _MOST_NUMBERS:
            raise _Damaged(f"{name[:60]} has a shape that is larger than any memory")
    if n_bits != 8 * (places[1] - places[0]):
        raise _Damaged(f"{name[:60]} has {places[1] - places[0]:,} bytes, its shape and type need {n_bits / 8:,.0f}")
    return places[0], places[1]


def _whole(numbers: Any) -> list[int] | None:
    """Return a short list of whole numbers from 0 as it is, None for anything else."""
    if not isinstance(numbers, list) or len(numbers) > _MOST_DIMENSIONS:
        return None
    return numbers if all(type(one) is int and 0 <= one <= _MOST_NUMBERS for one in numbers) else None
