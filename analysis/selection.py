"""What is shown of an attention: kind, layer, heads, a token and a region; parsed once, fitted to a text once."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Protocol

from models import Attention
from models.errors import BadSelection

# More cells on a side could not be distinguished in half a page, and would take long to send.
READABLE = 128
SIDES = ("query", "key")
_TOKEN = re.compile(r"(query|key):([0-9]{1,5})")
_REGION = re.compile(r"([0-9]{1,7})-([0-9]{1,7}):([0-9]{1,7})-([0-9]{1,7})")


class Heads(Protocol):
    """What has layers and heads: an `Attention`, or the sizes of a model that has not read a text yet."""

    @property
    def n_layers(self) -> int:
        """How many layers there are."""

    def heads_in(self, layer: int) -> int:
        """Return the number of heads of a layer."""


@dataclass(frozen=True)
class TokenRef:
    """One token of a head: `side` is "query" or "key", `position` counts from 0; written "query:8" or "key:2"."""

    side: str
    position: int

    def __str__(self) -> str:
        return f"{self.side}:{self.position}"

    @classmethod
    def parse(cls, text: str) -> TokenRef:
        """Return the token that is written as "query:8".

        Raises:
            BadSelection: it is written differently.
        """
        found = _TOKEN.fullmatch(text)
        if found is None:
            raise BadSelection(f"A token to isolate is given as query:8 or key:2, not {text[:40]!r}.")
        return cls(found[1], int(found[2]))


@dataclass(frozen=True)
class Region:
    """The positions `queries` and `keys`, both without gaps; written "0-63:128-191", last positions included."""

    queries: range
    keys: range

    def __str__(self) -> str:
        return ":".join(f"{span.start}-{span.stop - 1}" for span in (self.queries, self.keys))

    def __contains__(self, token: TokenRef) -> bool:
        return token.position in (self.queries if token.side == "query" else self.keys)

    @classmethod
    def parse(cls, text: str) -> Region:
        """Return the region that is written as "0-63:128-191".

        Raises:
            BadSelection: it is written differently, or a side ends before it starts.
        """
        found = _REGION.fullmatch(text)
        numbers = [int(number) for number in found.groups()] if found else [0, -1, 0, -1]
        if numbers[0] > numbers[1] or numbers[2] > numbers[3]:
            raise BadSelection(
                f"A region is given by the first and last queries and keys, as 0-63:128-191, not {text[:40]!r}."
            )
        return cls(range(numbers[0], numbers[1] + 1), range(numbers[2], numbers[3] + 1))

    @classmethod
    def whole(cls, att: Attention) -> Region:
        """Return the region that is the whole head."""
        return cls(range(att.n_query), range(att.n_key))

    @property
    def block(self) -> tuple[int, int]:
        """How many queries and keys share a cell, so that a side has at most `READABLE` cells."""
        return -(-len(self.queries) // READABLE), -(-len(self.keys) // READABLE)

    @property
    def exact(self) -> bool:
        """Whether every pair has its own cell."""
        return self.block == (1, 1)

    @property
    def slices(self) -> tuple[slice, slice]:
        """The queries and the keys as `Attention.weights` takes them."""
        return slice(self.queries.start, self.queries.stop), slice(self.keys.start, self.keys.stop)

    def describe(self) -> str:
        """Return the region in words: `queries 0 to 63, keys 128 to 191`."""
        sides = (("queries", self.queries), ("keys", self.keys))
        return ", ".join(f"{side} {span.start:,} to {span.stop - 1:,}" for side, span in sides)

    def clamp(self, att: Attention) -> Region | None:
        """Return the part of the region that this text has, None if it has no position of it."""
        queries = range(self.queries.start, min(self.queries.stop, att.n_query))
        keys = range(self.keys.start, min(self.keys.stop, att.n_key))
        return Region(queries, keys) if queries and keys else None

    def readable_part(self, att: Attention, focus: TokenRef | None) -> Region:
        """Return at most `READABLE` queries and keys of the region: its beginning, or those around the token `focus`.

        In self-attention both sides move to the token, because neighbours attend to each other.
        """
        sides = []
        for side, span in zip(SIDES, (self.queries, self.keys), strict=True):
            start = span.start
            if focus and (att.kind != "cross" or focus.side == side):
                start = max(span.start, min(focus.position - READABLE // 2, span.stop - READABLE))
            sides.append(range(start, min(start + READABLE, span.stop)))
        return Region(*sides)


@dataclass(frozen=True)
class Selection:
    """What is shown of an attention.

    `layer` is None for all layers, `heads` empty for all heads of the layer. `token` is the one whose lines alone are
    drawn, None for all. `region` is the part of each head that is shown, None for the whole. `kind` is "encoder",
    "decoder" or "cross", empty for the first kind that the model has.
    """

    layer: int | None = None
    heads: tuple[int, ...] = ()
    token: TokenRef | None = None
    region: Region | None = None
    kind: str = ""

    @classmethod
    def parse(
        cls,
        layer: int | None = None,
        head: int | None = None,
        *,
        token: TokenRef | str | None = None,
        region: Region | str | None = None,
        kind: str = "",
    ) -> Selection:
        """Return the selection of one head (or of all), with the token and the region given as written in links.

        Raises:
            BadSelection: the token or the region is written differently.
        """
        return cls(
            layer,
            () if head is None else (head,),
            TokenRef.parse(token) if isinstance(token, str) and token else token or None,
            Region.parse(region) if isinstance(region, str) and region else region or None,
            kind,
        )

    @property
    def head(self) -> int | None:
        """The one head, None where all heads are selected."""
        return self.heads[0] if self.heads else None

    def of_one_head(self) -> tuple[int, int]:
        """Return the layer and the head.

        Raises:
            BadSelection: the selection does not name exactly one head.
        """
        if self.layer is None or len(self.heads) != 1:
            raise BadSelection("This figure shows one head: give a layer and a head.")
        return self.layer, self.heads[0]

    def of_all_heads(self) -> Selection:
        """Return the same token and region of all heads of all layers."""
        return replace(self, layer=None, heads=())

    def region_in(self, att: Attention) -> Region:
        """Return the selected region of this text, the whole head if none is selected.

        Raises:
            BadSelection: this text has no such positions.
        """
        whole = Region.whole(att)
        if self.region is None:
            return whole
        if self.region.clamp(att) != self.region:
            raise BadSelection(f"There is no region of {self.region.describe()}: this text has {whole.describe()}.")
        return self.region

    def token_in(self, att: Attention) -> TokenRef | None:
        """Return the selected token, None if none is selected.

        Raises:
            BadSelection: this text has no such token, or the region does not contain it.
        """
        if self.token is None:
            return None
        side, count = self.token.side, att.n_query if self.token.side == "query" else att.n_key
        if self.token.position >= count:
            raise BadSelection(
                f"There is no {side} {self.token.position} to isolate: this text has {side} tokens 0 to {count - 1}."
            )
        region = self.region_in(att)
        if self.token not in region:
            raise BadSelection(
                f"The {side} {self.token.position} to isolate is outside the region of {region.describe()}."
            )
        return self.token

    def fit(self, att: Attention) -> tuple[Selection, tuple[str, ...]]:
        """Return the nearest selection that this text has, and one sentence for each part that had to change."""
        layer, head = nearest_head(att, self.layer or 0, self.head or 0)
        fitted, notices = replace(self, layer=layer, heads=(head,), kind=att.kind), []
        whole = Region.whole(att)
        if self.region is not None:
            kept = self.region.clamp(att)
            fitted = replace(fitted, region=None if kept == whole else kept)
            if kept != self.region:
                shown = (kept or whole).describe()
                notices.append(f"There is no region of {self.region.describe()} here: {shown} are shown instead.")
        if self.token is not None and self.token not in (fitted.region or whole):
            fitted = replace(fitted, token=None)
            notices.append(
                f"The token {self.token} is outside the region: the token graph shows all of the region's tokens."
                if self.token in whole
                else f"There is no token {self.token} here: the token graph shows all tokens."
            )
        if (self.layer, self.head) not in ((layer, head), (None, None)):
            notices.append(
                f"There is no layer {self.layer}, head {self.head} here: layer {layer}, head {head} is shown instead."
            )
        return fitted, tuple(notices)


def nearest_head(heads: Heads, layer: int, head: int) -> tuple[int, int]:
    """Return the nearest layer and head that there are."""
    layer = min(layer, heads.n_layers - 1)
    return layer, min(head, heads.heads_in(layer) - 1)
