"""The header of a safetensors file, read alone: what the file contains, before any of it is mapped or takes memory."""

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
# Limits of one header, and of all headers of a checkpoint together. The largest published checkpoints, of 384 experts
# in 61 layers, have 70,000 tensors and 9 MB of headers in 62 files. safetensors itself reads headers of 100 MB, which
# took 51 s and 1.9 GB.
MAX_TENSORS = 200_000
_MAX_BYTES, _MAX_BYTES_IN_ALL = 10_000_000, 40_000_000
# The largest number of safetensors, and the most dimensions of a tensor of torch.
_MAX_NUMBERS, _MAX_DIMENSIONS = 2**64 - 1, 64


@dataclass(frozen=True)
class Stored:
    """One tensor of a checkpoint as the header of its file describes it."""

    shape: tuple[int, ...]
    dtype: str


class _Damaged(ValueError):
    """What is wrong with a file, in a few words."""


def read_headers(paths: list[Path], name: str) -> dict[Path, dict[str, Stored]]:
    """Return the tensors in each file of a checkpoint.

    Raises:
        BrokenModel: a file is missing or damaged, or all of them together contain more than any model's.
    """
    found: dict[Path, dict[str, Stored]] = {}
    n_bytes = n_tensors = 0
    for path in paths:
        found[path] = read_header(path, name)
        n_tensors += len(found[path])
        with path.open("rb") as file:
            n_bytes += int.from_bytes(file.read(8), "little")
        if n_bytes > _MAX_BYTES_IN_ALL or n_tensors > MAX_TENSORS:
            raise BrokenModel(
                f"The weight files of {name} describe {n_tensors:,} tensors and more in {readable(n_bytes)}, expected "
                f"{MAX_TENSORS:,} in {readable(_MAX_BYTES_IN_ALL)} at most: save or fetch the model again."
            )
    return found


def read_header(path: Path, name: str) -> dict[str, Stored]:
    """Return the tensors in a safetensors file of the model `name`, from 8 bytes with a length and that much JSON.

    `safetensors.safe_open` would map the whole file, and the system refuses to map a file larger than the machine's
    memory. This function makes the same checks: the tensors follow one another without a gap or an overlap, each has
    the length that its shape and type give, and the last one ends at the file's end.

    Raises:
        BrokenModel: the file is missing, or damaged.
    """
    try:
        return _read_tensors(path)
    except FileNotFoundError as error:
        raise BrokenModel(f"{path.name} of {name} is missing: fetch the model again.") from error
    except (OSError, _Damaged) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BrokenModel(f"{path.name} of {name} is not a whole safetensors file ({why}): fetch it again.") from error


def _read_tensors(path: Path) -> dict[str, Stored]:
    with path.open("rb") as file:
        n_bytes = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if n_bytes < 8:
            raise _Damaged(f"it has {n_bytes} bytes, expected at least 8")
        if length > min(_MAX_BYTES, n_bytes - 8):
            raise _Damaged(f"its header has {length:,} bytes, expected {min(_MAX_BYTES, n_bytes - 8):,} at most")
        raw = file.read(length)
    n_objects = raw.count(b"{")  # one for each tensor, before Python makes an object of each
    if n_objects > MAX_TENSORS + 2:
        raise _Damaged(f"its header describes {n_objects:,} tensors, expected {MAX_TENSORS:,} at most")
    described = _parse_header(raw)
    intervals = sorted((*_find_bytes(name, tensor), name) for name, tensor in described.items())
    end = 0
    for start, stop, name in intervals:
        if start != end:
            raise _Damaged(f"{name[:60]} begins at byte {start:,} of the weights, expected {end:,}")
        end = stop
    if end != n_bytes - 8 - length:
        raise _Damaged(f"its header describes {end:,} bytes of weights, the file has {n_bytes - 8 - length:,}")
    return {name: Stored(tuple(tensor["shape"]), tensor["dtype"]) for name, tensor in described.items()}


def _parse_header(raw: bytes) -> dict[str, Any]:
    try:
        described = json.loads(raw.decode("utf-8"), object_pairs_hook=_refuse_repeated_names)
    except _Damaged:
        raise
    except (ValueError, RecursionError) as error:
        raise _Damaged("its header is not JSON") from error
    notes = described.pop("__metadata__", {}) if isinstance(described, dict) else None
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise _Damaged("its header is not a JSON object of tensors and notes")
    return described


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Damaged("its header contains a name twice")
    return found


def _find_bytes(name: str, tensor: Any) -> tuple[int, int]:
    """Return where a tensor's bytes begin and end, counted from the end of the header."""
    fields: dict[str, Any] = tensor if isinstance(tensor, dict) else {}
    dtype, shape, offsets = fields.get("dtype"), _whole(fields.get("shape")), _whole(fields.get("data_offsets"))
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _Damaged(f"{name[:60]} has the type {str(dtype)[:20]}, which safetensors does not know")
    if shape is None or offsets is None or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _Damaged(f"{name[:60]} has no shape and offsets that are whole numbers from 0")
    n_bits = _BITS[dtype]
    for size in shape:
        n_bits *= size
        if n_bits > _MAX_NUMBERS:
            raise _Damaged(f"{name[:60]} has a shape that is larger than any memory")
    if n_bits != 8 * (offsets[1] - offsets[0]):
        raise _Damaged(f"{name[:60]} has {offsets[1] - offsets[0]:,} bytes, its shape and type need {n_bits / 8:,.0f}")
    return offsets[0], offsets[1]


def _whole(numbers: Any) -> list[int] | None:
    """Return a short list of whole numbers from 0 unchanged, None for anything else."""
    if not isinstance(numbers, list) or len(numbers) > _MAX_DIMENSIONS:
        return None
    return numbers if all(type(one) is int and 0 <= one <= _MAX_NUMBERS for one in numbers) else None
