"""Capture below every model: an attention function that records q and k while the model computes its usual output.

transformers can replace a model's attention function (`AttentionInterface`). Headlight's function computes the output
with PyTorch's `scaled_dot_product_attention` and, if the running request has a recorder, keeps references to everything
that the weights depend on. The recorder is in a `ContextVar`: all visitors share the model, so a request changes
nothing on it and leaves no hook on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask

from models.capture.call_output import banded_output, is_narrow, output_of_weights
from models.capture.interventions import Intervention, Place, hide_keys
from models.capture.masks import Spans, compact
from models.capture.own_eager import attend_eagerly, is_watched
from models.capture.replay import Replay
from models.capture.turns import between_layers

IMPLEMENTATION = "headlight"
# Keys that a layer chooses for each query in addition to its mask (DeepSeek V3.2, MiniMax M3). transformers passes them
# to every implementation but its own. They matter only in texts longer than the choice, which no short proof can show.
CHOSEN_KEYS = ("indices", "block_indices")


# Called after each attention call with module, value `[batch, kv_head, key, d_value]` and output
# `[batch, query, head, d_value]`.
OnLayerOutput = Callable[[nn.Module, Tensor, Tensor], None]
# What each row of a batch may attend to.
Masks = tuple[Tensor | Spans | None, ...]
# Returns the role of an attention module in the model that runs (models/capture/forward.py).
RoleOf = Callable[[nn.Module], str]


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
    the part that sees the picture computes for a model of text and picture, and is not shown. `intervention` changes
    these calls; it needs `role_of`. Without `keeps`, the calls are counted and not kept.
    """

    def __init__(
        self,
        *,
        through_weights: bool,
        on_call: Callable[[int], None] | None,
        on_layer_output: OnLayerOutput | None = None,
        modules: frozenset[int] | None = None,
        intervention: Intervention | None = None,
        role_of: RoleOf | None = None,
        keeps: bool = True,
    ) -> None:
        self._modules = modules
        self.calls: list[Call] = []
        self.intervention = intervention
        self._role_of = role_of
        self._keeps = keeps
        self._n_calls = 0
        self._n_of_role: Counter[str] = Counter()
        self.through_weights = through_weights
        self.on_layer_output = on_layer_output
        self._on_call = on_call
        self._masks: dict[tuple, tuple[Tensor, Masks]] = {}
        self._hiding: dict[tuple, tuple[Tensor | None, Tensor, Tensor]] = {}

    def wants(self, module: nn.Module) -> bool:
        """Return whether the calls of a module are recorded."""
        return self._modules is None or id(module) in self._modules

    def record(self, call: Call) -> None:
        """Add a call."""
        self._n_calls += 1
        if self._keeps:
            self.calls.append(call)
        if self._on_call is not None:
            self._on_call(self._n_calls)

    def place_of(self, module: nn.Module) -> Place:
        """Return the place of the call that begins; call it once for each call."""
        assert self._role_of is not None
        role = self._role_of(module)
        self._n_of_role[role] += 1
        return Place(role, self._n_of_role[role] - 1)

    def hide(self, place: Place, mask: Tensor | None, query: Tensor, key: Tensor, causal: bool) -> Tensor | None:
        """Return the mask in which the keys that the intervention hides are hidden too, once for all that share it."""
        assert self.intervention is not None
        hidden = self.intervention.hidden_keys(place, key.shape[2])
        if hidden is None:
            return mask
        keep_own = place.role != "cross"
        of_mask = None if mask is None else (mask.data_ptr(), mask.shape, mask.stride(), mask.dtype)
        name = (of_mask, id(hidden), query.shape[2], causal, keep_own)
        if name not in self._hiding:
            found = hide_keys(mask, hidden.to(query.device), query.shape[2], causal=causal, keep_own=keep_own)
            # The mask and the keys are kept too, so that no other tensor can take their address during the pass.
            self._hiding[name] = (mask, hidden, found)
        return self._hiding[name][2]

    def compact_rows(self, mask: Tensor, n_query: int, n_key: int) -> Masks:
        """Return each row of a mask in its compact form, computed once for all the layers that share the mask."""
        key = (mask.data_ptr(), mask.shape, mask.stride(), mask.dtype, n_query, n_key)
        if key not in self._masks:
            # The mask is kept too, so that no other tensor can take its address during the pass.
            self._masks[key] = (mask, tuple(map(compact, _mask_rows(mask, n_query, n_key))))
        return self._masks[key][1]


_recorder: ContextVar[Recorder | None] = ContextVar("headlight_recorder", default=None)


@contextmanager
def recording(
    *,
    through_weights: bool = False,
    on_call: Callable[[int], None] | None = None,
    on_layer_output: OnLayerOutput | None = None,
    modules: frozenset[int] | None = None,
    intervention: Intervention | None = None,
    role_of: RoleOf | None = None,
    keeps: bool = True,
) -> Iterator[list[Call]]:
    """Give a list to which the attention calls of this context (thread or task) are added.

    With `through_weights` the outputs are computed from the replayed weights, as eager attention computes them. Then a
    comparison with eager shows the replay's own error, without the rounding of SDPA that grows over the layers. With
    `modules`, the ids of modules, only their calls are added. `intervention` changes these calls, and `keeps` says
    whether the list keeps them (`Recorder`).
    """
    recorder = Recorder(
        through_weights=through_weights,
        on_call=on_call,
        on_layer_output=on_layer_output,
        modules=modules,
        intervention=intervention,
        role_of=role_of,
        keeps=keeps,
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

    place = recorder.place_of(module) if recorder is not None and recorder.intervention is not None and wanted else None
    if recorder is not None and place is not None:
        causal = _is_causal(module, query, attention_mask, kwargs)
        attention_mask = recorder.hide(place, attention_mask, query, key, causal)
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    replays = _replay_rows(module, query, key, attention_mask, scaling, recorder, kwargs)
    if recorder is not None and wanted:
        recorder.record(Call(module, replays))
    if not in_sdpa:
        output = torch.stack([output_of_weights(replay, value[row]) for row, replay in enumerate(replays)])
    elif len(replays) == 1 and is_narrow(replays[0]):
        output = banded_output(replays[0], value)
    else:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    if recorder is not None and recorder.intervention is not None and place is not None:
        output = recorder.intervention.change_output(place, replays, value, output)
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
    causal = _is_causal(module, query, attention_mask, options)
    sinks = options.get("s_aux")
    # A copy, because it is a weight of the model, which its owner may train after the trace.
    sinks = None if sinks is None else sinks.detach().clone()
    masks = _masks_of(attention_mask, query, key, recorder)
    return tuple(
        Replay(
            query=query[row],
            key=key[row],
            scaling=scaling,
            mask=masks[row],
            bias=_of_row(options.get("position_bias"), row),
            causal=causal,
            softcap=options.get("softcap"),
            sinks=sinks,
        )
        for row in range(query.shape[0])
    )


def _is_causal(module: nn.Module, query: Tensor, mask: Tensor | None, options: dict[str, Any]) -> bool:
    """Return whether a call without a mask is that of a decoder, as SDPA decides it."""
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    return bool(causal) and mask is None and query.shape[2] > 1


def _of_row(tensor: Tensor | None, row: int) -> Tensor | None:
    return None if tensor is None else tensor[row if tensor.shape[0] > 1 else 0]


def _masks_of(mask: Tensor | None, query: Tensor, key: Tensor, recorder: Recorder | None) -> Masks:
    """Return the mask of each row of the batch."""
    n_rows, n_query, n_key = query.shape[0], query.shape[2], key.shape[2]
    if mask is None:
        return (None,) * n_rows
    if recorder is None:
        masks: Masks = tuple(_mask_rows(mask, n_query, n_key))
    else:
        masks = recorder.compact_rows(mask, n_query, n_key)
    return masks if mask.shape[0] > 1 else masks * n_rows


def _mask_rows(mask: Tensor, n_query: int, n_key: int) -> Iterator[Tensor]:
    """Yield the rows of a mask, one for each pair.

    A padding mask may have one row for all queries, and a mask for a cache more columns than there are keys.
    """
    for row in mask:
        yield row[..., :n_key].expand(-1, n_query, n_key)


def _is_watched(module: nn.Module | None = None) -> bool:
    """Return whether a module's recorded calls are computed in eager attention now; with None, any module's."""
    recorder = _recorder.get()
    return is_watched() and recorder is not None and (module is None or recorder.wants(module))


def _attend(module: nn.Module, *given: Any, **options: Any) -> tuple[Tensor, None]:
    output = attention_forward(module, *given, **options)
    return attend_eagerly(module, *given, **options) if _is_watched(module) else output


def _make_mask(**options: Any) -> Tensor | None:
    return eager_mask(**options) if _is_watched() else sdpa_mask(**options)


AttentionInterface.register(IMPLEMENTATION, _attend)
AttentionMaskInterface.register(IMPLEMENTATION, _make_mask)
