"""The captured attention of one text: immutable, computed when somebody looks.

`attn[layer, head, query, key]` is never held as a whole where the queries and keys that made it are known: a trace of
a 12 x 12 model at 512 tokens holds 19 MB of q and k instead of 151 MB of weights, and computes a head in a fraction
of a millisecond. Where only the weights can be had (families that are not on the attention interface), they are held
behind the same class (models/capture/replay.py has both).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import pad

from models.capture.masks import Positions
from models.capture.replay import ALL, Layer, Replay
from models.errors import BadSelection
from models.tokens import Token

# How much is computed at once where a head is looked at in strips: 64 MB of weights. For pooled maps so few rows that a
# sliding window's band stays narrow, and 8 MB, since memory of that size is used again without asking the system.
STRIP_WEIGHTS = 2**24
POOL_ROWS = 256
POOL_WEIGHTS = 2**21


@dataclass(frozen=True)
class Source:
    """Where a trace comes from: enough to make it again.

    `generate` is how many tokens the model was let write after the text; `generated` what it wrote: after the text, or
    for its own decoder to read where there is no target. `image` is the hash of the picture that it saw.
    """

    model: str
    revision: str
    architecture: str
    device: str
    dtype: str
    capture: str
    text: str
    text_pair: str | None = None
    target: str | None = None
    generate: int = 0
    image: str | None = None
    generated: str | None = None


class Attention:
    """`attn[layer, head, query, key]` of one kind. Every array handed out is read-only float32.

    Rows sum to 1, but for heads with a sink, which takes a share and is no key: there to 1 less that share.
    """

    def __init__(
        self,
        kind: str,
        layers: Sequence[Layer],
        query_tokens: tuple[Token, ...],
        key_tokens: tuple[Token, ...],
        source: Source,
        *,
        key_grid: tuple[int, int] | None = None,
        annotations: Mapping[str, Any] | None = None,
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
        # Where keys are patches of a picture: how many down and across; they are the last positions, row by row.
        self.key_grid = key_grid
        self._annotations = dict(annotations or {})
        self._layers = tuple(layers)

    @property
    def annotations(self) -> Mapping[str, Any]:
        """What the maker of this attention knows of it, by name, such as the "task" that the model was trained on.

        Nothing in models/ reads it: analysis/truth.py does.
        """
        return MappingProxyType(self._annotations)

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
        return self._block(layer, slice(head, head + 1), queries, keys)[0]

    def layer(self, layer: int, queries: Positions = ALL, keys: Positions = ALL) -> Float[np.ndarray, "head query key"]:
        """Return the weights of all heads of a layer, `[head, query, key]`.

        Raises:
            BadSelection: no such layer or position.
        """
        self._layer(layer)
        return self._block(layer, ALL, queries, keys)

    def _block(
        self, layer: int, heads: slice, queries: Positions, keys: Positions
    ) -> Float[np.ndarray, "head query key"]:
        """Return a block, computed a strip of rows at a time: the softmax needs all keys of a row, but not all rows."""
        held = self._layers[layer]
        rows, columns = self._positions("query", queries), self._positions("key", keys)
        n_heads = len(range(held.shape[0])[heads])
        places = np.arange(self.n_query)[rows]
        block = np.empty((n_heads, len(places), len(np.arange(self.n_key)[columns])), dtype=np.float32)
        n_rows = max(1, STRIP_WEIGHTS // (n_heads * self.n_key))
        for start in range(0, len(places), n_rows):
            part = places[start : start + n_rows]
            run = isinstance(rows, slice) and rows.step in (None, 1)
            strip = slice(int(part[0]), int(part[-1]) + 1) if run else part  # a run of rows is looked at without a copy
            block[:, start : start + n_rows] = held.rows(heads, strip)[:, :, columns].numpy()
        block.flags.writeable = False
        return block

    def replay(self, layer: int) -> Replay:
        """Return what a layer's weights are replayed from; shared, so not to be changed.

        Raises:
            BadSelection: no such layer, or its weights are held as the model gave them.
        """
        held = self._layer(layer)
        if not isinstance(held, Replay):
            raise BadSelection(f"Layer {layer} is held as weights: its queries and keys are not known.")
        return held

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
            shape = (len(np.arange(self.n_query)[rows]), len(np.arange(self.n_key)[columns]))
            return _readonly(torch.ones(shape, dtype=torch.bool, device="cpu"))
        return _readonly(allowed[0][:, columns])

    def pooled(
        self, layer: int, head: int, size: int = 64, *, queries: slice = ALL, keys: slice = ALL
    ) -> Float[np.ndarray, "query_block key_block"]:
        """Return block maxima of one head, at most `size` x `size`, computed a strip of rows at a time.

        `queries` and `keys` are runs of positions, all of them if not given. Blocks are `ceil(n / size)` positions
        wide, the last one possibly less.

        Raises:
            BadSelection: no such layer or head, a size below 1, or positions that are no run.
        """
        self._check(layer, head)
        return self._pooled(layer, slice(head, head + 1), size, queries, keys)[0]

    def pooled_layer(self, layer: int, size: int = 64) -> Float[np.ndarray, "head query_block key_block"]:
        """Return the block maxima of all heads of a layer.

        Raises:
            BadSelection: no such layer, or a size below 1.
        """
        self._layer(layer)
        return self._pooled(layer, ALL, size, ALL, ALL)

    def pooled_mask(self, layer: int, size: int = 64) -> Bool[np.ndarray, "head query_block key_block"]:
        """Return True for the blocks of `pooled_layer` in which any query may attend to any key.

        A run of keys a query costs no pairs, so a mask of 8,192 positions takes no longer than its queries.

        Raises:
            BadSelection: no such layer, or a size below 1.
        """
        held = self._layer(layer)
        if size < 1:
            raise BadSelection(f"A pooled map needs a size of at least 1, not {size}.")
        high, wide = max(1, -(-self.n_query // size)), max(1, -(-self.n_key // size))
        shape = (held.shape[0], -(-self.n_query // high), -(-self.n_key // wide))
        blocks = held.allowed_blocks(high, wide)
        if blocks is None:
            blocks = torch.ones((), dtype=torch.bool, device="cpu")
        return _readonly(blocks.cpu().expand(shape))

    def pooled_layers(self, size: int = 64) -> Iterator[Float[np.ndarray, "head query_block key_block"]]:
        """Yield the block maxima of each layer, computed when asked for: whoever stops asking stops the work.

        Raises:
            BadSelection: a size below 1.
        """
        for layer in range(self.n_layers):
            yield self.pooled_layer(layer, size)

    def _pooled(
        self, layer: int, heads: slice, size: int, queries: slice, keys: slice
    ) -> Float[np.ndarray, "head query_block key_block"]:
        if size < 1:
            raise BadSelection(f"A pooled map needs a size of at least 1, not {size}.")
        held = self._layers[layer]
        first_query, n_query = self._run("query", queries)
        first_key, n_key = self._run("key", keys)
        query_block, key_block = max(1, -(-n_query // size)), max(1, -(-n_key // size))
        numbers = range(held.shape[0])[heads]
        n_rows = max(1, min(POOL_ROWS, POOL_WEIGHTS // self.n_key) // query_block) * query_block
        shape = (len(numbers), -(-n_query // query_block), -(-n_key // key_block))
        pool = torch.zeros(shape, dtype=torch.float32, device="cpu")  # whatever torch's defaults are set to
        for start in range(0, n_query, n_rows):
            rows = slice(first_query + start, first_query + min(start + n_rows, n_query))
            row, together = start // query_block, max(1, POOL_WEIGHTS // (n_rows * held.reach(rows)))
            for first in range(0, len(numbers), together):
                some = numbers[first : first + together]
                band, low = held.band(slice(some.start, some.stop), rows)
                # The part of the band that lies in the wanted keys, from the edge of a block on.
                band = band[:, :, max(0, first_key - low) : max(0, first_key + n_key - low)]
                low = max(0, low - first_key)
                if not band.shape[2]:
                    continue
                block, before = divmod(low, key_block)
                # Queries first: along keys, which lie in memory one after the other; little is left for the second.
                maxima = _block_maxima(_block_maxima(pad(band, (before, 0)), -2, query_block), -1, key_block)
                place = pool[first : first + together, row : row + maxima.shape[1], block : block + maxima.shape[2]]
                place.copy_(maxima)
        return _readonly(pool)

    def _run(self, side: str, positions: slice) -> tuple[int, int]:
        """Return the first position of a run and how many there are."""
        start, stop, step = positions.indices(self.n_query if side == "query" else self.n_key)
        if step != 1:
            raise BadSelection(f"A pooled map needs a run of {side} positions, not steps of {step}.")
        return start, max(0, stop - start)

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


@dataclass(frozen=True, eq=False)
class AttentionTrace:
    """All attention of one forward pass: `trace["encoder"]` is an `Attention`; `notices` say what was cut or lost.

    It can be pickled and copied, and is equal to itself alone, as its attentions and its picture cannot be compared.
    `image` is the picture that the model saw, after its processor's resizing and cropping, where it read one.
    """

    attentions: Mapping[str, Attention]
    notices: tuple[str, ...]
    source: Source
    image: UInt8[np.ndarray, "row column 3"] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "attentions", MappingProxyType(dict(self.attentions)))
        if self.image is not None:
            self.image.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        # Made anew from what it was made of: no mapping proxy can be pickled, and an array comes back writeable.
        return type(self), (dict(self.attentions), self.notices, self.source, self.image)

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
