"""Copies on another device: each tensor once, the same values whatever the layout and the length of a piece."""

from __future__ import annotations

import pytest
import torch

from models.capture.devices import copy_in_pieces, copy_once, copy_to

META = torch.device("meta")
GENERATOR = torch.Generator().manual_seed(3)
TENSORS = {
    "of one piece": torch.randn(3, 4, generator=GENERATOR),
    "of many pieces": torch.randn(5, 7, 11, generator=GENERATOR),
    "transposed": torch.randn(7, 3, 5, generator=GENERATOR).transpose(0, 1),
    "a part": torch.randn(9, 30, generator=GENERATOR)[2:7, 3::2],
    "expanded": torch.randn(1, 1, 13, generator=GENERATOR).expand(3, 5, 13),
    "boolean": torch.rand(5, 9, generator=GENERATOR) > 0.5,
    "bfloat16": torch.randn(6, 5, generator=GENERATOR).bfloat16(),
    "empty": torch.empty(3, 0, 2),
    "a number": torch.tensor(7.5),
}


@pytest.mark.parametrize("n_values", [1, 12, 13, 1000])
@pytest.mark.parametrize("name", TENSORS)
def test_a_copy_in_pieces_has_the_same_values(name, n_values):
    tensor = TENSORS[name]
    copied = copy_in_pieces(tensor, torch.zeros(n_values, dtype=tensor.dtype))
    assert (copied.dtype, copied.shape) == (tensor.dtype, tensor.shape)
    assert torch.equal(copied, tensor)
    assert copied.is_contiguous()
    assert not copied.numel() or copied.data_ptr() != tensor.data_ptr()


def test_views_of_the_same_memory_have_one_copy():
    tensor, copies = TENSORS["of many pieces"], {}
    one, again = (copy_once(view, META, copies) for view in (tensor[:], tensor.view(5, 7, 11)))
    assert one is again
    assert one.device == META
    others = [tensor[:3], tensor.transpose(0, 1), tensor.clone(), tensor.view(torch.int32)]
    assert all(copy_once(other, META, copies) is not one for other in others)


def test_an_address_that_is_used_again_is_another_tensor():
    """torch gives the memory of a tensor that is gone to the next one: a copy keeps its tensor alive."""
    copies = {}
    addresses = {copy_once(torch.full((1000,), float(number)), META, copies) is None for number in range(20)}
    assert addresses == {False}
    assert len(copies) == 20


def test_other_devices_are_copied_by_torch():
    assert copy_to(TENSORS["transposed"], META).device == META
    assert copy_to(TENSORS["transposed"], torch.device("cpu")) is TENSORS["transposed"]
