"""One head from the inside: q, k and v of a text, and every step from them to what the head gives to its layer.

A trace keeps queries and keys. The values are wanted only by who looks inside a head, so the pass is run again and
the values of that one layer are kept (`models.capture.interface.OnLayerOutput`). The steps are those of equation 1 of
Vaswani et al. 2017 (arXiv:1706.03762), with the terms that some families add to it named one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models.capture.cost import Budget, Estimate
from models.capture.forward import role_of
from models.capture.replay import ALL
from models.errors import BadSelection, NoAttention
from models.model import Model, body
from models.tokens import Token

# What a pair of positions takes here beside the trace: scores, scaled, bias, logits, weights and mask.
BYTES_PER_PAIR = 32


@dataclass(frozen=True)
class HeadInside:
    """The steps of one head in float32, read-only, in the order of the computation.

    `scores` = q k^T; `scaled` = scaling * scores; with `softcap` c, c tanh(scaled / c) follows; `bias` is added where
    the family has one (relative positions); `mask` is True where the query may look; `logits` is what the softmax is
    taken of, minus infinity where masked; `sink` is one more logit of each row, whose share goes to no key;
    `weights`, whose rows sum to 1 but for the sink; `output` = weights v, before the layer's W_o. `kv_head` is the
    head that k and v come from, which several heads share in some families. `q` and `k` are as the attention
    function receives them: after rotary embedding and normalisation. `exact` is the worst difference between `output`
    and what the model itself computed in this pass.
    """

    kind: str
    layer: int
    head: int
    kv_head: int
    query_tokens: tuple[Token, ...]
    key_tokens: tuple[Token, ...]
    q: Float[np.ndarray, "query d_head"]
    k: Float[np.ndarray, "key d_head"]
    v: Float[np.ndarray, "key d_value"]
    scaling: float
    scores: Float[np.ndarray, "query key"]
    scaled: Float[np.ndarray, "query key"]
    softcap: float | None
    bias: Float[np.ndarray, "query key"] | None
    mask: Bool[np.ndarray, "query key"]
    logits: Float[np.ndarray, "query key"]
    sink: float | None
    weights: Float[np.ndarray, "query key"]
    output: Float[np.ndarray, "query d_value"]
    exact: float
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False


def inside(
    model: Model,
    text: str,
    layer: int,
    head: int,
    *,
    kind: str | None = None,
    target: str | None = None,
    budget: Budget | None = None,
) -> HeadInside:
    """Run a text through the model again and return one head from the inside; `kind` is the first one if not given.

    Raises:
        NoAttention: the model gives only weights, so q, k and v are not known.
        BadSelection: no such kind, layer or head.
        HeadlightError: as `Model.trace`.
    """
    card = model.card
    if card.capture != "replayed":
        raise NoAttention(
            f"{card.name} gives its weights but not what it made them of ({card.architecture} is not on transformers' "
            "attention interface), so its heads cannot be seen from the inside: choose another model, such as minilm."
        )
    kind = kind or card.kinds[0]
    if kind not in card.kinds:
        raise BadSelection(f"There is no {kind!r} attention here: this model has {' and '.join(card.kinds)}.")
    budget = budget or Budget()
    cost = model.estimate(text, target=target)
    budget.admit(Estimate(cost.n_tokens, cost.n_bytes + BYTES_PER_PAIR * cost.n_tokens**2, cost.seconds))
    kept = _Kept(model, kind, layer)
    trace = model.trace(text, target=target, budget=budget, keep=kept)
    att = trace[kind]
    weights = torch.from_numpy(att.weights(layer, head).copy())
    replay = att.replay(layer)
    value, own = kept.of(head, replay.shape[0])
    one = slice(head, head + 1)
    kv_head = head // (replay.shape[0] // replay.key.shape[0])
    q, k = replay.query[head].float(), replay.key[kv_head].float()
    scores, allowed = q @ k.T, replay.allowed(one, ALL)
    mask = torch.ones_like(scores, dtype=torch.bool) if allowed is None else allowed[0].clone()
    logits = replay.scores(one, ALL)[0].masked_fill(~mask, -torch.inf)
    bias = replay.added(one, ALL)
    output = weights @ value
    return HeadInside(
        kind=kind,
        layer=layer,
        head=head,
        kv_head=kv_head,
        query_tokens=att.query_tokens,
        key_tokens=att.key_tokens,
        q=_array(q),
        k=_array(k),
        v=_array(value),
        scaling=float(replay.scaling),
        scores=_array(scores),
        scaled=_array(scores * replay.scaling),
        softcap=replay.softcap,
        bias=None if bias is None else _array(bias[0].masked_fill(~mask, 0.0)),
        mask=_array(mask),
        logits=_array(logits),
        sink=None if replay.sinks is None else float(replay.sinks[head]),
        weights=_array(weights),
        output=_array(output),
        exact=float((output - own).abs().max()),
        notices=trace.notices,
    )


def _array(values: Tensor) -> np.ndarray:
    """Return a copy: what a model or a trace holds must not be reachable from here."""
    return values.detach().numpy().copy()


class _Kept:
    """Keeps the values and the output of one layer of one kind while the pass runs."""

    def __init__(self, model: Model, kind: str, layer: int) -> None:
        self._module = body(model.module)
        self._role = kind if model.module.config.is_encoder_decoder else "self"
        self._calls_before = layer
        self._found: tuple[Tensor, Tensor] | None = None

    def __call__(self, module: nn.Module, value: Tensor, output: Tensor) -> None:
        if role_of(self._module, module) == self._role:
            if self._calls_before == 0:
                self._found = (value[0].float().cpu(), output[0].float().cpu())
            self._calls_before -= 1

    def of(self, head: int, n_heads: int) -> tuple[Float[Tensor, "key d_value"], Float[Tensor, "query d_value"]]:
        """Return the values that a head mixes and what it gave, in float32."""
        assert self._found is not None  # the layer was checked by `Attention.weights`
        value, output = self._found
        return value[head // (n_heads // value.shape[0])], output[:, head]
