"""Weights that are no numbers, and attention that says nothing: found at load and told by name, never repaired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from models.capture.replay import Layer

_MOST_NAMED = 4
# A row that sums to less is not whole; bfloat16 rounds each weight by 0.4% at most.
_WHOLE = 0.99


def weight_notices(module: nn.Module) -> Iterator[str]:
    """Yield a sentence about weights that are NaN or infinite, and one about matrices that hold one value only."""
    bad, constant = [], []
    matrices = _matrices(module)
    for name, tensor in _tensors(module):
        if not _is_finite(tensor):
            n_bad = int((~torch.isfinite(tensor)).sum())
            kind = "NaN" if bool(torch.isnan(tensor).any()) else "infinite"
            bad.append(f"{name} ({n_bad:,} of {tensor.numel():,} values {kind})")
        elif name in matrices and _is_constant(tensor):
            constant.append(f"{name} (all {float(tensor.flatten()[0]):g})")
    if bad:
        yield (
            f"{_counted(len(bad), 'weight tensor is', 'weight tensors are')} damaged: {_listed(bad)}; pictures show "
            "what the model computes with them, values that are no numbers as such: fetch or save the model again."
        )
    if constant:
        yield (
            f"{_counted(len(constant), 'weight matrix holds', 'weight matrices hold')} one value only: "
            f"{_listed(constant)}; they tell no token from another, so attention that depends on them is uniform or "
            "the same everywhere."
        )


def attention_notices(layers: Mapping[str, Sequence[Layer]]) -> Iterator[str]:
    """Yield a sentence each for heads that attend to all keys alike on the short text, are NaN, or have a sink.

    `layers` are those of each role ("self", or "encoder", "decoder", "cross").
    """
    uniform, bad, short = [], [], []
    for role, found in layers.items():
        where = "" if role == "self" else f"{role} "
        for number, layer in enumerate(found):
            weights, allowed = layer.rows(slice(None), slice(None)), layer.allowed(slice(None), slice(None))
            heads = range(weights.shape[0])
            masked = torch.zeros_like(weights, dtype=torch.bool) if allowed is None else ~allowed.expand_as(weights)
            highest = weights.masked_fill(masked, 0).amax(-1)
            lowest = weights.masked_fill(masked, 1).amin(-1)
            flat = ((highest == lowest) | (masked.sum(-1) >= weights.shape[-1] - 1)).all(-1)
            numbers = torch.isfinite(weights).flatten(1).all(-1)
            uniform += [f"{where}layer {number} head {head}" for head in heads if flat[head] and weights.shape[-1] > 1]
            bad += [f"{where}layer {number} head {head}" for head in heads if not numbers[head]]
            share = weights.sum(-1)
            short += [f"{where}layer {number} head {head}" for head in heads if (share[head] < _WHOLE).any()]
    if uniform:
        yield (
            f"{_counted(len(uniform), 'head attends', 'heads attend')} to every token alike on a short text "
            f"({_listed(uniform)}): no query or key tells tokens apart there."
        )
    if bad:
        yield (
            f"{_counted(len(bad), 'head is', 'heads are')} not a number on a short text ({_listed(bad)}): "
            "the weights are damaged or too large for this dtype."
        )
    if short:
        yield (
            f"{_counted(len(short), 'head sends', 'heads send')} part of the attention to no token but to a sink "
            f"({_listed(short)}): their rows sum to less than 1, and what is missing is the sink's share."
        )


@contextmanager
def finite_weights(module: nn.Module) -> Iterator[bool]:
    """Put zeros in place of bad values for a while; gives whether there were any.

    Whether what is captured is what the model computes does not depend on values, but NaN equals nothing, and with
    NaN nothing could be proven.
    """
    spoilt = [(tensor, tensor.data) for _, tensor in _tensors(module) if not _is_finite(tensor)]
    try:
        for tensor, values in spoilt:
            tensor.data = torch.nan_to_num(values, 0.0, 0.0, 0.0)
        yield bool(spoilt)
    finally:
        for tensor, values in spoilt:
            tensor.data = values


def _is_finite(tensor: Tensor) -> bool:
    # A sum with a bad value is bad, and takes a tenth of the time of a look at each.
    return bool(torch.isfinite(tensor.sum())) or bool(torch.isfinite(tensor).all())


def _is_constant(tensor: Tensor) -> bool:
    first = tensor.flatten()[0]
    return bool((tensor[-1] == first).all()) and bool((tensor == first).all())


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in module.named_parameters():
        if tensor.is_floating_point():
            yield name, tensor


def _matrices(module: nn.Module) -> set[str]:
    """Return the names of weights that map one width to another.

    Tables (a table of one kind of token may be zero) and single vectors (DINOv2's mask token is) are none.
    """
    tables = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Embedding)}
    named = {name for name, tensor in module.named_parameters() if sum(size > 1 for size in tensor.shape) >= 2}
    return {name for name in named - tables if name.endswith("weight")}


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _listed(parts: Sequence[str]) -> str:
    more = len(parts) - _MOST_NAMED
    return ", ".join(parts[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
