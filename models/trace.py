"""The captured attention of one text: immutable, computed when somebody looks.

`attn[layer, head, query, key]` is never held as a whole where the queries and keys that made it are known: a trace of
a 12 x 12 model at 512 tokens holds 19 MB of q and k instead of 151 MB of weights, and computes a head in a fraction
of a millisecond. Where only the weights can be had (families that are not on the attention interface), they are held
behind the same class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.errors import BadSelection
from models.tokens import Token

Positions = slice | Sequence[int] | np.ndarray
ALL = slice(None)
POOL_ROWS = 256


@dataclass(frozen=True)
class Source:
    """Where a trace comes from: enough to make it again."""

    model: str
    revision: str
    architecture: str
    device: str
    dtype: str
    capture: str
    text: str
    text_pair: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class Replay:
    """What one layer's weights depend on; weights = softmax(scaling * q k^T, softcap, + bias, masked).

    Shapes: `query` [n_heads, n_query, d_head]; `key` [n_kv_heads, n_key, d_head]; `mask` boolean (True = may attend)
    or additive [1 or n_heads, n_query, n_key]; `bias` likewise; `sinks` [n_heads], extra logits that take attention
    mass without being a key.
    """

    query: Float[Tensor, "head query d_head"]
    key: Float[Tensor, "kv_head key d_head"]
    scaling: float
    mask: Tensor | None = None
    bias: Tensor | None = None
    causal: bool = False
    softcap: float | None = None
    sinks: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """n_heads, n_query, n_key."""
        return self.query.shape[0], self.query.shape[1], self.key.shape[1]

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""
        weights = self.scores(heads, queries)
        if self.sinks is not None:
            sinks = self.sinks[heads].float()[:, None, None].expand(-1, weights.shape[1], 1)
            return torch.cat([weights, sinks], dim=-1).softmax(-1)[..., :-1]
        return weights.softmax(-1)

    def scores(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return the scaled, masked scores in float32, the argument of the softmax."""
        numbers = range(self.query.shape[0])[heads]
        group = self.query.shape[0] // self.key.shape[0]
        query = self.query[heads][:, queries].float()
        key = self.key[[number // group for number in numbers]] if group > 1 else self.key[heads]
        scores = query @ key.float().transpose(-1, -2) * self.scaling
        if self.softcap is not None:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        if self.bias is not None:
            scores = scores + _of_heads(self.bias, heads)[:, queries].float()
        if self.mask is not None and self.mask.dtype != torch.bool:
            scores = scores + _of_heads(self.mask, heads)[:, queries].float()
        allowed = self.allowed(heads, queries)
        return scores if allowed is None else scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return which key each query may attend to, None where it is all of them."""
        allowed = None
        if self.mask is not None:
            part = _of_heads(self.mask, heads)[:, queries]
            allowed = part if part.dtype == torch.bool else part > torch.finfo(part.dtype).min / 2
        if self.causal:
            _, n_query, n_key = self.shape
            order = torch.arange(n_query, device=self.query.device)[queries][:, None]
            causal = (order >= torch.arange(n_key, device=self.query.device))[None]
            allowed = causal if allowed is None else allowed & causal
        return allowed

    def cpu(self) -> Replay:
        """Return the same on the CPU, so that a trace holds no accelerator memory."""
        moved: dict[str, Any] = {
            name: value.cpu() if isinstance(value, Tensor) else value for name, value in vars(self).items()
        }
        return Replay(**moved)


def _of_heads(tensor: Tensor, heads: slice) -> Tensor:
    return tensor if tensor.shape[0] == 1 else tensor[heads]


@dataclass(frozen=True)
class Held:
    """One layer whose weights themselves were captured, `[head, query, key]`."""

    weights: Float[Tensor, "head query key"]
    causal: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """n_heads, n_query, n_key."""
        n_heads, n_query, n_key = self.weights.shape
        return n_heads, n_query, n_key

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""
        return self.weights[heads][:, queries].float()

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return which key each query may attend to, None where it is all of them."""
        if not self.causal:
            return None
        _, n_query, n_key = self.shape
        return (torch.arange(n_query)[queries][:, None] >= torch.arange(n_key))[None]


Layer = Replay | Held


class Attention:
    """`attn[layer, head, query, key]` of one kind. Every array handed out is read-only float32, rows sum to 1."""

    def __init__(
        self,
        kind: str,
        layers: Sequence[Layer],
        query_tokens: tuple[Token, ...],
        key_tokens: tuple[Token, ...],
        source: Source,
    ) -> None:
        for number, layer in enumerate(layers):
            if layer.shape[1:] != (len(query_tokens), len(key_tokens)):
                raise ValueError(
                    f"Layer {number} has {layer.shape[1]} queries and {layer.shape[2]} keys, "
                    f"but there are {len(query_tokens)} query tokens and {len(key_tokens)} key tokens."
                )
        self.kind = kind
        self.query_tokens = query_tokens
        self.key_tokens = key_tokens
        self.source = source
        self._layers = tuple(layers)

    @property
    def n_layers(self) -> int:
        """How many layers were captured."""
        return len(self._layers)

    @property
    def n_heads(self) -> int:
        """Heads per layer; the largest number where layers differ."""
        return max(layer.shape[0] for layer in self._layers)

    @property
    def n_query(self) -> int:
        """How many positions attend."""
        return len(self.query_tokens)

    @property
    def n_key(self) -> int:
        """How many positions are attended to."""
        return len(self.key_tokens)

    def heads_in(self, layer: int) -> int:
        """Return the number of heads of a layer."""
        return self._layer(layer).shape[0]

    def weights(
        self, layer: int, head: int, queries: Positions = ALL, keys: Positions = ALL
    ) -> Float[np.ndarray, "query key"]:
        """Return softmax weights `[query, key]` of one head, or a block of them without computing the other rows.

        Raises:
            BadSelection: no such layer, head or position.
        """
        self._check(layer, head)
        rows = self._layers[layer].rows(slice(head, head + 1), self._positions("query", queries))[0]
        return _readonly(rows[:, self._positions("key", keys)])

    def layer(self, layer: int, queries: Positions = ALL, keys: Positions = ALL) -> Float[np.ndarray, "head query key"]:
        """Return the weights of all heads of a layer, `[head, query, key]`.

        Raises:
            BadSelection: no such layer or position.
        """
        rows = self._layer(layer).rows(ALL, self._positions("query", queries))
        return _readonly(rows[:, :, self._positions("key", keys)])

    def mask(
        self, layer: int, head: int, queries: Positions = ALL, keys: Positions = ALL
    ) -> Bool[np.ndarray, "query key"]:
        """Return `[query, key]`, True where the query may attend to the key.

        Raises:
            BadSelection: no such layer, head or position.
        """
        self._check(layer, head)
        rows, columns = self._positions("query", queries), self._positions("key", keys)
        allowed = self._layers[layer].allowed(slice(head, head + 1), rows)
        if allowed is None:
            allowed = torch.ones(1, self.n_query, self.n_key, dtype=torch.bool)[:, rows]
        return _readonly(allowed[0][:, columns])

    def pooled(self, layer: int, head: int, size: int = 64) -> Float[np.ndarray, "query_block key_block"]:
        """Return block maxima of one head, at most `size` x `size`, computed a strip of rows at a time.

        Blocks are `ceil(n / size)` positions wide, the last one possibly less.

        Raises:
            BadSelection: no such layer or head, or a size below 1.
        """
        self._check(layer, head)
        return self._pooled(layer, slice(head, head + 1), size)[0]

    def pooled_layer(self, layer: int, size: int = 64) -> Float[np.ndarray, "head query_block key_block"]:
        """Return the block maxima of all heads of a layer.

        Raises:
            BadSelection: no such layer, or a size below 1.
        """
        self._layer(layer)
        return self._pooled(layer, ALL, size)

    def _pooled(self, layer: int, heads: slice, size: int) -> Float[np.ndarray, "head query_block key_block"]:
        if size < 1:
            raise BadSelection(f"A pooled map needs a size of at least 1, not {size}.")
        held = self._layers[layer]
        _, n_query, n_key = held.shape
        query_block, key_block = -(-n_query // size), -(-n_key // size)
        strip = query_block * max(1, POOL_ROWS // query_block)
        pools = []
        for start in range(0, n_query, strip):
            rows = held.rows(heads, slice(start, min(start + strip, n_query)))
            pools.append(_block_maxima(_block_maxima(rows, -1, key_block), -2, query_block))
        return _readonly(torch.cat(pools, dim=1))

    def _positions(self, side: str, positions: Positions) -> Positions:
        """Return what torch can index with: a plain slice, or the numbers that NumPy would select."""
        if isinstance(positions, slice) and (positions.step or 1) > 0:
            return positions
        n_positions = self.n_query if side == "query" else self.n_key
        wanted = positions if isinstance(positions, (slice, np.ndarray)) else np.array(positions, dtype=np.int64)
        try:
            return np.arange(n_positions)[wanted].copy()  # torch reads no negative strides
        except IndexError as error:
            raise BadSelection(f"A {side} position is wrong ({error}): there are 0 to {n_positions - 1}.") from error

    def _layer(self, layer: int) -> Layer:
        if not 0 <= layer < self.n_layers:
            raise BadSelection(
                f"There is no layer {layer}: this {self.kind} attention has layers 0 to {self.n_layers - 1}."
            )
        return self._layers[layer]

    def _check(self, layer: int, head: int) -> None:
        n_heads = self._layer(layer).shape[0]
        if not 0 <= head < n_heads:
            raise BadSelection(f"There is no head {head}: layer {layer} has heads 0 to {n_heads - 1}.")


def _block_maxima(values: Tensor, axis: int, block: int) -> Tensor:
    if block == 1:
        return values
    parts = values.split(block, dim=axis)
    return torch.stack([part.amax(axis) for part in parts], dim=axis)


def _readonly(values: Tensor) -> np.ndarray:
    return _readonly_array(values.contiguous().numpy())


def _readonly_array(values: np.ndarray) -> np.ndarray:
    # A copy, never a view: held tensors must not be reachable through `.base`.
    values = np.array(values, copy=True)
    values.flags.writeable = False
    return values


@dataclass(frozen=True)
class AttentionTrace:
    """All attention of one forward pass: `trace["encoder"]` is an `Attention`; `notices` say what was cut or lost."""

    attentions: Mapping[str, Attention]
    notices: tuple[str, ...]
    source: Source

    def __post_init__(self) -> None:
        object.__setattr__(self, "attentions", MappingProxyType(dict(self.attentions)))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of attention, in the order of the computation."""
        return tuple(self.attentions)

    def __getitem__(self, kind: str) -> Attention:
        """Return one kind of attention.

        Raises:
            BadSelection: the model has no attention of that kind.
        """
        if kind not in self.attentions:
            raise BadSelection(f"There is no {kind!r} attention here: this model has {' and '.join(self.kinds)}.")
        return self.attentions[kind]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.attentions)
