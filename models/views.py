"""Attentions made of an attention: words, hidden tokens, and several heads as one.

They are always applied in this order, whatever the order of the calls: `att.hide(first=True).words()` is
`att.words().hide(first=True)`, and hides the first word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool

from models.arguments import checked
from models.capture.replay import ALL, LayerLike
from models.combined import CombinedLayer
from models.derived import HiddenLayer, WordsLayer
from models.errors import BadSelection
from models.method_names import name_method, name_with_method
from models.patches import move_patches
from models.tensors import readonly
from models.tokens import Token
from models.words import Pieces, starts_of, words_of

if TYPE_CHECKING:
    from models.attention import Attention

COMBINATIONS = {"mean": "Mean", "maximum": "Maximum"}
# Annotations that hold whatever the words are; others are of positions.
_OF_NO_POSITION = ("sound", "head_numbers", "goal")
# How many views of an attention are kept: a page shows few of them at once, and each keeps its tokens.
MAX_VIEWS = 32


@dataclass(frozen=True)
class Recipe:
    """What a view changes: words, hidden tokens, then several heads as one (none: each head stays)."""

    words: bool = False
    special: bool = False
    first: bool = False
    renormalise: bool = False
    heads: tuple[tuple[int, int], ...] = ()
    how: str = ""
    name: str = ""


class Views:
    """The views of an attention, and what an attention knows of itself as a view.

    Views are kept: the same call returns the same attention. They are not copied or pickled with it.
    """

    kind: str
    query_tokens: tuple[Token, ...]
    key_tokens: tuple[Token, ...]
    method: str
    _layers: tuple[LayerLike, ...]

    def __init__(self) -> None:
        self._recipe = Recipe()
        self._origin: Attention | None = None
        self._pieces: tuple[Pieces, Pieces] | None = None
        self._hidden: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
        self._views: dict[Recipe, Attention] = {}
        self._views_lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_views", "_views_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _views={}, _views_lock=Lock())

    @checked
    def words(self) -> Attention:
        """Return the attention of words: columns of a word's pieces are added, rows averaged (Clark et al. 2019).

        Rows sum to what they summed to. A pair of words may attend if any pair of their pieces may. NaN stays NaN.
        """
        return self._view(replace(self._recipe, words=True))

    @checked
    def hide(self, *, special: bool = False, first: bool = False, renormalise: bool = False) -> Attention:
        """Return the attention with rows and columns of 0, and masked, for the hidden tokens, which keep their places.

        `special` hides the special tokens of both sides; `first` hides the first key and, unless queries are of another
        text, the first query. With `renormalise`, each row is divided by the sum of what is left, unless that is 0.
        """
        if not special and not first:
            return self._view(self._recipe)
        recipe = self._recipe
        special, first = recipe.special or special, recipe.first or first
        renormalise = recipe.renormalise or renormalise
        return self._view(replace(recipe, special=special, first=first, renormalise=renormalise))

    @checked
    def combine(self, heads: Sequence[tuple[int, int]], how: str, *, name: str = "") -> Attention:
        """Return an attention of one layer with one head: the "mean" or the "maximum" of heads `(layer, head)`.

        A pair is masked where none of the heads may attend. NaN stays NaN. `name` is what a title says, such as "Mean
        of layer 5".

        Raises:
            BadSelection: no heads, a head that does not exist, or another `how`.
        """
        if how not in COMBINATIONS:
            raise BadSelection(f"Heads are combined as {' or '.join(COMBINATIONS)}, not as {str(how)[:40]!r}.")
        chosen = tuple(sorted({(int(layer), int(head)) for layer, head in heads}))
        if not chosen:
            raise BadSelection("Give at least one head to combine, as (layer, head).")
        for layer, head in chosen:
            self._check(layer, head)
        plural = "" if len(chosen) == 1 else "s"
        name = name or f"{COMBINATIONS[how]} of {len(chosen)} head{plural}"
        if self._recipe.heads:  # it has one head already
            return self._view(replace(self._recipe, name=name))
        return self._view(replace(self._recipe, heads=chosen, how=how, name=name))

    @property
    def is_view(self) -> bool:
        """Whether this is a view of words, hidden tokens or combined heads."""
        return self._origin is not None

    @property
    def pieces(self) -> tuple[Pieces, Pieces]:
        """The positions of the pieces of each word, of queries and of keys; of an attention of pieces, each alone."""
        if self._pieces is not None:
            return self._pieces
        queries, keys = (tuple((at,) for at in range(len(side))) for side in (self.query_tokens, self.key_tokens))
        return queries, keys

    @property
    def hidden_queries(self) -> frozenset[int]:
        """The positions of queries that are hidden."""
        return self._hidden[0]

    @property
    def hidden_keys(self) -> frozenset[int]:
        """The positions of keys that are hidden."""
        return self._hidden[1]

    @checked
    def head_name(self, layer: int, head: int) -> str:
        """Return what a title says of a head: "Layer 2, head 5", or the name of a combination, with the method.

        Raises:
            BadSelection: no such layer or head.
        """
        layer, head = self.head_number(layer, head)
        if self._recipe.name:
            return name_with_method(self.method, self._recipe.name)
        return name_method(self.method).head.format(layer=layer, head=head)

    @checked
    def head_number(self, layer: int, head: int) -> tuple[int, int]:
        """Return the layer and the number that a head has in its model: a file may hold some of the model's heads.

        Raises:
            BadSelection: no such layer or head.
        """
        self._check(layer, head)
        numbers = self.annotations.get("head_numbers")
        return numbers[layer][head] if numbers else (layer, head)

    @checked
    def key_heads(self, layer: int) -> tuple[int, ...]:
        """Return for each head of a layer the number of the key head that it shares: 0, 0, 0, 1, 1, 1.

        Without grouped queries, or where the keys are not known, each head has its own.

        Raises:
            BadSelection: no such layer.
        """
        found = self._layer(layer)
        group = found.shape[0] // found.n_key_heads
        return tuple(head // group for head in range(found.shape[0]))

    @checked
    def derived(self, layers: Sequence[LayerLike], method: str, notices: Sequence[str]) -> Attention:
        """Return the map that a method of analysis/maps makes of this attention: `layers` for the same tokens."""
        same_heads = [layer.shape[0] for layer in layers] == [layer.shape[0] for layer in self._layers]
        kept = {name: each for name, each in self.annotations.items() if same_heads or name != "head_numbers"}
        return self._copy(layers=layers, method=method, annotations=kept, notices=tuple(notices))

    @checked
    def annotated(self, **known: Any) -> Attention:
        """Return the same attention, of which more is known (`annotations`)."""
        return self._copy(annotations={**self.annotations, **known})

    @property
    def layers(self) -> tuple[LayerLike, ...]:
        """What the weights of each layer are computed from; shared, so do not change them."""
        return self._layers

    @checked
    def layer_mask(self, layer: int, queries: slice = ALL) -> Bool[np.ndarray, "head_or_1 query key"] | None:
        """Return the masks of a layer's heads, one for all of them if it is the same; None if nothing is masked.

        Raises:
            BadSelection: no such layer.
        """
        allowed = self._layer(layer).allowed(ALL, queries)
        return None if allowed is None else readonly(allowed)

    def _view(self, recipe: Recipe) -> Attention:
        if recipe == self._recipe:
            return self  # type: ignore[return-value]
        with self._views_lock:
            if recipe not in self._views:
                self._views[recipe] = make_view(self._captured(), recipe)
                while len(self._views) > MAX_VIEWS:
                    del self._views[next(iter(self._views))]
            return self._views[recipe]

    def _captured(self) -> Attention:
        """Return the captured attention without its views: a view that kept these would keep itself."""
        return self._origin or self._copy()

    @property
    def annotations(self) -> Mapping[str, Any]:
        """What is known of this attention besides, by name."""
        raise NotImplementedError

    def _copy(self, **changes: Any) -> Attention:
        raise NotImplementedError

    def _layer(self, layer: int) -> LayerLike:
        raise NotImplementedError

    def _check(self, layer: int, head: int) -> None:
        raise NotImplementedError


def make_view(att: Attention, recipe: Recipe) -> Attention:
    """Return the view of a captured attention that a recipe describes."""
    layers: Sequence[LayerLike] = att._layers
    tokens, pieces, stays = (att.query_tokens, att.key_tokens), None, True
    if recipe.words:
        queries, query_pieces = words_of(att, "query")
        same = att.key_tokens == att.query_tokens and att.kind != "cross"
        keys, key_pieces = (queries, query_pieces) if same else words_of(att, "key")
        stays = (len(queries), len(keys)) == (att.n_query, att.n_key)
        tokens, pieces = (queries, keys), (query_pieces, key_pieces)
        if not stays:
            starts = [np.array(starts_of(each)) for each in (query_pieces, key_pieces)]
            layers = [WordsLayer(layer, *starts) for layer in layers]
    hidden = (frozenset[int](), frozenset[int]())
    if recipe.special or recipe.first:
        of_queries = _hidden(tokens[0], recipe.special, recipe.first and att.kind != "cross")
        of_keys = _hidden(tokens[1], recipe.special, recipe.first)
        hidden = _positions(of_queries), _positions(of_keys)
        layers = [HiddenLayer(layer, of_queries, of_keys, recipe.renormalise) for layer in layers]
    if recipe.heads:
        layers = [CombinedLayer(tuple(layers), recipe.heads, recipe.how == "maximum")]
    view = att._copy(
        layers=layers,
        query_tokens=tokens[0],
        key_tokens=tokens[1],
        key_patches=att.key_patches if pieces is None else move_patches(att.key_patches, pieces[1]),
        annotations={
            name: value
            for name, value in att.annotations.items()
            if (stays or name in _OF_NO_POSITION) and not (recipe.heads and name == "head_numbers")
        },
    )
    view._recipe, view._origin, view._pieces, view._hidden = recipe, att, pieces, hidden
    return view


def _hidden(tokens: tuple[Token, ...], special: bool, first: bool) -> Bool[np.ndarray, " position"]:
    hidden = np.array([special and token.special for token in tokens], np.bool_)
    hidden[:1] |= first
    return hidden


def _positions(hidden: Bool[np.ndarray, " position"]) -> frozenset[int]:
    return frozenset(map(int, np.flatnonzero(hidden)))
