"""The attention of several texts from one forward pass, still padded to the longest of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.attention import Attention
from models.capture.masks import Spans
from models.capture.replay import ALL, Layer, Replay
from models.model_input import ModelInput
from models.source import Source
from models.tokens import Token

Tokens = tuple[Token, ...]


class _Masks(NamedTuple):
    """Which pairs of a layer may attend, what is added to the scores of the others, and what both are made of."""

    made_of: Hashable
    allowed: Bool[Tensor, "text head_or_1 query key"]
    added: Float[Tensor, "text head_or_1 query key"]


@dataclass(frozen=True, eq=False)
class PaddedAttention:
    """One kind of attention over the texts of a batch, for what reads all texts at once.

    `layers[n]` are the layers of text `n`, with the padding after its tokens. `attention(n)` is that of the text alone.
    """

    kind: str
    query_tokens: tuple[Tokens, ...]
    key_tokens: tuple[Tokens, ...]
    sources: tuple[Source, ...]
    layers: tuple[Sequence[Layer], ...]
    _known: _Masks | None = field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, kind: str, batch: Sequence[ModelInput], layers: Sequence[Sequence[Layer]]) -> PaddedAttention:
        """Return the attention of a pass over several texts, of which `layers` are those of each."""
        queries, keys = zip(*(one.sides(kind) for one in batch), strict=True)
        return cls(kind, queries, keys, tuple(one.source for one in batch), tuple(layers))

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.layers)

    @property
    def n_layers(self) -> int:
        """How many layers were captured."""
        return len(self.layers[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """n_texts, and the queries and keys of the longest text."""
        return len(self), *self.layers[0][0].shape[1:]

    def heads_in(self, layer: int) -> int:
        """Return the number of heads of a layer."""
        return self.layers[0][layer].shape[0]

    def attention(self, text: int) -> Attention:
        """Return the attention of one text, without padding."""
        queries, keys = self.query_tokens[text], self.key_tokens[text]
        layers = [layer.part(len(queries), len(keys)) for layer in self.layers[text]]
        return Attention(self.kind, layers, queries, keys, self.sources[text])

    def part(self, texts: slice) -> PaddedAttention:
        """Return some of the texts, with the same padding."""
        return PaddedAttention(
            self.kind, self.query_tokens[texts], self.key_tokens[texts], self.sources[texts], self.layers[texts]
        )

    @cached_property
    def is_joint(self) -> bool:
        """Whether the weights of all texts can be computed together: replayed ones, whose scores are only masked.

        One text alone has no padding, and its attention knows which keys its queries can see.
        """
        return len(self) > 1 and all(_is_plain(layer) for of_text in self.layers for layer in of_text)

    def weights(self, layer: int) -> Float[Tensor, "text head query key"]:
        """Return the weights of all texts in a layer; only if `is_joint`.

        Padding gets no attention. The rows of queries that are padding have no meaning.
        """
        rows, added = self._rows(layer), self._masks(layer).added
        group = rows[0].shape[0] // rows[0].n_key_heads
        queries, keys = torch.stack([row.query for row in rows]).float(), torch.stack([row.key for row in rows]).float()
        keys = keys.repeat_interleave(group, 1) if group > 1 else keys
        scores = (queries @ keys.transpose(-1, -2)).mul_(rows[0].scaling).add_(added)
        return scores.softmax(-1)

    def allowed(self, layer: int) -> Bool[Tensor, "text head_or_1 query key"]:
        """Return which pairs may attend in a layer, without padding; only if `is_joint`."""
        return self._masks(layer).allowed

    def _masks(self, layer: int) -> _Masks:
        rows = self._rows(layer)
        made_of = (rows[0].causal, *(id(row.mask) for row in rows))  # the same in nearly all layers
        if self._known is None or self._known.made_of != made_of:
            masks = [row.allowed(ALL, ALL) for row in rows]
            n_heads = max(1 if mask is None else mask.shape[0] for mask in masks)
            allowed = torch.empty((len(rows), n_heads, *rows[0].shape[1:]), dtype=torch.bool, device="cpu")
            keys = torch.arange(allowed.shape[-1], device="cpu")
            for of_text, mask, tokens in zip(allowed, masks, self.key_tokens, strict=True):
                of_text.copy_(keys < len(tokens))
                if mask is not None:
                    of_text &= mask
            # Half of the most negative number is no infinity when a score is added to it.
            added = torch.zeros(allowed.shape, dtype=torch.float32, device="cpu")
            added.masked_fill_(~allowed, torch.finfo(added.dtype).min / 2)
            object.__setattr__(self, "_known", _Masks(made_of, allowed, added))
        assert self._known is not None
        return self._known

    def _rows(self, layer: int) -> list[Replay]:
        found = [of_text[layer] for of_text in self.layers]
        assert self.is_joint
        return cast(list[Replay], found)


def _is_plain(layer: Layer) -> bool:
    """Return whether a layer's scores are those of its queries and keys, or hidden."""
    if not isinstance(layer, Replay) or not (layer.bias is layer.softcap is layer.sinks is None):
        return False
    return layer.mask is None or isinstance(layer.mask, Spans) or layer.mask.dtype == torch.bool
