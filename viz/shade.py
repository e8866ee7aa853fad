"""Which tokens are dimmed or hidden, and what a picture says of its view: the unit, and the shares of these tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from analysis.attention_shares import Shares, shares
from analysis.selection import Region, Selection
from models import Attention, Token
from viz.labels import notices_of
from viz.options import DrawOptions
from viz.views import view_of

# How a token is shown, by the same numbers as in the browser (viz/browser/instrument/shown.js).
SHOWN, DIMMED, HIDDEN = 0, 1, 2
# Shares of more weights than this are not stated: adding them up would take seconds.
MOST_WEIGHTS = 60_000_000
DECODER_NOTE = "A token's row is what the model reads there to predict the next token."


@dataclass(frozen=True)
class Shade:
    """How each token of both sides is shown: `SHOWN`, `DIMMED` or `HIDDEN`."""

    queries: UInt8[np.ndarray, " query"]
    keys: UInt8[np.ndarray, " key"]

    def side(self, name: str) -> UInt8[np.ndarray, " position"]:
        """Return how the tokens of a side ("query" or "key") are shown."""
        return self.queries if name == "query" else self.keys

    def within(self, region: Region) -> Shade:
        """Return how the tokens of a region are shown."""
        queries, keys = region.slices
        return Shade(self.queries[queries], self.keys[keys])

    def blocks(self, block: tuple[int, int]) -> Shade:
        """Return how blocks of tokens are shown: as the token of the block that is shown best."""
        return Shade(*(_least(side, size) for side, size in zip((self.queries, self.keys), block, strict=True)))

    def cells(self, level: int) -> Bool[np.ndarray, "query key"]:
        """Return the pairs with a token that is shown so, and none that is shown worse."""
        return np.maximum(self.queries[:, None], self.keys) == level

    def has(self, level: int) -> bool:
        """Return whether a token of either side is shown so."""
        return bool((self.queries == level).any() or (self.keys == level).any())

    @property
    def legend(self) -> list[str]:
        """What the looks of dimmed and hidden tokens stand for."""
        named = ((DIMMED, "faded: dimmed tokens"), (HIDDEN, "hatched: hidden tokens"))
        return [words for level, words in named if self.has(level)]


def _least(side: UInt8[np.ndarray, " position"], block: int) -> UInt8[np.ndarray, " block"]:
    return side if block == 1 else np.minimum.reduceat(side, np.arange(0, len(side), block))


def shade_of(att: Attention, options: DrawOptions) -> Shade:
    """Return how the tokens of a view are shown. The sink is the first token: in self-attention as a query too."""

    def side(tokens: tuple[Token, ...], hidden: frozenset[int], has_sink: bool) -> UInt8[np.ndarray, " position"]:
        levels = [DIMMED if options.special == "dim" and token.special else SHOWN for token in tokens]
        if has_sink and options.sink == "dim":
            levels[:1] = [DIMMED]
        return np.array([HIDDEN if at in hidden else level for at, level in enumerate(levels)], dtype=np.uint8)

    return Shade(
        side(att.query_tokens, att.hidden_queries, att.kind != "cross"), side(att.key_tokens, att.hidden_keys, True)
    )


def view_notes(att: Attention, selection: Selection, options: DrawOptions) -> tuple[str, ...]:
    """Return what a picture says of its view: what a reader must know of given weights, the unit, and the shares of
    the attention that treated tokens get.

    `att` and `selection` are those that `view_of` takes.

    Raises:
        BadSelection: no such layer, head or region.
    """
    notes = [*notices_of(att), *(["unit: words"] if selection.unit == "words" else [])]
    if options.special == options.sink == "show":
        return tuple(notes)
    plain = replace(options, special="show", sink="show")
    shown, within = view_of(att, selection, plain)
    gets_special = any(token.special for token in shown.key_tokens)
    hidden = view_of(att, selection, options)[0].hidden_queries
    found = _shares(shown, within, hidden)
    treated = [("special tokens", options.special, found.special)] if gets_special else []
    treated = [each for each in (*treated, ("first token", options.sink, found.first)) if each[1] != "show"]
    for name, treatment, share in treated:
        part = "" if np.isnan(share) else f"{100 * share:.1f}% of the attention, "
        notes.append(f"{name}: {part}{'dimmed' if treatment == 'dim' else 'hidden'}")
    if "hide" in [treatment for _, treatment, _ in treated]:
        notes[-1] += "; rows renormalised" if options.renormalise else "; rows not renormalised"
    return tuple(notes)


def view_facts(selection: Selection, options: DrawOptions) -> dict[str, Any]:
    """Return the view as provenance names it; `selection` is that of the whole attention."""
    treatment = {"special": options.special, "sink": options.sink, "renormalise": options.renormalise}
    return {"unit": selection.unit, "heads": str(selection.chosen), "combine": selection.combine, **treatment}


def _shares(att: Attention, selection: Selection, hidden: frozenset[int]) -> Shares:
    """Return what special tokens and the first token get, as the mean of heads; NaN where it is not known."""
    if selection.chosen:
        heads = selection.chosen.expand(att)
    else:
        layers = range(att.n_layers) if selection.layer is None else [selection.layer]
        heads = tuple((layer, head) for layer in layers for head in selection.heads or range(att.heads_in(layer)))
    if len(heads) * att.n_query * att.n_key > MOST_WEIGHTS:
        return Shares(np.nan, np.nan)
    found = [shares(att, layer, head, without=hidden) for layer, head in heads]
    return Shares(*np.mean(found, axis=0).tolist())
