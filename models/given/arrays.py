"""One array of numbers, in whatever form it came, to a tensor: NumPy, torch, JAX and others, and nested lists.

Shapes are read before anything is copied, so that a value that claims to be large is refused before memory is taken.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from models.errors import BadMatrix, short_message

log = logging.getLogger("headlight.models")

# Steps, layers, a batch, heads, queries, keys, and one more, which is refused.
MAX_DEPTH = 7
# What a model with another kind of attention returns, in transformers 5: (), and None in older versions.
NOT_RETURNED = (
    'There are no weights: a model of transformers returns them if it is loaded with attn_implementation="eager" and '
    "called with output_attentions=True."
)


@runtime_checkable
class ArrayLike(Protocol):
    """An array of another library that NumPy can read."""

    def __array__(self, dtype: Any = None) -> np.ndarray:
        """Return its values."""


@runtime_checkable
class DlpackLike(Protocol):
    """An array of another library that torch can read, possibly on an accelerator."""

    def __dlpack__(self) -> Any:
        """Return its values as a capsule."""


@runtime_checkable
class Shaped(Protocol):
    """An array that says how large it is before its values are read."""

    shape: Any


def shape_of(given: Any, where: str) -> tuple[int, ...]:
    """Return the shape of an array, or of nested lists by their first parts, without reading values.

    Raises:
        BadMatrix: it is no array of floating-point numbers; `where` begins the sentence.
    """
    shape: list[int] = []
    while isinstance(given, list | tuple) and len(shape) < MAX_DEPTH:
        shape.append(len(given))
        if not given:
            return tuple(shape)
        given = given[0]
    if given is None and len(shape) <= 2:  # of a layer, or of a layer in a step of `generate()`
        raise BadMatrix(NOT_RETURNED)
    if isinstance(given, list | tuple | int | float) and not isinstance(given, bool):
        return tuple(shape)
    return (*shape, *_shape_of_array(given, where))


def as_array(given: Any, where: str) -> np.ndarray | Tensor:
    """Return an array as NumPy or torch has it, on its device, without a copy where that is possible.

    Raises:
        BadMatrix: it is no array of floating-point numbers.
    """
    found = given if isinstance(given, np.ndarray | Tensor) else _foreign_array(given, where)
    if isinstance(found, Tensor):
        return _plain_tensor(found, where)
    if isinstance(found, np.ma.MaskedArray) and bool(np.ma.getmaskarray(found).any()):
        raise BadMatrix(f"{where} has masked values: fill them first, for example with weights.filled(0).")
    # The bfloat16 and float8 of JAX are types of their own in NumPy.
    if found.dtype.kind != "f" and not found.dtype.name.startswith(("bfloat16", "float")):
        raise _not_floating(found.dtype, where)
    return np.asarray(found)


def fill(out: np.ndarray, given: Any, where: str) -> None:
    """Copy an array or nested lists into a float32 array of the same shape, the only copy that is made.

    Raises:
        BadMatrix: its parts have other shapes, or are no floating-point numbers.
    """
    if not isinstance(given, list | tuple):
        _copy(out, as_array(given, where), where)
        return
    if len(given) != len(out):
        raise BadMatrix(f"{where} has lists of {len(out)} and of {len(given)} parts: give lists of equal lengths.")
    if out.ndim == 1:
        _copy(out, _row_of_numbers(given, where), where)
        return
    for part, each in zip(out, given, strict=True):
        fill(part, each, where)


def _shape_of_array(given: Any, where: str) -> tuple[int, ...]:
    if isinstance(given, Tensor):
        return tuple(_plain_tensor(given, where).shape)
    if not isinstance(given, np.ndarray) and isinstance(given, Shaped) and _is_array(given):
        try:
            return tuple(int(each) for each in given.shape)
        except (TypeError, ValueError):
            log.info("an array of the type %s has no readable shape", type(given).__name__)
    return tuple(as_array(given, where).shape)


def _is_array(given: Any) -> bool:
    return isinstance(given, ArrayLike | DlpackLike) and not isinstance(given, type)


def _foreign_array(given: Any, where: str) -> np.ndarray | Tensor:
    if not _is_array(given):
        raise BadMatrix(
            f"{where} has a value of the type {type(given).__name__}, which is no array of numbers: give arrays of "
            "NumPy, torch or JAX, or nested lists."
        )
    failure: Exception | None = None
    # Arrays on an accelerator refuse `__array__` in some libraries.
    for kind, read in ((ArrayLike, np.asarray), (DlpackLike, torch.from_dlpack)):
        if isinstance(given, kind):
            try:
                return read(given)
            except Exception as error:  # whatever another library raises
                log.info("an array of the type %s cannot be read: %s", type(given).__name__, error)
                failure = error
    assert failure is not None
    raise BadMatrix(
        f"{where} has an array of the type {type(given).__name__} that cannot be read ({short_message(failure)}): "
        "give it as an array of NumPy."
    ) from failure


def _plain_tensor(tensor: Tensor, where: str) -> Tensor:
    kinds = {
        "nested": (tensor.is_nested, "give one tensor for each text"),
        "sparse": (tensor.layout != torch.strided, "give weights.to_dense()"),
        "quantised": (tensor.is_quantized, "give weights.dequantize()"),
        "on the meta device, without values": (tensor.is_meta, "give weights that were computed"),
    }
    for kind, (is_so, remedy) in kinds.items():
        if is_so:
            raise BadMatrix(f"{where} is a tensor that is {kind}: {remedy}.")
    if not tensor.is_floating_point():
        raise _not_floating(str(tensor.dtype).removeprefix("torch."), where)
    return tensor.detach()


def _not_floating(dtype: Any, where: str) -> BadMatrix:
    return BadMatrix(f"{where} has values of the type {dtype}, but weights are floating-point numbers from 0 to 1.")


def _row_of_numbers(given: list[Any] | tuple[Any, ...], where: str) -> np.ndarray:
    """Return a row as NumPy reads it. JavaScript writes 1.0 as 1, so that whole numbers are numbers here."""
    try:
        row = np.asarray(given)
    except Exception as error:  # parts of different lengths, or parts that cannot be read
        log.info("a row that is no array: %s", error)
        raise BadMatrix(f"{where} has a row that is no list of numbers: give a number for each key.") from error
    if row.dtype.kind not in "fiu" or row.ndim != 1:
        raise BadMatrix(f"{where} has a row that is no list of numbers: give a number for each key.")
    return row


def _copy(out: np.ndarray, found: np.ndarray | Tensor, where: str) -> None:
    if tuple(found.shape) != out.shape:
        raise BadMatrix(
            f"{where} has parts of the shapes {list(out.shape)} and {list(found.shape)}: give arrays of equal shapes."
        )
    try:
        if isinstance(found, Tensor):
            torch.from_numpy(out).copy_(found)
            return
        with np.errstate(over="ignore"):  # a larger number than float32 has becomes infinite, and is reported
            np.copyto(out, found, casting="unsafe")
    except Exception as error:  # a tensor without values, or on a device that fails
        log.info("an array that cannot be copied: %s", error)
        raise BadMatrix(f"{where} cannot be read ({short_message(error)}): give an array of NumPy.") from error
