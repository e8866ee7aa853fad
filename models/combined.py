"""A layer made of heads of any layers: their mean or maximum, computed on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.capture.masks import Positions, Spans
from models.capture.replay import ALL, LayerLike


@dataclass(frozen=True, eq=False)
class CombinedLayer:
    """One head: the mean or the maximum of heads, each one a layer and a number; NaN stays NaN."""

    layers: tuple[LayerLike, ...]
    heads: tuple[tuple[int, int], ...]
    maximum: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """1, n_query, n_key."""
        return 1, *self.layers[0].shape[1:]

    @property
    def n_key_heads(self) -> int:
        """1."""
        return 1

    def rows(self, heads: slice, queries: Positions) -> Float[Tensor, "head query key"]:
        """Return whole rows of weights in float32."""
        band, low = self.band(heads, queries)
        n_after = self.shape[2] - low - band.shape[2]
        return torch.nn.functional.pad(band, (low, n_after)) if low or n_after else band

    def band(self, heads: slice, queries: Positions) -> tuple[Float[Tensor, "head query key"], int]:
        """Return the weights of the run of keys that these queries can see, and its first key; other weights are 0."""
        total, low = self._band_of(*self.heads[0], queries)
        total = total.clone()
        for layer, head in self.heads[1:]:
            band, first = self._band_of(layer, head, queries)
            if first < low or first + band.shape[2] > low + total.shape[2]:  # layers differ in their windows
                both, end = min(first, low), max(first + band.shape[2], low + total.shape[2])
                total = torch.nn.functional.pad(total, (low - both, end - low - total.shape[2]))
                low = both
            part = total[:, :, first - low : first - low + band.shape[2]]
            # Weights outside a band are 0 and none is less than 0, so the maximum needs only the band.
            torch.maximum(part, band, out=part) if self.maximum else part.add_(band)
        return (total if self.maximum else total.div_(len(self.heads)))[heads], low

    def _band_of(self, layer: int, head: int, queries: Positions) -> tuple[Tensor, int]:
        return self.layers[layer].band(slice(head, head + 1), queries)

    def reach(self, queries: Positions) -> int:
        """Return the length of the longest run of keys that these queries can see in any layer."""
        return max(layer.reach(queries) for layer in self._distinct_layers().values())

    def _distinct_layers(self) -> dict[int, LayerLike]:
        return {number: self.layers[number] for number, _ in self.heads}

    def allowed(self, heads: slice, queries: Positions) -> Bool[Tensor, "head query key"] | None:
        """Return the keys that each query may attend to in any of the heads, None if all of them."""
        found: Tensor | None = None
        for allowed in self._masks(queries):
            if allowed is None:
                return None
            found = allowed if found is None else found | allowed
        assert found is not None
        return found[heads]

    def _masks(self, queries: Positions) -> Iterator[Tensor | None]:
        """Yield the masks of the heads, an equal one of several layers once."""
        known: list[Spans] = []
        for number, layer in self._distinct_layers().items():
            spans = layer.spans()
            if spans is not None:
                if not any(_are_equal(spans, other) for other in known):
                    known.append(spans)
                    yield spans.allowed(queries, 0, self.shape[2]).cpu()
                continue
            no_rows = layer.allowed(ALL, np.array([], np.int64))
            shared = no_rows is None or no_rows.shape[0] == 1
            for head in (head for of, head in self.heads if of == number):
                allowed = layer.allowed(slice(head, head + 1), queries)
                yield None if allowed is None else allowed.cpu()
                if shared:
                    break

    def allowed_blocks(self, high: int, wide: int) -> Bool[Tensor, "head query_block key_block"] | None:
        """Return which blocks contain a pair that may attend in any of the heads; None: every block does."""
        found: Tensor | None = None
        for number, layer in self._distinct_layers().items():
            blocks = layer.allowed_blocks(high, wide)
            if blocks is None:
                return None
            if blocks.shape[0] > 1:
                blocks = blocks[[head for of, head in self.heads if of == number]].any(0, keepdim=True)
            found = blocks.cpu() if found is None else found | blocks.cpu()
        return found

    def spans(self) -> Spans | None:
        """Return the run of keys that each query may attend to, None if the heads differ."""
        first, *others = (layer.spans() for layer in self._distinct_layers().values())
        if first is None or any(other is None or not _are_equal(first, other) for other in others):
            return None
        return first


def _are_equal(one: Spans, other: Spans) -> bool:
    return one is other or (torch.equal(one.first, other.first) and torch.equal(one.end, other.end))
