"""What a reader must know of weights that no Headlight captured, in sentences. The weights stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

# How far the sum of a row may be from 1 in float32.
SUM_TOLERANCE = 1e-4


@dataclass(frozen=True)
class _Head:
    """What is strange in one head: how many weights and rows, and the row whose sum is furthest from 1."""

    place: str
    n_nan: int = 0
    n_infinite: int = 0
    n_negative: int = 0
    lowest: float = 0.0
    n_empty: int = 0
    n_off: int = 0
    sums: tuple[float, float] = (1.0, 1.0)
    furthest: int = 0
    columns: bool = False

    @property
    def distance(self) -> float:
        """How far the furthest sum is from 1."""
        return max(abs(each - 1) for each in self.sums)


def describe_weights(layers: Sequence[Tensor]) -> tuple[str, ...]:
    """Return one sentence for each thing that a reader must know, with numbers and the head where it is worst.

    `layers` are `[head, query, key]`; heads may differ from layer to layer. The sentences name values that
    are not weights (NaN, infinite, negative), rows of zeros, and rows that do not sum to 1.
    """
    heads = [head for number, layer in enumerate(layers) for head in _strange_heads(layer, number)]
    n_rows = sum(layer.shape[0] * layer.shape[1] for layer in layers)
    strange = (
        _describe_nan(heads),
        _describe_infinite(heads),
        _describe_negative(heads),
        _describe_empty(heads, n_rows),
    )
    return tuple(each for each in (*strange, _describe_off(heads, n_rows), _describe_exchanged(heads)) if each)


def is_causal(layers: Sequence[Tensor]) -> bool:
    """Return whether no query attends to a later key."""
    return all(not bool(weights.triu(1).any()) for layer in layers for weights in layer)


def _strange_heads(layer: Float[Tensor, "head query key"], number: int) -> Iterator[_Head]:
    """Yield the heads of a layer that have anything unusual, from the sum and the lowest weight of each row."""
    sums, lowest = layer.sum(-1), layer.amin(-1)
    usual = ((sums - 1).abs() <= SUM_TOLERANCE) & (lowest >= 0)  # a comparison with NaN is False
    for head in (~usual).any(-1).nonzero().flatten().tolist():
        yield _look_at(layer[head], sums[head], lowest[head], f"layer {number}, head {head}")


def _look_at(
    weights: Float[Tensor, "query key"], sums: Float[Tensor, " query"], lowest: Float[Tensor, " query"], place: str
) -> _Head:
    empty = (sums == 0) & (lowest == 0)
    # Single weights are looked at only in rows where one of them is strange: each look takes as long as the copy.
    unlike = ~sums.isfinite() | ~(lowest >= 0)
    values = weights[unlike]
    finite = values.isfinite()
    negative, n_nan = values[finite & (values < 0)], int(values.isnan().sum())
    off = ~empty & ((sums - 1).abs() > SUM_TOLERANCE)
    off[unlike] &= finite.all(-1)
    near = off & ((sums - 1).abs() <= torch.finfo(torch.bfloat16).eps)
    off[near] = (sums[near] - 1).abs() > _rounding(weights[near])
    found = _Head(
        place,
        n_nan=n_nan,
        n_infinite=int((~finite).sum()) - n_nan,
        n_negative=negative.numel(),
        lowest=float(negative.min()) if negative.numel() else 0.0,
        n_empty=int(empty.sum()),
        n_off=int(off.sum()),
    )
    if not found.n_off:
        return found
    strange = sums[off]
    columns = bool(((weights.sum(0) - 1).abs() <= SUM_TOLERANCE).all())
    furthest = int(off.nonzero()[(strange - 1).abs().argmax()])
    return replace(found, sums=(float(strange.min()), float(strange.max())), furthest=furthest, columns=columns)


def _rounding(rows: Float[Tensor, "query key"]) -> Float[Tensor, " query"]:
    """Return how far the sum of each row may be from 1: further where all weights are numbers of a half type."""
    allowed = torch.full((len(rows),), SUM_TOLERANCE, device="cpu")
    bits, left = rows.contiguous().view(torch.int32), torch.arange(len(rows), device="cpu")
    # The half types have 16 and 13 bits less behind the point than float32.
    for dtype, more_bits in ((torch.bfloat16, 0xFFFF), (torch.float16, 0x1FFF)):
        is_half = (bits[left] & more_bits).amax(-1) == 0
        allowed[left[is_half]] = torch.finfo(dtype).eps
        left = left[~is_half]
    return allowed


def _describe_nan(heads: Sequence[_Head]) -> str:
    n = sum(head.n_nan for head in heads)
    are = "1 weight is not a number" if n == 1 else f"{n:,} weights are not numbers"
    return f"{are} (NaN){_most(heads, 'n_nan', n)}." if n else ""


def _describe_infinite(heads: Sequence[_Head]) -> str:
    n = sum(head.n_infinite for head in heads)
    return f"{_weights_are(n)} infinite{_most(heads, 'n_infinite', n)}." if n else ""


def _describe_negative(heads: Sequence[_Head]) -> str:
    n = sum(head.n_negative for head in heads)
    if not n:
        return ""
    worst = min(heads, key=lambda head: head.lowest)
    return (
        f"{_weights_are(n)} negative, the lowest, {worst.lowest:.3g}, in {worst.place}: scores before the softmax are "
        "no weights."
    )


def _describe_empty(heads: Sequence[_Head], n_rows: int) -> str:
    n = sum(head.n_empty for head in heads)
    have = "has" if n == 1 else "have"
    return f"{n:,} of {n_rows:,} rows {have} no weight, only zeros{_most(heads, 'n_empty', n)}." if n else ""


def _describe_off(heads: Sequence[_Head], n_rows: int) -> str:
    off = [head for head in heads if head.n_off]
    n = sum(head.n_off for head in off)
    if not n:
        return ""
    worst = max(off, key=lambda head: head.distance)
    low, high = min(head.sums[0] for head in off), max(head.sums[1] for head in off)
    where = f"in {worst.place}, query {worst.furthest}"
    if n == 1:
        return f"1 of {n_rows:,} rows does not sum to 1: its sum is {_number(low)}, {where}."
    shown = _number(low), _number(high)
    sums = f"each sums to {shown[0]}" if shown[0] == shown[1] else f"their sums are {shown[0]} to {shown[1]}"
    return f"{n:,} of {n_rows:,} rows do not sum to 1: {sums}, the furthest {where}."


def _describe_exchanged(heads: Sequence[_Head]) -> str:
    off = [head for head in heads if head.n_off]
    exchanged = off and all(head.columns for head in off)
    return "Columns sum to 1 instead: the order of the axes may be [head, key, query]." if exchanged else ""


def _number(value: float) -> str:
    """Return a sum with as many digits as tell it from 1."""
    return f"{value:.4f}" if abs(value - 1) < 0.01 else f"{value:.3g}"


def _weights_are(n: int) -> str:
    return f"{n:,} weights are" if n > 1 else "1 weight is"


def _most(heads: Sequence[_Head], name: str, n: int) -> str:
    """Return where the most of what is counted is."""
    worst = max(heads, key=lambda head: int(vars(head)[name]))
    return f", {'the most of them ' if int(vars(worst)[name]) < n else ''}in {worst.place}"
