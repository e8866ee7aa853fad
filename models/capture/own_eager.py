"""The model's own eager attention in one pass, without a change of the model that all visitors share.

transformers makes a mask and then calls an attention function, both by the name of the implementation. In a pass that
is watched, the functions under Headlight's name (interface.py) make the mask of eager attention, and compute each call
by `eager_attention_forward` of the module's own file. Its output goes on to the next layer. A `ContextVar` says which
pass it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

# Called after each attention call with the module, its eager weights `[row, head, query, key]`, and whether they are of
# the model's own function; otherwise they are of the definition.
OnEagerWeights = Callable[[nn.Module, Tensor, bool], None]
_watching: ContextVar[OnEagerWeights | None] = ContextVar("headlight_own_eager", default=None)


@contextmanager
def own_eager(on_weights: OnEagerWeights) -> Iterator[None]:
    """Compute the recorded passes of this context (thread or task) in eager attention, and give its weights.

    What is recorded stays the same: queries, keys and masks of that pass. Passes without a recorder, such as those that
    generate a text, are computed as always.
    """
    token = _watching.set(on_weights)
    try:
        yield
    finally:
        _watching.reset(token)


def is_watched() -> bool:
    """Return whether the passes of this context are computed in eager attention."""
    return _watching.get() is not None


def attend_eagerly(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Return the output of a call in a watched pass, by the module's own eager function, or by the definition."""
    on_weights = _watching.get()
    assert on_weights is not None
    own = vars(sys.modules[type(module).__module__]).get("eager_attention_forward")
    if own is None:
        output, weights = attend_by_definition(module, query, key, value, attention_mask, scaling, **kwargs)
    else:
        scaled = {} if scaling is None else {"scaling": scaling}
        output, weights = own(module, query, key, value, attention_mask, dropout=dropout, **scaled, **kwargs)
    on_weights(module, weights, own is not None)
    return output, None


def attend_by_definition(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float | None = None,
    *,
    is_causal: bool | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    position_bias: Tensor | None = None,
    **others: Any,
) -> tuple[Tensor, Tensor]:
    """Return the output `[row, query, head, d_value]` and the weights `[row, head, query, key]` in float64.

    They are softmax(scaling q k^T, capped, + bias + mask), with one more term for a sink, written out without any code
    that the capture or the model uses. The output has the dtype of `value`.
    """
    del others
    group, width = query.shape[1] // key.shape[1], query.shape[-1]
    key, heads_value = (side.repeat_interleave(group, dim=1).double() for side in (key, value))
    scores = torch.einsum("rhqd,rhkd->rhqk", query.double(), key) * (width**-0.5 if scaling is None else scaling)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if position_bias is not None:
        scores = scores + position_bias
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if mask is None and causal and scores.shape[2] > 1:
        mask = torch.ones(scores.shape[2:], dtype=torch.bool, device=scores.device).tril()
    if mask is not None:
        mask = mask[..., : scores.shape[3]]
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    exponents = torch.exp(scores - scores.amax(-1, keepdim=True))
    total = exponents.sum(-1, keepdim=True)
    if s_aux is not None:
        total = total + torch.exp(s_aux.double()[None, :, None, None] - scores.amax(-1, keepdim=True))
    weights = exponents / total
    output = torch.einsum("rhqk,rhkd->rqhd", weights, heads_value).to(value.dtype).contiguous()
    return output, weights
