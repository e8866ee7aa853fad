"""How many bytes the layers of a trace take in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor


def layer_bytes(layers: Iterable[Any]) -> int:
    """Return the bytes of all tensors of layers; one that several layers share counts once."""
    found: dict[int, int] = {}
    for tensor in (tensor for layer in layers for tensor in _tensors(layer)):
        size = tensor.numel() * tensor.element_size()
        found[tensor.data_ptr()] = max(size, found.get(tensor.data_ptr(), 0))
    return sum(found.values())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _tensors(getattr(value, field.name))
