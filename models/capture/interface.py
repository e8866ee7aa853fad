"""Capture below every model: an attention function that records q and k while the model computes its usual output.

transformers can replace a model's attention function (`AttentionInterface`). Headlight's function computes the output
with PyTorch's `scaled_dot_product_attention` and, if the running request has a recorder, keeps references to everything
that the weights depend on. The recorder is in a `ContextVar`: all visitors share the model, so a request changes
nothing on it and leaves no hook on it.
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

from models.capture.masks import Spans, compact
from models.capture.replay import Replay
from models.capture.turns import between_layers

IMPLEMENTATION = "headlight"
# Keys that a layer chooses for each query in addition to its mask (DeepSeek V3.2, MiniMax M3). transformers passes them
# to every implementation but its own. They matter only in texts longer than the choice, which no short proof can show.
CHOSEN_KEYS = ("indices", "block_indices")
# How many weights are computed at once if the output is computed from them: 64 MB.
OUTPUT_WEIGHTS = 2**24
# Rows of queries that are computed together if each query may attend to only a short run of keys.
BAND_ROWS = 128


# Called after each attention call with module, value `[batch, kv_head, key, d_value]` and output
# `[batch, query, head, d_value]`.
OnLayerOutput = Callable[[nn.Module, Tensor, Tensor], None]


class NotReplayed(Exception):
    """A layer computes its weights from more than this function reads: the model itself must return them."""


@dataclass(frozen=True)
class Call:
    """One attention module's call in a forward pass, with a replay for each row of the batch."""

    module: nn.Module
    replays: tuple[Replay, ...]


class Recorder:
    """The attention calls of the running request.

    `through_weights` computes the output from the replayed weights. `on_call(number)` is called after each call with
    the number of calls so far, and ends the pass by raising. `on_layer_output` receives each call's values and output,
    which the recorder does not keep. `modules` are the ids of the modules whose calls are recorded, None for all:
    the part that sees the picture computes for a model of text and picture, and is not shown.
    """

    def __init__(
        self,
        *,
        through_weights: bool,
        on_call: Callable[[int], None] | None,
        on_layer_output: OnLayerOutput | None = None,
        modules: frozenset[int] | None = None,
    ) -> None:
        self._modules = modules
        self.calls: list[Call] = []
        self.through_weights = through_weights
        self.on_layer_output = on_layer_output
        self._on_call = on_call
        self._masks: dict[tuple, tuple[Tensor, Tensor | Spans | None]] = {}

    def wants(self, module: nn.Module) -> bool:
        """Return whether the calls of a module are recorded."""
        return self._modules is None or id(module) in self._modules

    def record(self, call: Call) -> None:
        """Add a call."""
        self.calls.append(call)
        if self._on_call is not None:
            self._on_call(len(self.calls))

    def compact(self, mask: Tensor) -> Tensor | Spans | None:
        """Return a mask in its compact form, computed once for all the layers that share it."""
        key = (mask.data_ptr(), mask.shape, mask.stride(), mask.dtype)
        if key not in self._masks:
            # The mask is kept too, so that no other tensor can take its address during the pass.
            self._masks[key] = (mask, compact(mask))
        return self._masks[key][1]


_recorder: ContextVar[Recorder | None] = ContextVar("headlight_recorder", default=None)


@contextmanager
def recording(
    *,
    through_weights: bool = False,
    on_call: Callable[[int], None] | None = None,
    on_layer_output: OnLayerOutput | None = None,
    modules: frozenset[int] | None = None,
) -> Iterator[list[Call]]:
    """Give a list to which the attention calls of this context (thread or task) are added.

    With `through_weights` the outputs are computed from the replayed weights, as eager attention computes them. Then a
    comparison with eager shows the replay's own error, without the rounding of SDPA that grows over the layers. With
    `modules`, the ids of modules, only their calls are added.
    """
    recorder = Recorder(
        through_weights=through_weights, on_call=on_call, on_layer_output=on_layer_output, modules=modules
    )
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
    """Compute a module's attention output `[batch, query, head, d_head]`, and record the call if there is a recorder.

    `query` is `[batch, head, query, d_head]` after rotary embedding, `key` and `value` have `n_kv_heads` heads.

    Raises:
        NotReplayed: the layer chooses keys in addition to its mask.
    """
    if any(kwargs.get(name) is not None for name in CHOSEN_KEYS):
        raise NotReplayed(f"{type(module).__name__} chooses its keys by an index, which is not replayed.")
    between_layers()
    recorder = _recorder.get()
    wanted = recorder is not None and recorder.wants(module)
    if recorder is not None and not wanted and not recorder.through_weights:
        recorder = None
    softmax_only = kwargs.get("softcap") is None and kwargs.get("s_aux") is None
    in_sdpa = softmax_only and not (recorder and recorder.through_weights)
    if recorder is None and in_sdpa:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)

    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    replays = _replay_rows(module, query, key, attention_mask, scaling, recorder, kwargs)
    if recorder is not None and wanted:
        recorder.record(Call(module, replays))
    if not in_sdpa:
        output = torch.stack([_output(replay, value[row]) for row, replay in enumerate(replays)])
    elif len(replays) == 1 and _is_narrow(replays[0]):
        output = _banded_output(replays[0], value)
    else:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    if recorder is not None and wanted and recorder.on_layer_output is not None:
        recorder.on_layer_output(module, value, output)
    return output, None


def _replay_rows(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    recorder: Recorder | None,
    options: dict[str, Any],
) -> tuple[Replay, ...]:
    """Return what the weights of each row of the batch depend on; `options` are the call's other arguments."""
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    sinks = options.get("s_aux")
    # A copy, because it is a weight of the model, which its owner may train after the trace.
    sinks = None if sinks is None else sinks.detach().clone()
    return tuple(
        Replay(
            query=query[row],
            key=key[row],
            scaling=scaling,
            mask=_mask_of_row(attention_mask, row, query, key, recorder),
            bias=_of_row(options.get("position_bias"), row),
            causal=bool(causal) and attention_mask is None and query.shape[2] > 1,
            softcap=options.get("softcap"),
            sinks=sinks,
        )
        for row in range(query.shape[0])
    )


def _of_row(tensor: Tensor | None, row: int) -> Tensor | None:
    return None if tensor is None else tensor[row if tensor.shape[0] > 1 else 0]


def _mask_of_row(
    mask: Tensor | None, row: int, query: Tensor, key: Tensor, recorder: Recorder | None
) -> Tensor | Spans | None:
    if mask is None:
        return None
    # A padding mask may have one row for all queries, and a mask for a cache more columns than there are keys.
    of_row = mask[row if mask.shape[0] > 1 else 0][..., : key.shape[2]].expand(-1, query.shape[2], key.shape[2])
    return recorder.compact(of_row) if recorder is not None else of_row


def _is_narrow(replay: Replay) -> bool:
    """Return whether the queries may attend to so few keys that computing bands is less work than computing all."""
    _, n_query, n_key = replay.shape
    if not isinstance(replay.mask, Spans) or replay.bias is not None or n_query < 2 * BAND_ROWS:
        return False
    # An accelerator would wait for the CPU before each band. Measured on CUDA at 2,048 tokens: 75 ms for 22 layers in
    # bands, 27 ms in full.
    if replay.query.device.type != "cpu":
        return False
    return 2 * (replay.mask.n_pairs + BAND_ROWS * n_query) < n_query * n_key


def _banded_output(replay: Replay, value: Tensor) -> Tensor:
    """Return `[1, query, head, d_head]`, for some rows of queries at a time, from the keys that they may attend to."""
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
