"""The attention of one kind: immutable, computed on demand.

`attn[layer, head, query, key]` never exists as a whole if its queries and keys are known: a trace of a 12 x 12 model at
512 tokens keeps 19 MB of q and k instead of 151 MB of weights, and computes a head in a fraction of a millisecond. For
families that are not on the attention interface, the trace keeps the weights (models/capture/replay.py has both).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.arguments import checked
from models.capture.blocks import compute_block, pool
from models.capture.masks import Positions
from models.capture.replay import ALL, LayerLike, Replay
from models.errors import BadMatrix, BadSelection
from models.given.weights import as_layer, read_given
from models.notebook import ShownInNotebook
from models.patches import Patches
from models.source import Source
from models.tensors import readonly
from models.tokens import Token
from models.views import Views


class Attention(ShownInNotebook, Views):
    """`attn[layer, head, query, key]` of one kind. Every returned array is read-only, weights are float32.

    `layers` are those of a trace, or weights that exist already, `[head, query, key]`. Rows sum to 1. In heads with a
    sink, which is not a key, they sum to 1 less its share. Views are attentions too (models/views.py).
    """

    @checked
    def __init__(
        self,
        kind: str,
        layers: Sequence[LayerLike | np.ndarray | Tensor],
        query_tokens: tuple[Token, ...],
        key_tokens: tuple[Token, ...],
        source: Source,
        *,
        key_patches: Sequence[Patches] = (),
        annotations: Mapping[str, Any] | None = None,
        notices: tuple[str, ...] = (),
        method: str = "attention",
    ) -> None:
        super().__init__()
        if not layers:
            raise BadMatrix("An attention has at least one layer: give an array [head, query, key] for each.")
        self._layers = tuple(as_layer(layer, number) for number, layer in enumerate(layers))
        for number, layer in enumerate(self._layers):
            if layer.shape[1:] != (len(query_tokens), len(key_tokens)):
                raise BadMatrix(
                    f"Layer {number} has {layer.shape[1]} queries and {layer.shape[2]} keys, "
                    f"but there are {len(query_tokens)} query tokens and {len(key_tokens)} key tokens."
                )
        self.kind = kind
        self.query_tokens = query_tokens
        self.key_tokens = key_tokens
        self.source = source
        # The grids of patches among the keys: one for a vision encoder, several where a picture is read in parts.
        self.key_patches = tuple(key_patches)
        self._annotations = dict(annotations or {})
        # What a reader must know of weights that came from elsewhere, in sentences: rows that do not sum to 1.
        self.notices = notices
        # How the weights were made: "attention" as the model computed them, else a method of analysis/maps.
        self.method = method

    @classmethod
    @checked
    def from_weights(
        cls,
        weights: Any,
        tokens: Sequence[str | Token] | Any,
        key_tokens: Sequence[str | Token] | Any = None,
        kind: str = "encoder",
        *,
        row: int | None = None,
    ) -> Attention:
        """Return the attention of weights that exist already (docs/decisions/0023).

        `weights` are an array or nested lists `[layer, head, query, key]`, a list of layers with or without a batch
        axis, of which `row` chooses one, the steps of `generate()` (without beams, whose rows change places), or an
        `ActivationCache` of TransformerLens. They stay as they came: rows that do not sum to 1 are named in `notices`,
        with a warning.

        Raises:
            BadMatrix: they are no weights, or do not fit the tokens.
            NotEnoughMemory: a copy of them does not fit into the free memory.
        """
        given = read_given(weights, tokens, key_tokens, kind, row)
        for notice in given.notices:
            warnings.warn(notice, stacklevel=3)  # the caller's line: `checked` is between
        return cls(kind, given.layers, given.query_tokens, given.key_tokens, given.source, notices=given.notices)

    def _copy(self, **changes: Any) -> Attention:
        names = ("query_tokens", "key_tokens", "key_patches", "annotations", "notices", "method")
        parts = {name: getattr(self, name) for name in names}
        return Attention(self.kind, source=self.source, **{"layers": self._layers, **parts, **changes})

    @property
    def annotations(self) -> Mapping[str, Any]:
        """What the maker of this attention knows of it, by name, such as the "task" that the model was trained on.

        Nothing in models/ reads it: analysis/truth.py does.
        """
        return MappingProxyType(self._annotations)

    @property
    def key_grid(self) -> tuple[int, int] | None:
        """The rows and columns of patches if the keys are patches of one grid, else None."""
        return (self.key_patches[0].rows, self.key_patches[0].columns) if len(self.key_patches) == 1 else None

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

    @checked
    def heads_in(self, layer: int) -> int:
        """Return the number of heads of a layer."""
        return self._layer(layer).shape[0]

    @checked
    def weights(
        self, layer: int, head: int, queries: Positions = ALL, keys: Positions = ALL
    ) -> Float[np.ndarray, "query key"]:
        """Return softmax weights `[query, key]` of one head, or a block of them without computing the other rows.

        Raises:
            BadSelection: no such layer, head or position.
        """
        self._check(layer, head)
        rows, columns = self._positions("query", queries), self._positions("key", keys)
        return compute_block(self._layers[layer], slice(head, head + 1), rows, columns)[0]

    @checked
    def layer(self, layer: int, queries: Positions = ALL, keys: Positions = ALL) -> Float[np.ndarray, "head query key"]:
        """Return the weights of all heads of a layer, `[head, query, key]`.

        Raises:
            BadSelection: no such layer or position.
        """
        found = self._layer(layer)
        return compute_block(found, ALL, self._positions("query", queries), self._positions("key", keys))

    @checked
    def replay(self, layer: int) -> Replay:
        """Return the queries and keys that a layer's weights are replayed from; shared, so do not change them.

        Raises:
            BadSelection: no such layer, a materialised one, one with forced heads, a view of words, hidden tokens or
                combined heads, or a derived map.
        """
        found = self._layer(layer)
        if self._origin is not None:
            raise BadSelection(
                "Words, hidden tokens and combined heads have no queries and keys of their own: take the attention "
                "that they are made of."
            )
        if self.method != "attention":
            raise BadSelection("A derived map has no queries and keys of its own: take the attention of the trace.")
        if not isinstance(found, Replay):
            raise BadSelection(
                f"Layer {layer} gives no queries and keys: it is materialised, or some heads are forced."
            )
        return found

    @checked
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
            return readonly(torch.ones(shape, dtype=torch.bool, device="cpu"))
        return readonly(allowed[0][:, columns])

    @checked
    def pooled(
        self, layer: int, head: int, size: int = 64, *, queries: slice = ALL, keys: slice = ALL
    ) -> Float[np.ndarray, "query_block key_block"]:
        """Return block maxima of one head, at most `size` x `size`, computed a strip of rows at a time.

        `queries` and `keys` are runs of positions, by default all. Blocks are `ceil(n / size)` positions wide, the last
        one possibly less.

        Raises:
            BadSelection: no such layer or head, a size below 1, or positions that are not a run.
        """
        self._check(layer, head)
        return self._pooled(layer, slice(head, head + 1), size, queries, keys)[0]

    @checked
    def pooled_layer(self, layer: int, size: int = 64) -> Float[np.ndarray, "head query_block key_block"]:
        """Return the block maxima of all heads of a layer.

        Raises:
            BadSelection: no such layer, or a size below 1.
        """
        self._layer(layer)
        return self._pooled(layer, ALL, size, ALL, ALL)

    @checked
    def pooled_mask(self, layer: int, size: int = 64) -> Bool[np.ndarray, "head query_block key_block"]:
        """Return True for the blocks of `pooled_layer` in which any query may attend to any key.

        A mask of runs is pooled without a value for each pair, in time proportional to the queries.

        Raises:
            BadSelection: no such layer, or a size below 1.
        """
        found = self._layer(layer)
        if size < 1:
            raise BadSelection(f"A pooled map needs a size of at least 1, not {size}.")
        high, wide = max(1, -(-self.n_query // size)), max(1, -(-self.n_key // size))
        shape = (found.shape[0], -(-self.n_query // high), -(-self.n_key // wide))
        blocks = found.allowed_blocks(high, wide)
        if blocks is None:
            blocks = torch.ones((), dtype=torch.bool, device="cpu")
        return readonly(blocks.cpu().expand(shape))

    @checked
    def pooled_layers(self, size: int = 64) -> Iterator[Float[np.ndarray, "head query_block key_block"]]:
        """Yield the block maxima of each layer, each computed on demand.

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
        return readonly(pool(self._layers[layer], heads, size, self._run("query", queries), self._run("key", keys)))

    def _run(self, side: str, positions: slice) -> tuple[int, int]:
        """Return the first position of a run and the number of its positions."""
        start, stop, step = positions.indices(self.n_query if side == "query" else self.n_key)
        if step != 1:
            raise BadSelection(f"A pooled map needs a run of {side} positions, not steps of {step}.")
        return start, max(0, stop - start)

    def _positions(self, side: str, positions: Positions) -> Positions:
        """Return positions in a form that torch accepts: a plain slice, or the numbers that NumPy would select."""
        if isinstance(positions, slice) and (positions.step or 1) > 0:
            return positions
        n_positions = self.n_query if side == "query" else self.n_key
        wanted = positions if isinstance(positions, (slice, np.ndarray)) else np.array(positions, dtype=np.int64)
        try:
            return np.arange(n_positions)[wanted].copy()  # torch does not accept negative strides
        except IndexError as error:
            raise BadSelection(
                f"A {side} position is wrong ({error}): the positions are 0 to {n_positions - 1}."
            ) from error

    def _layer(self, layer: int) -> LayerLike:
        if not 0 <= layer < self.n_layers:
            raise BadSelection(
                f"There is no layer {layer}: this {self.kind} attention has layers 0 to {self.n_layers - 1}."
            )
        return self._layers[layer]

    def _check(self, layer: int, head: int) -> None:
        n_heads = self._layer(layer).shape[0]
        if not 0 <= head < n_heads:
            raise BadSelection(f"There is no head {head}: layer {layer} has heads 0 to {n_heads - 1}.")
