"""Which tokens of the input the tokens of each layer can come from: the masks of the layers, one after another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from models.capture.masks import Spans
from models.capture.replay import ALL, LayerLike

# None: any token can come from any.
Reach = Spans | Tensor | None


def reach_of(layers: Sequence[LayerLike], *, residual: bool) -> list[Reach]:
    """Return the reach of each layer's tokens down to the input; with `residual` each token passes on itself too.

    A mask of runs of keys stays one as long as the runs touch, without a value for each pair.
    """
    found: list[Reach] = []
    for number, layer in enumerate(layers):
        below = found[-1] if number else _itself(layer.shape[1])
        found.append(_through(layer, below, residual))
    return found


def _itself(n: int) -> Spans:
    order = torch.arange(n, device="cpu")
    return Spans(order, order + 1)


def _through(layer: LayerLike, below: Reach, residual: bool) -> Reach:
    runs = _runs(layer, residual)
    if runs is None or isinstance(below, Tensor):
        return _through_pairs(layer, below, residual)
    first, end = runs
    if below is None:
        return None
    lowest = _each(np.minimum, below.first.numpy(), first, end)
    highest = _each(np.maximum, below.end.numpy(), first, end)
    if (lowest == 0).all() and (highest == len(first)).all():
        return None
    return Spans(torch.from_numpy(lowest), torch.from_numpy(highest))


def _runs(layer: LayerLike, residual: bool) -> tuple[Int[np.ndarray, " query"], Int[np.ndarray, " query"]] | None:
    """Return first and end of the run of each token that has the token itself in it, None if that is not a run."""
    n, spans = layer.shape[1], layer.spans()
    order = np.arange(n)
    if spans is None:
        one = layer.allowed(ALL, slice(0, 1))
        return (np.zeros(n, np.int64), np.full(n, n)) if one is None else None
    first, end = spans.first.cpu().numpy(), spans.end.cpu().numpy()
    if not residual:
        return (first, end) if ((first <= order) & (order < end)).all() else None
    empty = first >= end
    first, end = np.where(empty, order, first), np.where(empty, order + 1, end)
    if ((order < first - 1) | (order > end)).any():
        return None
    return np.minimum(first, order), np.maximum(end, order + 1)


def _each(pick: np.ufunc, values: np.ndarray, first: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the lowest or highest value of each run."""
    padded = np.append(values, values[-1])  # `reduceat` takes no index beyond the last value
    return pick.reduceat(padded, np.stack([first, end], axis=1).ravel())[::2]


def _through_pairs(layer: LayerLike, below: Reach, residual: bool) -> Bool[Tensor, "query key"] | None:
    """Return the reach as a value for each pair."""
    n = layer.shape[1]
    allowed = layer.allowed(ALL, ALL)
    here = torch.ones(n, n, dtype=torch.bool, device="cpu") if allowed is None else allowed.any(0).cpu()
    if residual:
        here = here | torch.eye(n, dtype=torch.bool, device="cpu")
    if below is None:
        found = here.any(1, keepdim=True).expand(n, n)
    else:
        under = below.allowed(ALL, 0, n)[0] if isinstance(below, Spans) else below
        found = (here.float() @ under.float()) > 0
    return None if bool(found.all()) else found.contiguous()
