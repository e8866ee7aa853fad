"""Attention of modules that call torch's attention functions: `nn.MultiheadAttention`, or hand-written ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from models.arguments import checked
from models.capture.replay import Replay
from models.capture.sdpa_calls import InputShape
from models.capture.torch_attention import TorchAttention, TorchCall
from models.capture.torch_kinds import KINDS, choose_layers, group_by_kind
from models.capture.torch_notices import explain_nothing_seen, make_notices
from models.display import visible
from models.errors import BadSelection, NoAttention
from models.tokens import Token
from models.trace import Attention, AttentionTrace, Source

# A module is in evaluation mode during its pass, and another thread's pass must not end that.
_forward_pass = threading.RLock()


@checked
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
    `nn.Transformer`, or any module that calls these or `scaled_dot_product_attention` (timm, models of transformers).
    Layers are in the order of the calls. Kind "encoder" is a sequence that attends to itself; "cross" the attention to
    another sequence; "decoder" the attention of that attending sequence to itself, in the same layer or later. `tokens`
    name the positions of the encoder, which are the keys of "cross"; `target_tokens` the positions of the decoder,
    which are its queries. The default names are "0", "1" and so on. Keys that the module adds to a sequence are the
    special tokens "[bias]" (`add_bias_kv`) and "[zero]" (`add_zero_attn`).

    A trace has the layers whose positions agree with each other and with the numbers of names. Notices name the others,
    and what seems to be attention in another way: softmax by hand, eager models, windows of the input.

    Padded and masked positions are kept, with weight 0. A query that may attend to no key, for which torch's own
    weights are NaN, has equal weights on all keys, an `Attention.mask` that is False everywhere, and a notice. A mask
    of numbers is added to the scores, as torch documents it. The fast path that torch takes without gradients in an
    `nn.TransformerEncoderLayer` reads it as boolean instead, and a notice says so.

    The module does not change: it gets no hook, and every `training` flag is restored. Queries and keys are projected
    once more for the trace, in the precision of the module. Weights are computed from them on demand.

    Raises:
        BadSelection: no such item in the batch, a wrong number of tokens, or layers of one kind that differ in their
            positions and nothing decides which belong together.
        NoAttention: no attention function was called, or it was given nested tensors.
    """
    module = getattr(module, "_orig_mod", module)  # torch.compile returns a wrapper, whose compiled code is not seen
    as_nested = not (torch.is_grad_enabled() and _needs_grad(module, inputs, kwargs))
    seen = _run(module, inputs, kwargs, item, as_nested=as_nested)
    calls = _of_one_batch(seen)
    if not calls:
        raise NoAttention(explain_nothing_seen(module, seen))
    n_tokens, n_target = (None if names is None else len(names) for names in (tokens, target_tokens))
    layers, left = choose_layers(group_by_kind(calls), n_tokens, n_target, type(module).__name__)
    source = _make_source(module, calls[0].replay, tokens, target_tokens)
    sides = {"encoder": (tokens, tokens), "decoder": (target_tokens, target_tokens), "cross": (target_tokens, tokens)}
    if target_tokens is not None and not {"decoder", "cross"} & layers.keys():
        raise BadSelection(f"{type(module).__name__} has no decoder for target_tokens to name: give them as tokens.")
    attentions = {kind: _make_attention(kind, layers[kind], sides[kind], source) for kind in KINDS if kind in layers}
    notices = make_notices(module, seen, layers, left, as_nested=as_nested)
    return AttentionTrace(attentions, notices, source)


def _of_one_batch(seen: TorchAttention) -> list[TorchCall]:
    """Return the calls that have a row for each item of the batch, or one for all items.

    The input's shape alone does not say which axis is the batch. `nn.MultiheadAttention` knows.
    """
    known = next((call.n_items for call in seen.calls if isinstance(call.module, nn.MultiheadAttention)), None)
    calls = [call for call in seen.calls if known is None or call.n_items in (1, known)]
    seen.unread += [call.owner or "the module" for call in seen.calls if call not in calls]
    return calls


def _make_attention(
    kind: str, calls: list[TorchCall], names: tuple[Sequence[str] | None, Sequence[str] | None], source: Source
) -> Attention:
    first = calls[0]
    _, n_query, n_key = first.replay.shape
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


def _run(module: nn.Module, inputs: tuple, kwargs: dict[str, Any], item: int, *, as_nested: bool) -> TorchAttention:
    """Run one forward pass in evaluation mode and return the attention calls in it."""
    seen = TorchAttention(module, InputShape.of(inputs, kwargs), item, as_nested=as_nested)
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
