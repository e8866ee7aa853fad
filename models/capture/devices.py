"""Copies of tensors on another device: each tensor once."""

from __future__ import annotations

import torch
from torch import Tensor

# Tensors that were copied to another device, with their copies, by address and layout.
Copies = dict[tuple, tuple[Tensor, Tensor]]


def copy_once(tensor: Tensor, device: torch.device, copies: Copies) -> Tensor:
    """Return a copy on a device, the one in `copies` if this tensor or another view of the same memory is there."""
    key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
    if key not in copies:
        # The tensor is kept too, so that no other tensor can take its address.
        copies[key] = (tensor, copy_to(tensor, device))
    return copies[key][1]


def copy_to(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a copy on a device."""
    return tensor.to(device)
