"""Capture below every model: an attention function that notes q and k while the model computes as it always does.

transformers lets a function take the place of a model's attention (`AttentionInterface`). Ours computes the output
with PyTorch's `scaled_dot_product_attention` and, if the running request has a recorder, keeps references to what
the weights depend on. The recorder stands in a `ContextVar`: the model is shared by all visitors, so nothing on it
changes from request to request, and no hook stays behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from models.capture.replay import Replay, Spans, compact
from models.capture.turns import between_layers

IMPLEMENTATION = "headlight"
# Keys that a layer chose for each query beside its mask (DeepSeek V3.2, MiniMax M3): passed on to any implementation
# that is not transformers' own. They matter only in texts longer than the choice, which no short proof can show.
CHOSEN_KEYS = ("indices", "block_indices")
# How many weights are computed at once where the output is made of them: 64 MB.
OUTPUT_WEIGHTS = 2**24
# Rows of queries that are computed together where each sees only a short run of keys.
BAND_ROWS = 128


# Told of each call: module, value `[batch, kv_head, key, d_value]`, output `[batch, query, head, d_value]`.
OnLayerOutput = Callable[[nn.Module, Tensor, Tensor], None]


class NotReplayed(Exception):
    """A layer computes its weights from more than this function reads: they must come from the model itself."""


@dataclass(frozen=True)
class Call:
    """One attention module's call within a forward pass, with what each row of the batch computed."""

    module: nn.Module
    replays: tuple[Replay, ...]


class Recorder:
    """Where the running request notes its calls.

    `through_weights` computes the output from the replayed weights; `on_call` is told after each call how many there
    were, and stops the pass by raising; `keep` is shown each call's values and output, which are not noted.
    """

    def __init__(
        self, *, through_weights: bool, on_call: Callable[[int], None] | None, keep: OnLayerOutput | None = None
    ) -> None:
        self.calls: list[Call] = []
        self.through_weights = through_weights
        self.keep = keep
        self._on_call = on_call
        self._masks: dict[tuple, tuple[Tensor, Tensor | Spans | None]] = {}

    def note(self, call: Call) -> None:
        """Add a call."""
        self.calls.append(call)
        if self._on_call is not None:
            self._on_call(len(self.calls))

    def compacted(self, mask: Tensor) -> Tensor | Spans | None:
        """Return a mask as `compact` does, looked at once for all the layers that share it."""
        key = (mask.data_ptr(), mask.shape, mask.stride(), mask.dtype)
        if key not in self._masks:
            # Kept beside its short form, so that no other tensor comes to lie at its address meanwhile.
            self._masks[key] = (mask, compact(mask))
        return self._masks[key][1]


_recorder: ContextVar[Recorder | None] = ContextVar("headlight_recorder", default=None)


@contextmanager
def recording(
    *, through_weights: bool = False, on_call: Callable[[int], None] | None = None, keep: OnLayerOutput | None = None
) -> Iterator[list[Call]]:
    """Collect the attention calls of this context (thread or task) into the list that is given.

    With `through_weights` the outputs are made of the replayed weights, as eager attention makes them, so that a
    comparison with eager shows the replay's own error and not how SDPA's rounding grows over the layers.
    """
    recorder = Recorder(through_weights=through_weights, on_call=on_call, keep=keep)
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

    Raises:
        NotReplayed: the layer chooses keys besides its mask.
    """
    if any(kwargs.get(name) is not None for name in CHOSEN_KEYS):
        raise NotReplayed(f"{type(module).__name__} chooses its keys by an index, which is not replayed.")
    between_layers()
    recorder, softcap, sinks = _recorder.get(), kwargs.get("softcap"), kwargs.get("s_aux")
    in_sdpa = softcap is None and sinks is None and not (recorder and recorder.through_weights)
    if recorder is None and in_sdpa:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)

    causal = kwargs.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    replays = tuple(
        Replay(
            query=query[row],
            key=key[row],
            scaling=scaling,
            mask=_mask_of_row(attention_mask, row, query, key, recorder),
            bias=_of_row(kwargs.get("position_bias"), row),
            causal=bool(causal) and attention_mask is None and query.shape[2] > 1,
            softcap=softcap,
            sinks=sinks,
        )
        for row in range(query.shape[0])
    )
    if recorder is not None:
        recorder.note(Call(module, replays))
    if not in_sdpa:
        output = torch.stack([_output(replay, value[row]) for row, replay in enumerate(replays)])
    elif len(replays) == 1 and _is_narrow(replays[0]):
        output = _banded_output(replays[0], value)
    else:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    if recorder is not None and recorder.keep is not None:
        recorder.keep(module, value, output)
    return output, None


def _of_row(tensor: Tensor | None, row: int) -> Tensor | None:
    return None if tensor is None else tensor[row if tensor.shape[0] > 1 else 0]


def _mask_of_row(
    mask: Tensor | None, row: int, query: Tensor, key: Tensor, recorder: Recorder | None
) -> Tensor | Spans | None:
    if mask is None:
        return None
    # Padding masks may be the same for all queries, and caches longer than the keys.
    of_row = mask[row if mask.shape[0] > 1 else 0][..., : key.shape[2]].expand(-1, query.shape[2], key.shape[2])
    return recorder.compacted(of_row) if recorder is not None else of_row


def _is_narrow(replay: Replay) -> bool:
    """Return whether the queries see so few keys that computing bands of them is less work than computing all."""
    _, n_query, n_key = replay.shape
    if not isinstance(replay.mask, Spans) or replay.bias is not None or n_query < 2 * BAND_ROWS:
        return False
    return 2 * (replay.mask.n_pairs + BAND_ROWS * n_query) < n_query * n_key


def _banded_output(replay: Replay, value: Tensor) -> Tensor:
    """Return `[1, query, head, d_head]`, for some rows of queries at a time only from the keys that they see."""
    spans, n_query, n_key = replay.mask, replay.shape[1], replay.shape[2]
    assert isinstance(spans, Spans)
    strips = []
    for start in range(0, n_query, BAND_ROWS):
        rows = slice(start, start + BAND_ROWS)
        low, high = spans.reach(rows, n_key)
        output = scaled_dot_product_attention(
            replay.query[None, :, rows],
            replay.key[None, :, low:high],
            value[:, :, low:high],
            attn_mask=spans.allowed(rows, low, high)[None],
            scale=replay.scaling,
            enable_gqa=replay.key.shape[0] < replay.query.shape[0],
        )
        strips.append(output)
    return torch.cat(strips, dim=2).transpose(1, 2).contiguous()


def _output(replay: Replay, value: Tensor) -> Tensor:
    """Return `[query, head, d_head]` from the replayed weights, a strip of rows at a time."""
    n_heads, n_query, n_key = replay.shape
    n_rows = max(1, OUTPUT_WEIGHTS // (n_heads * n_key))
    value = value.repeat_interleave(n_heads // value.shape[0], dim=0)
    strips = []
    for start in range(0, n_query, n_rows):
        weights, low = replay.band(slice(None), slice(start, start + n_rows))
        strips.append(weights.to(value.dtype) @ value[:, low : low + weights.shape[2]])
    return torch.cat(strips, dim=1).transpose(0, 1).contiguous()


AttentionInterface.register(IMPLEMENTATION, attention_forward)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)
