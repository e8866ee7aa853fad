"""Capture below every model: an attention function that notes q and k while the model computes as it always does.

transformers lets a function take the place of a model's attention (`AttentionInterface`). Ours computes the output
with PyTorch's `scaled_dot_product_attention` and, if the running request has a recorder, keeps references to what
the weights depend on. The recorder stands in a `ContextVar`: the model is shared by all visitors, so nothing on it
changes from request to request, and no hook stays behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from models.trace import Replay

IMPLEMENTATION = "headlight"
# How many weights are computed at once where the output is made of them: 64 MB.
OUTPUT_WEIGHTS = 2**24


@dataclass(frozen=True)
class Call:
    """One attention module's call within a forward pass of batch size 1."""

    module: nn.Module
    replay: Replay


@dataclass(frozen=True)
class Recorder:
    """Where the running request notes its calls; `through_weights` computes the output from the replayed weights."""

    calls: list[Call]
    through_weights: bool


_recorder: ContextVar[Recorder | None] = ContextVar("headlight_recorder", default=None)


@contextmanager
def recording(*, through_weights: bool = False) -> Iterator[list[Call]]:
    """Collect the attention calls of this context (thread or task) into the list that is given.

    With `through_weights` the outputs are made of the replayed weights, as eager attention makes them, so that a
    comparison with eager shows the replay's own error and not how SDPA's rounding grows over the layers.
    """
    recorder = Recorder([], through_weights)
    token = _recorder.set(recorder)
    try:
        yield recorder.calls
    finally:
        _recorder.reset(token)


def attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Compute a module's attention output `[batch, query, head, d_head]`, and note the call if one is recording.

    `query` is `[batch, head, query, d_head]` after rotary embedding, `key` and `value` have `n_kv_heads` heads.
    """
    recorder, softcap, sinks = _recorder.get(), kwargs.get("softcap"), kwargs.get("s_aux")
    in_sdpa = softcap is None and sinks is None and not (recorder and recorder.through_weights)
    if recorder is None and in_sdpa:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)

    causal = kwargs.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    mask, bias = attention_mask, kwargs.get("position_bias")
    replays = [
        Replay(
            query=query[row],
            key=key[row],
            scaling=query.shape[-1] ** -0.5 if scaling is None else scaling,
            mask=_of_row(mask, row),
            bias=_of_row(bias, row),
            causal=bool(causal) and mask is None and query.shape[2] > 1,
            softcap=softcap,
            sinks=sinks,
        )
        for row in range(query.shape[0] if not in_sdpa else 1)
    ]
    if recorder is not None:
        recorder.calls.append(Call(module, replays[0]))
    if in_sdpa:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    return torch.stack([_output(replay, value[row]) for row, replay in enumerate(replays)]), None


def _of_row(tensor: Tensor | None, row: int) -> Tensor | None:
    return None if tensor is None else tensor[row if tensor.shape[0] > 1 else 0]


def _output(replay: Replay, value: Tensor) -> Tensor:
    """Return `[query, head, d_head]` from the replayed weights, a strip of rows at a time."""
    n_heads, n_query, n_key = replay.shape
    n_rows = max(1, OUTPUT_WEIGHTS // (n_heads * n_key))
    value = value.repeat_interleave(n_heads // value.shape[0], dim=0)
    strips = [
        replay.rows(slice(None), slice(start, start + n_rows)).to(value.dtype) @ value
        for start in range(0, n_query, n_rows)
    ]
    return torch.cat(strips, dim=1).transpose(0, 1).contiguous()


AttentionInterface.register(IMPLEMENTATION, attention_forward)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)
