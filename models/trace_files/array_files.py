"""Weights that another program wrote, as `.npy`, `.npz` or `.safetensors`: one array, or one for each layer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from models.tensor_headers import Damaged, Stored, read_tensors
from models.trace_files import json_text, npy
from models.trace_files.refusals import Spoilt, admit, shown
from models.trace_files.zip_members import Archive

if TYPE_CHECKING:
    from models.attention import Attention

# How many copies of the weights in float32 reading takes: as read, as kept, and strips of them.
_COPIES = 3
_TOKENS, _KEY_TOKENS = "tokens", "key_tokens"
_HOOK = re.compile(r"attn\.hook_pattern$")
_KINDS = ("cross", "decoder", "encoder")
_SAFE = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


class FileBytes:
    """The bytes of a file, from a place on."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, n_bytes: int) -> bytes:
        """Return the next bytes, all of them."""
        found: bytes = self._file.read(n_bytes)
        if len(found) != n_bytes:
            raise Spoilt("it ends too early")
        return found

    def fill(self, view: memoryview) -> None:
        """Fill memory with the next bytes."""
        filled = 0
        while filled < len(view):
            n_bytes = self._file.readinto(view[filled:])
            if not n_bytes:
                raise Spoilt("it ends too early")
            filled += n_bytes


def read_npy(path: Path, max_bytes: int) -> Attention:
    """Return the weights of a `.npy`.

    Raises:
        Spoilt: it is no array of numbers, or takes too much memory.
    """
    with path.open("rb") as file:
        source = FileBytes(file)
        header = npy.read_header(source, path.stat().st_size, path.name)
        _check_numbers(path.name, header)
        _admit([(header.shape, header.n_bytes)], max_bytes)
        return _attention({path.stem: npy.read_numbers(source, header)}, None, None)


def read_npz(archive: Archive, max_bytes: int) -> Attention:
    """Return the weights of an `.npz`, of which each array is a layer or the only one all layers.

    Raises:
        Spoilt: it has other arrays, or they take too much memory.
    """
    names = [name.removesuffix(".npy") for name in archive.members]
    tokens = [_member_tokens(archive, name, max_bytes) if name in names else None for name in (_TOKENS, _KEY_TOKENS)]
    chosen = _choose(names)
    headers = {}
    for name in chosen:
        stream = archive.open(f"{name}.npy")
        headers[name] = npy.read_header(stream, stream.member.size, name)
        _check_numbers(name, headers[name])
    _admit([(header.shape, header.n_bytes) for header in headers.values()], max_bytes)
    return _attention({name: read_member(archive, name) for name in chosen}, *tokens)


def read_member(archive: Archive, name: str) -> np.ndarray:
    """Return an array of an archive; admit its size first."""
    stream = archive.open(f"{name}.npy")
    found = npy.read_numbers(stream, npy.read_header(stream, stream.member.size, name))
    stream.finish()
    return found


def read_safetensors(path: Path, max_bytes: int) -> Attention:
    """Return the weights of a `.safetensors`; the notes in its header may have `tokens` and `key_tokens` as JSON.

    Raises:
        Spoilt: it is damaged, has other tensors, or they take too much memory.
    """
    try:
        header = read_tensors(path)
    except Damaged as damaged:
        raise Spoilt(f"it is not a whole safetensors file ({shown(str(damaged), 160)})") from damaged
    chosen = _choose(list(header.tensors))
    stored = {name: header.tensors[name] for name in chosen}
    _check_stored(stored)
    _admit([(one.shape, math.prod(one.shape) * _SAFE[one.dtype].itemsize) for one in stored.values()], max_bytes)
    tokens = [_noted_tokens(header.notes, name, max_bytes) for name in (_TOKENS, _KEY_TOKENS)]
    found = {}
    with path.open("rb") as file:
        for name, one in stored.items():
            file.seek(header.starts[name])
            raw = torch.empty(math.prod(one.shape) * _SAFE[one.dtype].itemsize, dtype=torch.uint8)
            FileBytes(file).fill(raw.numpy().data)
            found[name] = raw.view(_SAFE[one.dtype]).reshape(one.shape)
    return _attention(found, *tokens)


def _check_stored(stored: Mapping[str, Stored]) -> None:
    for name, one in stored.items():
        if one.dtype not in _SAFE or not math.prod(one.shape):
            raise Spoilt(
                f"the tensor {shown(name)!r} is {shown(one.dtype, 20)} {shown(str(list(one.shape)))}",
                f"save weights as {', '.join(_SAFE)}",
            )


def _check_numbers(name: str, header: npy.Header) -> None:
    if header.dtype.kind not in "fiu":
        raise Spoilt(f"the array {shown(name)!r} has the type {header.dtype}", "save weights as numbers")


def _admit(arrays: Sequence[tuple[tuple[int, ...], int]], max_bytes: int) -> None:
    total = sum(max(n_bytes, 4 * math.prod(shape)) for shape, n_bytes in arrays)
    admit(_COPIES * total, max_bytes, "reading it")


def _choose(names: Sequence[str]) -> list[str]:
    """Return the names of the layers in the order of the numbers in them.

    Raises:
        Spoilt: there are none, or they are of different things.
    """
    hooks = [name for name in names if _HOOK.search(name)]
    chosen = hooks or [name for name in names if name not in (_TOKENS, _KEY_TOKENS)]
    if not chosen:
        raise Spoilt("it has no arrays", "save the weights of each layer, or of all layers in one array")
    stems = {re.sub(r"\d+", "0", name): name for name in chosen}
    if len(stems) > 1:
        one, other = (shown(name, 30) for name in sorted(stems.values())[:2])
        raise Spoilt(
            f"its arrays {one!r} and {other!r} are of different things", "save one kind of attention in a file"
        )
    return sorted(chosen, key=lambda name: ([int(number[:18]) for number in re.findall(r"\d+", name)], name))


def _member_tokens(archive: Archive, name: str, max_bytes: int) -> list[str]:
    stream = archive.open(f"{name}.npy")
    header = npy.read_header(stream, stream.member.size, name)
    return texts_of(archive, name, header, max_bytes)


def texts_of(archive: Archive, name: str, header: npy.Header, max_bytes: int) -> list[str]:
    """Return an array of texts with one axis."""
    if header.dtype.kind != "U" or len(header.shape) != 1:
        raise Spoilt(
            f"the array {shown(name)!r} is {header.dtype} {shown(str(list(header.shape)))}, expected a list of texts"
        )
    admit(_COPIES * header.n_bytes, max_bytes, f"the array {shown(name)!r}")
    return [str(each) for each in read_member(archive, name)]


def _noted_tokens(notes: Mapping[str, str], name: str, max_bytes: int) -> list[str] | None:
    if name not in notes:
        return None
    found = json_text.parse(notes[name].encode("utf-8", "surrogatepass"), max_bytes, name)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise Spoilt(f"its {name} are no list of texts in JSON")
    return found


def _attention(
    arrays: Mapping[str, np.ndarray | Tensor], tokens: list[str] | None, key_tokens: list[str] | None
) -> Attention:
    """Return the attention of arrays in the order of their layers; positions stand for tokens that are not given."""
    from models.attention import Attention  # a trace has methods that call this

    first_name, *others = arrays
    first = arrays[first_name]
    for name, array in arrays.items():
        if not 3 <= array.ndim <= (4 if others else 5):
            raise Spoilt(
                f"the array {shown(name)!r} has the shape {shown(str(list(array.shape)))}",
                "save weights as [layer, head, query, key], or as [head, query, key] for each layer",
            )
    hooked = _HOOK.search(first_name) is not None
    weights: Any = arrays if hooked else list(arrays.values()) if others or first.ndim == 3 else list(first)
    n_query, n_key = first.shape[-2:]
    square = n_query == n_key and key_tokens is None
    kind = next((kind for kind in _KINDS if kind in first_name.lower()), "")
    if not kind:
        causal = square and n_query > 1 and all(not _above_diagonal(each) for each in arrays.values())
        kind = "decoder" if causal else "encoder" if square else "cross"
    queries = tokens or _positions(n_query)
    keys = key_tokens or (None if n_query == n_key else _positions(n_key))
    return Attention.from_weights(weights, queries, keys, kind)


def _above_diagonal(weights: np.ndarray | Tensor) -> bool:
    """Return whether a query attends to a later key."""
    given = torch.as_tensor(weights)
    return any(bool(each.triu(1).any()) for each in given.reshape(-1, *given.shape[-2:]))


def _positions(n_tokens: int) -> list[str]:
    return [str(number) for number in range(n_tokens)]
