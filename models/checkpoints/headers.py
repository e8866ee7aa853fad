"""The headers of a checkpoint's safetensors files: what they contain, before any of it is mapped or takes memory."""

from __future__ import annotations

from pathlib import Path

from models.errors import BrokenModel
from models.memory import readable
from models.tensor_headers import MAX_TENSORS, Damaged, Stored, read_tensors

# Of all headers of a checkpoint together.
_MAX_BYTES_IN_ALL = 40_000_000

__all__ = ["MAX_TENSORS", "Stored", "read_header", "read_headers"]


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
    """Return the tensors in a safetensors file of the model `name`.

    Raises:
        BrokenModel: the file is missing, or damaged.
    """
    try:
        return read_tensors(path).tensors
    except FileNotFoundError as error:
        raise BrokenModel(f"{path.name} of {name} is missing: fetch the model again.") from error
    except (OSError, Damaged) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BrokenModel(f"{path.name} of {name} is not a whole safetensors file ({why}): fetch it again.") from error
