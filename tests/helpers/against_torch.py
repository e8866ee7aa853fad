"""torch's attention modules as ours: their weights under our names, each head's map, the worst difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

PROJECTIONS = ("query_projection", "key_projection", "value_projection")


def as_ours(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what torch's modules name (parameters, or their gradients) under the names of models/scratch/layers.py.

    torch holds the three input projections as one matrix, [3 * d_model, d_model], and numbers the norms of a layer in
    the order of its sublayers: a decoder layer's second is that of cross-attention.
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
    """Give every parameter of torch's module to ours; norms and biases at random first, so that none is idle."""
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if parameter.dim() == 1:
                parameter.uniform_(-0.5, 0.5).add_("norm" in name and "weight" in name)
    ours.load_state_dict(as_ours(dict(theirs.named_parameters())))


@contextmanager
def attentions_of(theirs: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the weights of each head of every attention that is called, which torch's layers do not ask for."""
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
    """Return the largest difference, in units of the largest value that is expected."""
    assert found.shape == expected.shape
    return ((found - expected).abs().max() / expected.abs().max()).item()


def worst_gradient(ours: nn.Module, theirs: nn.Module) -> float:
    """Return the largest difference of any parameter's gradient; every parameter must have one."""
    expected = as_ours({name: parameter.grad for name, parameter in theirs.named_parameters()})
    found = {name: parameter.grad for name, parameter in ours.named_parameters()}
    assert found.keys() == expected.keys()
    # A key's bias moves all scores of a query alike, so its gradient is 0 but for rounding: held to its weight's.
    largest = {
        name: expected[name.replace("bias", "weight") if "key_projection" in name else name] for name in expected
    }
    return max(float((found[name] - expected[name]).abs().max() / largest[name].abs().max()) for name in expected)
