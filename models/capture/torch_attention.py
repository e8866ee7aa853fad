"""Capture below a module's own code: every call of torch's attention functions, with what its weights depend on.

These are `multi_head_attention_forward`, which every `nn.MultiheadAttention` calls, and `scaled_dot_product_attention`,
which nearly all other modules call.

A `TorchFunctionMode` belongs to the thread that enters it and intercepts calls of torch's functions, so nothing on the
module changes and no hook stays on it. torch takes no fast path (`_native_multi_head_attention`,
`_transformer_encoder_layer_fwd`, nested tensors) while there is such a mode, so every `nn.MultiheadAttention` calls the
function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from models.capture.callers import Callers
from models.capture.devices import Copies
from models.capture.masks import Spans, compact
from models.capture.replay import Replay
from models.capture.sdpa_calls import InputShape, Unread, bind, read_call
from models.errors import BadSelection

_SIGNATURE = inspect.signature(functional.multi_head_attention_forward)
# Attention that is computed another way. Its heads' queries and keys cannot be read reliably, so it is only counted.
_OTHERS = (torch._native_multi_head_attention, torch._transformer_encoder_layer_fwd)
_SOFTMAX = (functional.softmax, torch.softmax, Tensor.softmax)


@dataclass(frozen=True, eq=False)
class TorchCall:
    """One call, with a replay of one item of its batch.

    `owner` is the name of the module that called, None if no part of the traced module did, and `module` that module;
    `fixed_kind` is the kind if a layer of torch determines it; `extra` names the keys after the last position;
    `n_items` is the number of items in the call. `follows_cross` says that its queries were computed from the result of
    attention to another sequence, `drops` that dropout was applied to its weights.
    """

    owner: str | None
    module: nn.Module | None
    fixed_kind: str | None
    to_itself: bool
    replay: Replay
    extra: tuple[str, ...]
    n_items: int
    follows_cross: bool
    drops: bool = False


class TorchAttention(TorchFunctionMode):
    """Inside this context, collects the calls of this thread for row `item` of the batch.

    `unread` are the names of modules whose calls have rows that are not the items of the batch; `by_hand` those of
    modules that seem to compute attention without a function for it. With `as_nested`, padded outputs of an encoder
    become 0, as they are if it runs on nested tensors.
    """

    def __init__(self, module: nn.Module, inputs: InputShape, item: int, *, as_nested: bool) -> None:
        super().__init__()
        self.calls: list[TorchCall] = []
        self.unread: list[str] = []
        self.by_hand: list[str] = []
        self.n_others = 0
        self._callers, self._inputs, self._item = Callers(module), inputs, item
        self._parts = dict(module.named_modules())
        self._masks: dict[tuple, tuple[list[Tensor | None], Tensor | Spans | None]] = {}
        self._copies: Copies = {}
        encoders = [part for part in self._parts.values() if isinstance(part, nn.TransformerEncoder)]
        self._nested = {id(one.layers[-1].self_attn.out_proj.weight): one for one in encoders if _may_nest(one)}
        self._nested = self._nested if as_nested else {}
        self._padding: dict[int, Tensor] = {}
        # Tensors that were computed from the result of attention to another sequence.
        self._after_cross = WeakIdKeyDictionary()

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Record the call if it is attention, and let torch compute it."""
        kwargs = kwargs or {}
        crosses = False
        if func is functional.multi_head_attention_forward:
            bound = _SIGNATURE.bind(*args, **kwargs)
            bound.apply_defaults()
            crosses = self._record(bound.arguments)
        elif func is functional.scaled_dot_product_attention:
            crosses = self._record_product(bind(args, kwargs))
        elif func in _OTHERS:
            self.n_others += 1
        elif func in _SOFTMAX:
            self._note_softmax(args[0] if args else kwargs.get("input"))
        output = func(*args, **kwargs)
        if func is functional.layer_norm and id(kwargs.get("weight")) in self._padding:
            output = output.masked_fill(self._padding.pop(id(kwargs["weight"]))[..., None], 0.0)
        self._follow(args, kwargs, output, crosses)
        return output

    def _follow(self, args: tuple, kwargs: dict[str, Any], output: Any, crosses: bool) -> None:
        """Remember what was computed from the result of attention to another sequence."""
        if crosses or (self._after_cross and any(map(self._follows, _flat((*args, *kwargs.values()))))):
            for tensor in _flat((output,)):
                self._after_cross[tensor] = True

    def _follows(self, tensor: Tensor) -> bool:
        return tensor in self._after_cross

    def _note_softmax(self, scores: Any) -> None:
        """Note a softmax that looks like attention by hand: of scores for each head, or in a module of that name."""
        caller = self._callers.innermost()
        if caller is None or not isinstance(scores, Tensor) or scores.dim() < 3:
            return
        if scores.dim() > 3 or "atten" in type(caller.module).__name__.lower():
            self.by_hand.append(caller.name)

    def _record_product(self, given: dict[str, Any]) -> bool:
        """Record a call of `scaled_dot_product_attention`, and return whether it attends to another sequence."""
        caller, query, key = self._callers.innermost(), given["query"], given["key"]
        owner, module = (caller.name, caller.module) if caller else (None, None)
        crosses = query.shape[-2] != key.shape[-2] or self._callers.attend_elsewhere(query, key)
        try:
            replay, n_items = read_call(given, self._item, self._inputs, module)
        except Unread:
            self.unread.append(owner or "the module")
            return False
        follows, drops = self._follows(query), bool(given["dropout_p"])
        replay = replay.cpu(self._copies)
        self.calls.append(TorchCall(owner, module, None, not crosses, replay, (), n_items, follows, drops))
        return crosses

    def _record(self, given: dict[str, Any]) -> bool:
        query, key = given["query"], given["key"]
        n_rows, n_heads = (query.shape[1] if query.dim() == 3 else 1), given["num_heads"]
        if not 0 <= self._item < n_rows:
            raise BadSelection(f"There is no item {self._item}: the batch has items 0 to {n_rows - 1}.")
        queries, keys = _project(given)
        d_head = queries.shape[-1] // n_heads
        # [position, d_model] to [head, position, d_head].
        queries, keys = (
            rows.unflatten(-1, (n_heads, d_head)).transpose(0, 1).contiguous()
            for rows in (_row(queries, self._item), _row(keys, self._item))
        )
        if given["static_k"] is not None:
            keys = given["static_k"][self._item * n_heads : (self._item + 1) * n_heads].clone()
        extra: tuple[str, ...] = ()
        if given["bias_k"] is not None:
            extra += ("[bias]",)
            keys = torch.cat([keys, given["bias_k"].view(n_heads, 1, d_head)], dim=1)
        if given["add_zero_attn"]:
            extra += ("[zero]",)
            keys = functional.pad(keys, (0, 0, 0, 1))
        # torch uses the hint only in this case. In any other case it reads the mask.
        causal = given["is_causal"] and given["key_padding_mask"] is None and not given["need_weights"]
        mask = None if causal else self._mask(given, queries.shape[1], len(extra))
        replay = Replay(queries, keys, d_head**-0.5, mask=mask, causal=causal).cpu(self._copies)
        caller, itself, follows = self._callers.innermost(), _same(query, key), self._follows(query)
        owner, module = (caller.name, caller.module) if caller else (None, None)
        fixed = None if owner is None else _fixed_kind(owner, self._parts)
        self.calls.append(TorchCall(owner, module, fixed, itself, replay, extra, n_rows, follows))
        self._expect_nested(given)
        return fixed == "cross" or (fixed is None and not itself)

    def _mask(self, given: dict[str, Any], n_query: int, n_extra: int) -> Tensor | Spans | None:
        """Return the mask of the row in compact form, computed once for all the layers that share the masks."""
        masks = [given["attn_mask"], given["key_padding_mask"]]
        name = (given["num_heads"], n_query, n_extra, *(None if mask is None else _identity(mask) for mask in masks))
        if name not in self._masks:
            # The masks are kept too, so that no other tensor can take their addresses during the pass.
            self._masks[name] = (masks, _merge(masks, self._item, given["num_heads"], n_query, n_extra))
        return self._masks[name][1]

    def _expect_nested(self, given: dict[str, Any]) -> None:
        """Keep the padding of an encoder that would run on nested tensors without this mode, at its last layer."""
        encoder, padding = self._nested.get(id(given["out_proj_weight"])), given["key_padding_mask"]
        if encoder is None or padding is None or padding.dim() != 2 or given["attn_mask"] is not None:
            return
        if torch.is_autocast_enabled() or not torch.backends.mha.get_fastpath_enabled():
            return
        padded = padding if padding.dtype == torch.bool else padding == -torch.inf
        if not bool((padded[:, 1:] < padded[:, :-1]).any()):  # all padding on the right
            self._padding[id(encoder.layers[-1].norm2.weight)] = padded


def _project(given: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Return the queries and keys of all heads side by side, `[position, d_model]` or `[position, row, d_model]`."""
    if given["use_separate_proj_weight"]:
        weights = given["q_proj_weight"], given["k_proj_weight"]
    else:
        weights = given["in_proj_weight"].chunk(3)[:2]
    biases = (None, None) if given["in_proj_bias"] is None else given["in_proj_bias"].chunk(3)[:2]
    return (
        functional.linear(given["query"], weights[0], biases[0]),
        functional.linear(given["key"], weights[1], biases[1]),
    )


def _row(tensor: Tensor, item: int) -> Tensor:
    return tensor[:, item] if tensor.dim() == 3 else tensor


def _same(query: Tensor, key: Tensor) -> bool:
    """Return whether a sequence attends to itself, also if it was normalised or transposed twice before."""
    return query is key or (query.shape == key.shape and torch.equal(query, key))


def _identity(mask: Tensor) -> tuple:
    version = None if mask.is_inference() else mask._version
    return mask.data_ptr(), mask.shape, mask.stride(), mask.dtype, version


def _make_additive(mask: Tensor) -> Tensor:
    """Return a mask of torch in additive form. In torch's boolean masks, True means: may not attend."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, device=mask.device).masked_fill(mask, -torch.inf)


def _merge(
    masks: Sequence[Tensor | None], item: int, n_heads: int, n_query: int, n_extra: int
) -> Tensor | Spans | None:
    """Return the mask and the padding as one `[1 or head, query, key]`, compact.

    Every query may attend to the extra keys.
    """
    (mask, padding), parts = masks, []
    if mask is not None:
        parts.append(_make_additive(mask[item * n_heads : (item + 1) * n_heads] if mask.dim() == 3 else mask[None]))
    if padding is not None:
        parts.append(_make_additive(padding[item] if padding.dim() == 2 else padding)[None, None])
    if not parts:
        return None
    merged = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    if merged.shape[0] > 1 and torch.equal(merged, merged[:1].expand_as(merged)):
        merged = merged[:1]
    # `pad` copies, also if it adds nothing: the caller may change the mask after the trace was made.
    return compact(functional.pad(merged.expand(-1, n_query, -1), (0, n_extra)))


def _fixed_kind(name: str, parts: dict[str, nn.Module]) -> str | None:
    """Return the kind of a module's attention if a layer of torch determines it."""
    parent, _, child = name.rpartition(".")
    layer = parts[parent] if name else None
    if isinstance(layer, nn.TransformerDecoderLayer):
        return {"self_attn": "decoder", "multihead_attn": "cross"}.get(child)
    return "encoder" if isinstance(layer, nn.TransformerEncoderLayer) else None


def _may_nest(encoder: nn.TransformerEncoder) -> bool:
    last = encoder.layers[-1] if len(encoder.layers) else None
    return bool(getattr(encoder, "use_nested_tensor", False)) and isinstance(last, nn.TransformerEncoderLayer)


def _flat(values: Iterable[Any]) -> Iterable[Tensor]:
    """Yield the tensors among some arguments, also those in lists."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))
