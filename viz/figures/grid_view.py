"""The maps of all heads as data, the same for every renderer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from analysis.selection import Selection
from analysis.truth import truth_scores_of_text
from models import Attention
from models.errors import BadSelection
from viz import colours
from viz.figures.base import Subject
from viz.head_maps import HeadMaps
from viz.method_words import words_of
from viz.options import DrawOptions
from viz.shade import HIDDEN, Shade, shade_of

# What a truth score, and the name of a layer, take below their map, as a share of the head's square: on the map they
# would hide weights.
SCORE_ROOM, NAME_ROOM = 0.17, 0.24
# Maps of one head a layer stand in reading order, so many in a row.
LAYERS_IN_A_ROW = 6


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
    def is_list(self) -> bool:
        """Whether there is one map a layer: then these stand in reading order, each with its name below."""
        return len(self.n_heads) > 1 and set(self.n_heads) == {1}

    @property
    def shape(self) -> tuple[int, int]:
        """How many maps stand below and beside one another."""
        if not self.is_list:
            return self.maps.shape[0], self.maps.shape[1]
        across = min(LAYERS_IN_A_ROW, len(self.n_heads))
        return -(-len(self.n_heads) // across), across

    def place(self, layer: int, head: int) -> tuple[int, int]:
        """Return the row and the column in which a head's map stands."""
        return divmod(layer, self.shape[1]) if self.is_list else (layer, head)

    def below(self, layer: int, head: int) -> str:
        """Return what stands below a head's map: its truth score, the name of a layer that has one map, or both."""
        parts = [f"layer {layer}"] if self.is_list else []
        return ", ".join([*parts, *([] if self.scores is None else [f"{self.scores[layer, head]:.0%}"])])

    @property
    def room_below(self) -> float:
        """What stands below the maps takes this share of the head's square."""
        if self.is_list:
            return NAME_ROOM
        return 0 if self.scores is None else SCORE_ROOM

    @cached_property
    def top(self) -> float:
        """The weight at which the colours end: 1, unless a weight is above 1."""
        return colours.top_of(self.maps, self.mask)

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
    title = f"{words_of(att.method).everything}, {att.kind} attention"
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
        (*subject.notes, *colours.top_note(colours.top_of(maps.values, maps.mask))),
        scores,
    )


def check_both(layer: int | None, head: int | None) -> None:
    """Check that a layer and a head are given together, or neither.

    Raises:
        BadSelection: one of them is missing.
    """
    if (layer is None) != (head is None):
        raise BadSelection("A grid outlines one head: give a layer and a head, or neither.")
