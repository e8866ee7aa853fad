"""The maps of all heads as data, the same for every renderer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from analysis.selection import Selection
from analysis.truth import truth_scores_of_text
from models import Attention
from models.errors import BadSelection
from viz.figures.base import Subject
from viz.head_maps import HeadMaps
from viz.options import DrawOptions
from viz.shade import HIDDEN, Shade, shade_of

# What a truth score takes below its map, as a share of the head's square: on the map it would hide weights.
SCORE_ROOM = 0.17


@dataclass(frozen=True)
class GridView:
    """All heads as maps of block maxima, `block` queries and keys to a cell; `selected` is (layer, head) or None.
    `outlined` are all chosen heads.

    `mask` is True where a cell has a pair that may attend. Of the layers only the first `n_done` are known. `scores`
    are the heads' truth scores on this text, if the right answers are known.
    """

    maps: Float[np.ndarray, "layer head row column"]
    mask: Bool[np.ndarray, "layer head row column"]
    n_heads: tuple[int, ...]
    n_done: int
    n_query: int
    n_key: int
    block: tuple[int, int]
    selected: tuple[int, int] | None
    title: str
    att: Attention
    shade: Shade
    outlined: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()
    scores: Float[np.ndarray, "layer head"] | None = None

    @property
    def masked(self) -> Bool[np.ndarray, "layer head row column"]:
        """True for the cells that are masked, although their tokens are shown, of the heads that there are."""
        exists = np.arange(self.maps.shape[1]) < np.array(self.n_heads)[:, None]
        shown = np.maximum(self.shade.queries[:, None], self.shade.keys) != HIDDEN
        return ~self.mask & shown & exists[:, :, None, None]

    @property
    def key_groups(self) -> tuple[tuple[int, int, int], ...]:
        """(layer, first head, last head) of each group of several heads that share their keys."""
        found = []
        for layer in range(len(self.n_heads)):
            keys = self.att.key_heads(layer)
            if len(set(keys)) < len(keys):
                found += [(layer, keys.index(key), len(keys) - 1 - keys[::-1].index(key)) for key in sorted(set(keys))]
        return tuple(found)

    @property
    def score_room(self) -> float:
        """What the scores take below their maps, as a share of the head's square."""
        return 0 if self.scores is None else SCORE_ROOM

    @property
    def bad(self) -> Bool[np.ndarray, "layer head"]:
        """True for the heads that have a weight that is not a number; heads that a layer lacks do not count."""
        exists = np.arange(self.maps.shape[1]) < np.array(self.n_heads)[:, None]
        exists[self.n_done :] = False
        return (np.isnan(self.maps) & self.mask).any(axis=(2, 3)) & exists

    def each_head(self) -> Iterator[tuple[int, int]]:
        """Yield the layer and head of every map."""
        return ((layer, head) for layer, n_heads in enumerate(self.n_heads) for head in range(n_heads))


def grid_view(subject: Subject, selection: Selection, options: DrawOptions) -> GridView:
    """Return all heads' maps, with the one that is selected if a layer and a head are given.

    `subject.maps` are those that are known already, perhaps not all of them yet.

    Raises:
        BadSelection: no such layer or head, or one of the two alone.
    """
    att, maps, selected = subject.att, subject.maps, None
    check_both(selection.layer, selection.head)
    if selection.layer is not None and selection.head is not None:
        selected = (selection.layer, selection.head)
        att.weights(*selected, queries=slice(0, 1))
    outlined = selection.chosen.expand(att) or (() if selected is None else (selected,))
    if maps is None:
        maps = HeadMaps.empty(att).fill(att)
    title = f"All heads, {att.kind} attention"
    scores = truth_scores_of_text(att) if options.truth else None
    return GridView(
        maps.values,
        maps.mask,
        maps.n_heads,
        maps.n_done,
        att.n_query,
        att.n_key,
        maps.block,
        selected,
        title,
        att,
        shade_of(att, options).blocks(maps.block),
        outlined,
        subject.notes,
        scores,
    )


def check_both(layer: int | None, head: int | None) -> None:
    """Check that a layer and a head are given together, or neither.

    Raises:
        BadSelection: one of them is missing.
    """
    if (layer is None) != (head is None):
        raise BadSelection("A grid outlines one head: give a layer and a head, or neither.")
