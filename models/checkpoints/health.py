"""Weights that are not finite and attention that carries no information: named at load, never repaired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from models.capture.replay import Layer

_MAX_NAMED = 4
# A row with a smaller sum has a sink. bfloat16 rounds each weight by 0.4% at most.
_FULL_SUM = 0.99


def weight_notices(module: nn.Module) -> Iterator[str]:
    """Yield a sentence about weights that are NaN or infinite, and one about matrices whose values are all equal."""
    bad, constant = [], []
    matrices = _matrices(module)
    for name, tensor in _tensors(module):
        if not _is_finite(tensor):
            n_bad = int((~torch.isfinite(tensor)).sum())
            kind = "NaN" if bool(torch.isnan(tensor).any()) else "infinite"
            bad.append(f"{name} ({n_bad:,} of {tensor.numel():,} values {kind})")
        elif name in matrices and _is_constant(tensor):
            # Adding 0 makes -0 a 0.
            constant.append(f"{name} (all {float(tensor.flatten()[0]) + 0.0:g})")
    if bad:
        yield (
            f"{_count(len(bad), 'weight tensor is', 'weight tensors are')} damaged: {_list(bad)}. Pictures show what "
            "the model computes with them, and mark values that are not numbers. Fetch or save the model again."
        )
    if constant:
        yield (
            f"{_count(len(constant), 'weight matrix contains', 'weight matrices contain')} one value only: "
            f"{_list(constant)}. Such a matrix gives all its dimensions the same number: it was not trained, or it is "
            "damaged. Fetch or save the model again."
        )


def attention_notices(layers: Mapping[str, Sequence[Layer]]) -> Iterator[str]:
    """Yield one sentence each on heads that are uniform on the short text, on heads with NaN, on heads with a sink.

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
            finite = torch.isfinite(weights).flatten(1).all(-1)
            uniform += [f"{where}layer {number} head {head}" for head in heads if flat[head] and weights.shape[-1] > 1]
            bad += [f"{where}layer {number} head {head}" for head in heads if not finite[head]]
            sums = weights.sum(-1)
            short += [f"{where}layer {number} head {head}" for head in heads if (sums[head] < _FULL_SUM).any()]
    if uniform:
        yield (
            f"{_count(len(uniform), 'head attends', 'heads attend')} to every token equally on a short text "
            f"({_list(uniform)}): the queries and keys there do not distinguish tokens."
        )
    if bad:
        yield (
            f"{_count(len(bad), 'head is', 'heads are')} not a number on a short text ({_list(bad)}): "
            "the weights are damaged or too large for this dtype."
        )
    if short:
        yield (
            f"{_count(len(short), 'head sends', 'heads send')} part of the attention to a sink, which is not a token "
            f"({_list(short)}): their rows sum to less than 1, and the rest is the sink's share."
        )


@contextmanager
def finite_weights(module: nn.Module) -> Iterator[bool]:
    """Replace bad values by zeros inside this context; gives whether there were any.

    The proof that the captured weights are the model's own does not depend on values. NaN is equal to nothing, so with
    NaN nothing could be proven.
    """
    damaged = [(tensor, tensor.data) for _, tensor in _tensors(module) if not _is_finite(tensor)]
    try:
        for tensor, values in damaged:
            tensor.data = torch.nan_to_num(values, 0.0, 0.0, 0.0)
        yield bool(damaged)
    finally:
        for tensor, values in damaged:
            tensor.data = values


def _is_finite(tensor: Tensor) -> bool:
    # A sum with a bad value is bad, and takes a tenth of the time of a check of each value.
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

    Tables (a table of one kind of token may be zero) and single vectors (such as DINOv2's mask token) are not included.
    """
    tables = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Embedding)}
    named = {name for name, tensor in module.named_parameters() if sum(size > 1 for size in tensor.shape) >= 2}
    return {name for name in named - tables if name.endswith("weight")}


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _list(parts: Sequence[str]) -> str:
    more = len(parts) - _MAX_NAMED
    return ", ".join(parts[:_MAX_NAMED]) + (f" and {more:,} more" if more > 0 else "")
