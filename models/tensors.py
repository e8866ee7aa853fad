"""Tensors as people give them, to arrays."""

from __future__ import annotations

import logging

import numpy as np
from torch import Tensor

from models.errors import NoText

log = logging.getLogger("headlight.models")


def array_of_tensor(tensor: Tensor, what: str, remedy: str) -> np.ndarray:
    """Return the numbers of a tensor, half types as float32; `what` and `remedy` are for the sentence of a refusal.

    Raises:
        NoText: the tensor is sparse, quantised, nested, or on the meta device.
    """
    try:
        plain = tensor.detach().cpu()
        return (plain.float() if plain.is_floating_point() else plain).numpy()
    except Exception as error:
        log.info("a tensor that is no array: %s", error)
        raise NoText(f"The tensor of the {what} has no numbers that can be read: {remedy}.") from error


def readonly(values: Tensor) -> np.ndarray:
    """Return values as an array that nobody can change.

    It is a copy, not a view: a caller must not reach the tensor through `.base`.
    """
    array = np.array(values.contiguous().numpy(), copy=True)
    array.flags.writeable = False
    return array
