"""The internals of one head: q, k and v of a text, and every step from them to the head's output.

A trace keeps queries and keys, but no values. So the pass runs again, and the values of one layer are kept
(`models.capture.interface.OnLayerOutput`). The steps are those of equation 1 of Vaswani et al. 2017
(arXiv:1706.03762), with a field for each term that some families add to it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models.arguments import checked
from models.capture.cost import Budget, Estimate
from models.capture.forward import body, role_of
from models.capture.replay import ALL
from models.errors import BadSelection, NoAttention
from models.model import Model
from models.tokens import Token
from models.trace import Attention

# The bytes of a pair of positions in addition to the trace: scores, scaled, bias, logits, weights and mask.
BYTES_PER_PAIR = 32


@dataclass(frozen=True)
class HeadInternals:
    """The steps of one head in float32, read-only, in the order of the computation.

    `scores` = q k^T; `scaled` = scaling * scores; with `softcap` c, c tanh(scaled / c) follows; `bias` is added if
    the family has one (relative positions); `mask` is True where the query may attend; `logits` is the argument of the
    softmax, minus infinity where masked; `sink` is one more logit of each row, whose share goes to no key; `weights`,
    whose rows sum to 1 less the sink's share; `output` = weights v, before the layer's W_o. `kv_head` is the head of k
    and v, which several heads share in some families. `q` and `k` are as the attention function receives them, after
    rotary embedding and normalisation. `exact` is the largest difference between `output` and the model's own output
    in this pass.
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


@checked
def head_internals(
    model: Model,
    text: str,
    layer: int,
    head: int,
    *,
    kind: str | None = None,
    target: str | None = None,
    budget: Budget | None = None,
) -> HeadInternals:
    """Run a text through the model again and return the internals of one head of a layer.

    `kind` is the model's first kind if not given.

    Raises:
        NoAttention: the model returns only weights, so q, k and v are not known.
        BadSelection: no such kind, layer or head.
        HeadlightError: as `Model.trace`.
    """
    kind = _check_kind(model, kind)
    budget = budget or Budget()
    cost = model.estimate(text, target=target)
    budget.admit(Estimate(cost.n_tokens, cost.n_bytes + BYTES_PER_PAIR * cost.n_tokens**2, cost.seconds))
    outputs = _LayerOutputs(model, kind, layer)
    trace = model.trace(text, target=target, budget=budget, on_layer_output=outputs)
    att = trace[kind]
    weights = att.weights(layer, head)  # refuses a layer or a head that does not exist
    value, own = outputs.of_head(head, att.heads_in(layer))
    return _compute_steps(att, layer, head, torch.from_numpy(weights.copy()), value, own, trace.notices)


def _check_kind(model: Model, kind: str | None) -> str:
    """Return the kind of attention to read, the model's first one if `kind` is None."""
    card = model.card
    if card.capture != "replayed":
        raise NoAttention(
            f"{card.name} returns its weights but not its queries and keys ({card.architecture} is not on "
            "transformers' attention interface), so the steps of its heads are not known: choose another model, such "
            "as minilm."
        )
    kind = kind or card.kinds[0]
    if kind not in card.kinds:
        raise BadSelection(f"There is no {kind[:40]!r} attention here: this model has {' and '.join(card.kinds)}.")
    return kind


def _compute_steps(
    att: Attention, layer: int, head: int, weights: Tensor, value: Tensor, own: Tensor, notices: tuple[str, ...]
) -> HeadInternals:
    """Return the steps of a head from its weights, its values, and the output `own` that the model computed."""
    replay, one = att.replay(layer), slice(head, head + 1)
    kv_head = head // (replay.shape[0] // replay.key.shape[0])
    q, k = replay.query[head].float(), replay.key[kv_head].float()
    scores, allowed = q @ k.T, replay.allowed(one, ALL)
    mask = torch.ones_like(scores, dtype=torch.bool) if allowed is None else allowed[0].clone()
    logits = replay.scores(one, ALL)[0].masked_fill(~mask, -torch.inf)
    bias = replay.added(one, ALL)
    output = weights @ value
    return HeadInternals(
        kind=att.kind,
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
        notices=notices,
    )


def _array(values: Tensor) -> np.ndarray:
    """Return a copy, because a caller must not reach the tensors of a model or of a trace."""
    return values.detach().numpy().copy()


class _LayerOutputs:
    """Keeps the values and the output of one layer of one kind while the pass runs (an `OnLayerOutput`)."""

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

    def of_head(self, head: int, n_heads: int) -> tuple[Float[Tensor, "key d_value"], Float[Tensor, "query d_value"]]:
        """Return the values and the output of a head in float32."""
        assert self._found is not None  # `Attention.weights` refuses a layer that does not exist
        value, output = self._found
        return value[head // (n_heads // value.shape[0])], output[:, head]
