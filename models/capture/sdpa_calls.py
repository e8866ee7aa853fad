"""One call of `scaled_dot_product_attention`, as what the weights of one item of the batch depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from models.capture.masks import Spans, compact
from models.capture.replay import Replay
from models.errors import BadSelection

_NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
_DEFAULTS = {"attn_mask": None, "dropout_p": 0.0, "is_causal": False, "scale": None, "enable_gqa": False}
# What modules call their number of heads.
_HEADS = ("num_heads", "n_heads", "heads", "n_head", "nhead", "num_attention_heads")


class Unread(Exception):
    """The call's first axes are not the items of the batch and the heads: windows, groups or frames."""


@dataclass(frozen=True)
class InputShape:
    """The first two sizes of the input, of which one counts the items of the batch; None: it has no such axis."""

    first: int | None = None
    second: int | None = None

    @classmethod
    def of(cls, *inputs: Any) -> InputShape:
        """Return the sizes of the first tensor of a module's inputs."""
        tensors = [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor) and leaf.dim()]
        if not tensors or tensors[0].is_nested or tensors[0].dim() < 2:
            return cls()
        first, second, *more = tensors[0].shape
        return cls(first, second if len(more) < 2 else None)

    def count_items(self, n_rows: int, n_query: int) -> int | None:
        """Return how many items the rows of a call belong to: one for each row, or 1 if all rows are one item."""
        if n_rows in (1, self.first):
            return n_rows
        # The positions may be the first axis of the input, and the batch the second.
        return n_rows if (n_rows, n_query) == (self.second, self.first) else None


def bind(args: tuple, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name."""
    return {**_DEFAULTS, **dict(zip(_NAMES, args, strict=False)), **kwargs}


def read_call(given: Mapping[str, Any], item: int, inputs: InputShape, module: nn.Module | None) -> tuple[Replay, int]:
    """Return the replay of one item of the batch, `[head, position, d_head]`, and the number of items in the call.

    `module` is the one that calls.

    Raises:
        Unread: the call's rows are not the items of the batch.
        BadSelection: no such item.
    """
    query, key, mask = given["query"], given["key"], given["attn_mask"]
    lengths = (query.shape[-2], key.shape[-2])
    if mask is not None:
        mask = mask.expand(*query.shape[:-2], *lengths)
    layout = _layout(query, inputs, module)
    query, key = (_as_rows(one, layout) for one in (query, key))
    n_items = len(query)
    if n_items > 1 and not 0 <= item < n_items:
        raise BadSelection(f"There is no item {item}: the batch has items 0 to {n_items - 1}.")
    replay = Replay(
        query=query[min(item, n_items - 1)].detach().clone(),
        key=key[min(item, len(key) - 1)].detach().clone(),
        scaling=query.shape[-1] ** -0.5 if given["scale"] is None else float(given["scale"]),
        mask=None if mask is None else _mask_of(_as_rows(mask, layout)[min(item, n_items - 1)].detach()),
        causal=bool(given["is_causal"]),
    )
    return replay, n_items


def _layout(query: Tensor, inputs: InputShape, module: nn.Module | None) -> int:
    """Return how many rows follow each other for one item (the heads), -1 if the heads have a separate axis."""
    if query.dim() == 2:
        return 1
    n_rows, n_query = query.shape[0], query.shape[-2]
    if query.dim() == 4 and inputs.count_items(n_rows, n_query):
        return -1
    if query.dim() == 3:
        if inputs.first is not None and inputs.count_items(n_rows, n_query):
            return 1
        n_heads = next((getattr(module, name) for name in _HEADS if isinstance(getattr(module, name, None), int)), 0)
        if n_heads > 0 and n_rows % n_heads == 0 and inputs.count_items(n_rows // n_heads, n_query):
            return n_heads
        if inputs.first is None:
            return n_rows
    raise Unread


def _as_rows(tensor: Tensor, layout: int) -> Tensor:
    """Return `[item, head, position, ...]`."""
    if layout == -1:
        return tensor
    return tensor.reshape(-1, layout, *tensor.shape[-2:]) if tensor.dim() == 3 else tensor[None, None]


def _mask_of(mask: Tensor) -> Tensor | Spans | None:
    """Return a mask `[head, query, key]` in compact form, for all heads at once where they share it."""
    if len(mask) > 1 and torch.equal(mask, mask[:1].expand_as(mask)):
        mask = mask[:1]
    # A copy, because the caller may change the mask after the trace was made.
    return compact(mask.clone())
