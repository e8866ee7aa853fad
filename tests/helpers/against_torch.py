"""Compare our layers with torch's: torch's weights under our names, the map of each head, the worst difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

PROJECTIONS = ("query_projection", "key_projection", "value_projection")


def as_ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return torch's parameters, or their gradients, under the names of models/scratch/layers.py.

    torch stores the three input projections as one matrix, [3 * d_model, d_model], and numbers the norms of a layer in
    the order of its sublayers: the second norm of a decoder layer belongs to cross-attention.
    """
    found = {}
    for name, tensor in tensors.items():
        layer = name.rpartition("norm2")[0] or name.rpartition("norm3")[0]
        is_decoder = f"{layer}multihead_attn.in_proj_weight" in tensors
        for theirs, ours in (
            ("self_attn.", "attention."),
            ("multihead_attn.", "cross_attention."),
            ("out_proj.", "output_projection."),
            ("linear1.", "feedforward.expand."),
            ("linear2.", "feedforward.contract."),
            ("norm1.", "attention_norm."),
            ("norm2.", "cross_norm." if is_decoder else "feedforward_norm."),
            ("norm3.", "feedforward_norm."),
        ):
            name = name.replace(theirs, ours)
        if "in_proj_" in name:
            place, kind = name.split("in_proj_")
            found |= {f"{place}{part}.{kind}": piece for part, piece in zip(PROJECTIONS, tensor.chunk(3), strict=True)}
        else:
            found[name] = tensor
    return found


def copied(theirs: nn.Module, ours: nn.Module) -> None:
    """Copy all parameters of torch's module to ours; first randomise norms and biases, so that each has an effect."""
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if parameter.dim() == 1:
                parameter.uniform_(-0.5, 0.5).add_("norm" in name and "weight" in name)
    ours.load_state_dict(as_ours(dict(theirs.named_parameters())))


@contextmanager
def attentions_of(theirs: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the weights of each head in every attention call; torch's own layers do not request them."""
    found: list[Tensor] = []

    def look(module: nn.MultiheadAttention, inputs: tuple[Tensor, ...], options: dict[str, Any]) -> None:
        with torch.no_grad():
            options = {**options, "need_weights": True, "average_attn_weights": False}
            found.append(module.forward(*inputs, **options)[1])

    parts = [part for part in theirs.modules() if isinstance(part, nn.MultiheadAttention)]
    hooks = [part.register_forward_pre_hook(look, with_kwargs=True) for part in parts]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def worst(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference, divided by the largest expected value."""
    assert found.shape == expected.shape
    return ((found - expected).abs().max() / expected.abs().max()).item()


def worst_gradient(ours: nn.Module, theirs: nn.Module) -> float:
    """Return the largest difference of the gradients; every parameter must have a gradient."""
    expected = as_ours({name: parameter.grad for name, parameter in theirs.named_parameters()})
    found = {name: parameter.grad for name, parameter in ours.named_parameters()}
    assert found.keys() == expected.keys()
    # A key's bias shifts all scores of a query equally, so its gradient is rounding error around 0: compare it with
    # the scale of the weight's gradient.
    largest = {
        name: expected[name.replace("bias", "weight") if "key_projection" in name else name] for name in expected
    }
    return max(float((found[name] - expected[name]).abs().max() / largest[name].abs().max()) for name in expected)
