"""Attention of torch's own modules: `nn.MultiheadAttention`, and every module built from it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from models.capture.masks import Spans
from models.capture.replay import ALL, Replay
from models.capture.torch_attention import TorchAttention, TorchCall
from models.display import visible
from models.errors import BadSelection, NoAttention
from models.tokens import Token
from models.trace import Attention, AttentionTrace, Source

# The order of the kinds in a trace.
KINDS = ("encoder", "decoder", "cross")
MISREAD = (
    "The weights are shown with the mask's numbers added to the scores, as torch documents it. Without gradients, "
    "torch's fast path for encoder layers reads such a mask as boolean, and the module computes something else."
)
# A module is in evaluation mode during its pass, and another thread's pass must not end that.
_forward_pass = threading.RLock()


def trace_module(
    module: nn.Module,
    /,
    *inputs: Any,
    tokens: Sequence[str] | None = None,
    target_tokens: Sequence[str] | None = None,
    item: int = 0,
    **kwargs: Any,
) -> AttentionTrace:
    """Run `module(*inputs, **kwargs)` once, in evaluation mode, and return the attention of one item of the batch.

    `module` is an `nn.MultiheadAttention`, `nn.TransformerEncoder`, `nn.TransformerDecoder`, one of their layers, an
    `nn.Transformer`, or any module that calls these. Layers are in the order of the calls. Kind "encoder" is a
    sequence that attends to itself; "decoder" the same in a layer that also attends to another sequence; "cross" the
    attention to another sequence. `tokens` name the positions of the encoder, which are the keys of "cross";
    `target_tokens` the positions of the decoder, which are its queries. The default names are "0", "1" and so on. Keys
    that the module adds to a sequence are the special tokens "[bias]" (`add_bias_kv`) and "[zero]" (`add_zero_attn`).

    Padded and masked positions are kept, with weight 0. A query that may attend to no key, for which torch's own
    weights are NaN, has equal weights on all keys, an `Attention.mask` that is False everywhere, and a notice. A mask
    of numbers is added to the scores, as torch documents it. The fast path that torch takes without gradients in an
    `nn.TransformerEncoderLayer` reads it as boolean instead, and a notice says so.

    The module does not change: it gets no hook, and every `training` flag is restored. Queries and keys are projected
    once more for the trace, in the precision of the module. Weights are computed from them on demand.

    Raises:
        BadSelection: no such item in the batch, a wrong number of tokens, or layers of one kind that differ in their
            positions.
        NoAttention: no `nn.MultiheadAttention` was called, or it was given nested tensors.
    """
    module = getattr(module, "_orig_mod", module)  # torch.compile returns a wrapper, whose compiled code is not seen
    as_nested = not (torch.is_grad_enabled() and _needs_grad(module, inputs, kwargs))
    seen = _run(module, inputs, kwargs, item, as_nested=as_nested)
    parts = _find_parts(module)
    if not seen.calls:
        raise NoAttention(_explain_nothing_seen(module, bool(parts), seen.n_others))
    owners = _find_owners(parts, seen.calls)
    layers = _group_by_kind(seen.calls, owners)
    source = _make_source(module, seen.calls[0].replay, tokens, target_tokens)
    sides = {"encoder": (tokens, tokens), "decoder": (target_tokens, target_tokens), "cross": (target_tokens, tokens)}
    if target_tokens is not None and not {"decoder", "cross"} & layers.keys():
        raise BadSelection(f"{type(module).__name__} has no decoder for target_tokens to name: give them as tokens.")
    attentions = {kind: _make_attention(kind, layers[kind], sides[kind], source) for kind in KINDS if kind in layers}
    misread = as_nested and any(map(_is_misread, seen.calls, owners))
    notices = (MISREAD,) if misread else ()
    return AttentionTrace(attentions, notices + _make_notices(seen.n_others, parts, owners, layers), source)


@dataclass(frozen=True, eq=False)
class _Part:
    """An `nn.MultiheadAttention` in the module, and its parent."""

    name: str
    module: nn.Module
    parent: nn.Module | None

    def fixed_kind(self) -> str | None:
        """Return the kind if a layer of torch determines it."""
        child = self.name.rpartition(".")[2]
        if isinstance(self.parent, nn.TransformerDecoderLayer):
            return {"self_attn": "decoder", "multihead_attn": "cross"}.get(child)
        return "encoder" if isinstance(self.parent, nn.TransformerEncoderLayer) else None


def _find_parts(module: nn.Module) -> list[_Part]:
    """Return every `nn.MultiheadAttention`, also one that torch.jit compiled, whose calls are not seen."""
    modules = dict(module.named_modules())
    return [
        _Part(name, part, modules[name.rpartition(".")[0]] if name else None)
        for name, part in modules.items()
        if isinstance(part, nn.MultiheadAttention) or getattr(part, "original_name", None) == "MultiheadAttention"
    ]


def _find_owners(parts: list[_Part], calls: Sequence[TorchCall]) -> list[_Part | None]:
    """Return the part that made each call, None if no part did."""
    by_weight = {}
    for part in reversed(parts):
        for weight in (getattr(part.module, "out_proj", part.module), part.module):
            by_weight.update({id(parameter): part for parameter in weight.parameters(recurse=False)})
    return [next((by_weight[weight] for weight in call.weights if weight in by_weight), None) for call in calls]


def _group_by_kind(calls: Sequence[TorchCall], owners: list[_Part | None]) -> dict[str, list[TorchCall]]:
    """Return the calls of each kind, in their order."""
    kinds = []
    # For each parent that attends to another sequence: the numbers of queries in those calls.
    crossing: dict[int, set[int]] = defaultdict(set)
    for call, part in zip(calls, owners, strict=True):
        kind = (part.fixed_kind() if part else None) or ("encoder" if call.to_itself else "cross")
        kinds.append(kind)
        if kind == "cross" and part is not None:
            crossing[id(part.parent)].add(call.replay.shape[1])
    layers: dict[str, list[TorchCall]] = defaultdict(list)
    for call, part, kind in zip(calls, owners, kinds, strict=True):
        beside_cross = (
            part is not None and part.fixed_kind() is None and call.replay.shape[1] in crossing[id(part.parent)]
        )
        layers["decoder" if kind == "encoder" and beside_cross else kind].append(call)
    return layers


def _make_attention(
    kind: str, calls: list[TorchCall], names: tuple[Sequence[str] | None, Sequence[str] | None], source: Source
) -> Attention:
    first = calls[0]
    _, n_query, n_key = first.replay.shape
    for call in calls:
        if call.replay.shape[1:] != (n_query, n_key) or call.extra != first.extra:
            raise BadSelection(
                f"The {kind} layers of {source.model} differ in their positions: one has {n_query} queries and "
                f"{n_key} keys, another {call.replay.shape[1]} and {call.replay.shape[2]}. Trace its parts one at a "
                "time, each with its own input."
            )
    options = ("target_tokens" if kind != "encoder" else "tokens", "target_tokens" if kind == "decoder" else "tokens")
    queries = _make_tokens(names[0], n_query, options[0], f"{kind} queries")
    keys = _make_tokens(names[1], n_key - len(first.extra), options[1], f"{kind} keys")
    extra = tuple(Token(text, len(keys) + n, None, None, True, text) for n, text in enumerate(first.extra))
    return Attention(kind, [call.replay for call in calls], queries, keys + extra, source)


def _make_tokens(texts: Sequence[str] | None, n_positions: int, option: str, what: str) -> tuple[Token, ...]:
    """Return a token for each position; its `id` is the position, `start` and `end` are characters of the source."""
    if texts is None:
        return tuple(Token(str(n), n, None, None, False, str(n)) for n in range(n_positions))
    if len(texts) != n_positions:
        raise BadSelection(
            f"There are {n_positions} {what}, but {option} has {len(texts)}: give one for each, or leave {option} out."
        )
    tokens, start = [], 0
    for number, text in enumerate(texts):
        end = start + len(text)
        tokens.append(Token(text, number, start if text else None, end if text else None, False, visible(text)))
        start += len(text) + 1
    return tuple(tokens)


def _make_source(
    module: nn.Module, first: Replay, tokens: Sequence[str] | None, target_tokens: Sequence[str] | None
) -> Source:
    name = type(module).__name__
    parameter = next(module.parameters(), first.query)
    return Source(
        model=name,
        revision="",
        architecture=name,
        device=str(parameter.device),
        dtype=str(parameter.dtype).removeprefix("torch."),
        capture="replayed",
        text=" ".join(tokens or ()),
        target=None if target_tokens is None else " ".join(target_tokens),
    )


def _make_notices(
    n_others: int, parts: list[_Part], owners: list[_Part | None], layers: dict[str, list[TorchCall]]
) -> tuple[str, ...]:
    notices = []
    missed = [part.name for part in parts if part not in owners]
    if missed:
        notices.append(
            f"{len(missed)} of {len(parts)} nn.MultiheadAttention modules gave no attention in this pass, "
            f"the first of them {missed[0] or 'itself'}: they were not called, or compute it another way."
        )
    if n_others:
        notices.append(f"{n_others} more attention calls were made outside nn.MultiheadAttention and are not shown.")
    for kind in KINDS:
        n_blind = max((_count_blind_queries(call.replay) for call in layers.get(kind, ())), default=0)
        if n_blind:
            notices.append(
                f"{n_blind} {kind} queries may attend to no key, so torch's own weights are NaN there: "
                "they are shown with equal weights on all keys."
            )
    return tuple(notices)


def _count_blind_queries(replay: Replay) -> int:
    """Return how many queries of a layer may attend to no key, in the head with the most of them."""
    if isinstance(replay.mask, Spans):
        return int((replay.mask.first == replay.mask.end).sum())
    allowed = None if replay.mask is None else replay.allowed(ALL, ALL)
    return 0 if allowed is None else int((~allowed.any(-1)).sum(-1).max())


def _is_misread(call: TorchCall, part: _Part | None) -> bool:
    """Return whether torch's fast path would read a mask of numbers as a boolean mask (seen in torch 2.13)."""
    mask, layer = call.replay.mask, part.parent if part else None
    if not isinstance(layer, nn.TransformerEncoderLayer) or not isinstance(mask, Tensor):
        return False
    attention = layer.self_attn
    on_fast_path = attention.batch_first and attention.num_heads % 2 == 0 and attention.in_proj_bias is not None
    # Below -10,000, adding a number and forbidding the pair have the same result.
    return on_fast_path and not bool(((mask == 0) | (mask < -1e4)).all())


def _explain_nothing_seen(module: nn.Module, has_parts: bool, n_others: int) -> str:
    name = type(module).__name__
    if has_parts or n_others:
        return (
            f"{name} computes its attention without torch.nn.functional.multi_head_attention_forward (it is compiled, "
            "or has its own code), so there is nothing to show: pass the module from before it was compiled."
        )
    return (
        f"{name} called no nn.MultiheadAttention, so there is nothing to show: pass a module that is built from it, "
        "or open a model of transformers with load_model."
    )


def _run(module: nn.Module, inputs: tuple, kwargs: dict[str, Any], item: int, *, as_nested: bool) -> TorchAttention:
    """Run one forward pass in evaluation mode and return the attention calls in it."""
    encoders = [part for part in module.modules() if isinstance(part, nn.TransformerEncoder) and _may_nest(part)]
    seen = TorchAttention(item, as_nested=as_nested, encoders=encoders)
    try:
        # Not inference mode: a module may keep tensors of its first pass, such as a table of positions, for training.
        with _forward_pass, _evaluating(module), torch.no_grad(), seen:
            module(*inputs, **kwargs)
    except AssertionError as error:
        if "NestedTensor" not in str(error):
            raise
        raise NoAttention(
            "A nested tensor's attention is computed in one piece, without weights to read: pad the input with "
            "to_padded_tensor(0.0) and give the padding as a mask."
        ) from error
    return seen


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    # Only the flags: the caller's class may have its own `eval()`, which does more, such as merging weights.
    flags = [(part, part.training) for part in module.modules()]
    try:
        for part, _ in flags:
            part.training = False
        yield
    finally:
        for part, training in flags:
            part.training = training


def _needs_grad(module: nn.Module, inputs: tuple, kwargs: dict[str, Any]) -> bool:
    """Return whether torch would take its slow path, in which an encoder's padded outputs are computed."""
    tensors = [leaf for leaf in tree_leaves((inputs, kwargs)) if isinstance(leaf, Tensor)]
    return any(tensor.requires_grad for tensor in [*module.parameters(), *tensors])


def _may_nest(encoder: nn.TransformerEncoder) -> bool:
    last = encoder.layers[-1] if len(encoder.layers) else None
    return bool(getattr(encoder, "use_nested_tensor", False)) and isinstance(last, nn.TransformerEncoderLayer)
