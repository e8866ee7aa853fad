"""What is shown of an attention: kind, layer, heads, a token and a region; parsed once, fitted to a text once."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from analysis.head_set import NO_HEADS, HeadSet
from analysis.head_set import Heads as Heads
from models import Attention
from models.errors import BadSelection
from models.patches import text_start

# More cells on a side could not be distinguished in half a page, and would take long to send.
READABLE = 128
SIDES = ("query", "key")
UNITS = ("pieces", "words")
# Several heads over one another in the token graph, or as one map.
COMBINE = ("overlay", "mean", "maximum")
# The characters of a list of heads that a sentence quotes.
MAX_NOTICE = 40
_TOKEN = re.compile(r"(query|key):([0-9]{1,5})")
_REGION = re.compile(r"([0-9]{1,7})-([0-9]{1,7}):([0-9]{1,7})-([0-9]{1,7})")


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

    @classmethod
    def of_texts(cls, att: Attention, query_text: int, key_text: int) -> Region:
        """Return the queries of one text of a pair and the keys of one: 0 is the first text, 1 the second.

        A special token belongs to the text before it.

        Raises:
            BadSelection: there is no pair of texts, or its tokens are not two runs.
        """
        runs = []
        for tokens, text in ((att.query_tokens, query_text), (att.key_tokens, key_text)):
            segments = [token.segment for token in tokens]
            if set(segments) != {0, 1} or segments != sorted(segments):
                raise BadSelection("There is one text here: give a second one to choose between the two.")
            if text not in (0, 1):
                raise BadSelection(f"A pair has texts 0 and 1: there is no text {str(text)[:20]}.")
            second = segments.index(1)
            runs.append(range(second) if text == 0 else range(second, len(segments)))
        return cls(*runs)

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

        In a long region with a picture, the part of a token after the picture, or of none, begins after the picture.
        In self-attention both sides move to the token, because neighbours attend to each other.
        """
        sides, text = [], text_start(att.key_patches, att.n_key)
        for side, span in zip(SIDES, (self.queries, self.keys), strict=True):
            here = focus if focus and (att.kind != "cross" or focus.side == side) else None
            has_picture = len(span) > READABLE and text in span and att.kind != "cross"
            start = text if has_picture and (here is None or here.position >= text) else span.start
            if here:
                start = max(start, min(here.position - READABLE // 2, span.stop - READABLE))
            sides.append(range(start, min(start + READABLE, span.stop)))
        return Region(*sides)


@dataclass(frozen=True)
class Selection:
    """What is shown of an attention.

    `layer` is None for all layers, `heads` empty for all heads of the layer. `token` is the one whose lines alone are
    drawn, None for all; with a `partner` on the other side, it is the pair that the instrument locks. `region` is the
    part of each head that is shown, None for the whole. `kind` is "encoder", "decoder" or "cross", empty for the first
    kind that the model has.

    `unit` is "pieces" or "words": positions are those of the unit. `chosen` are several heads, empty for the one head;
    `combine` is how they are shown: "overlay" of their lines in the token graph, or their "mean" or "maximum".
    """

    layer: int | None = None
    heads: tuple[int, ...] = ()
    token: TokenRef | None = None
    region: Region | None = None
    kind: str = ""
    unit: str = "pieces"
    chosen: HeadSet = NO_HEADS
    combine: str = "overlay"
    partner: TokenRef | None = None

    @classmethod
    def parse(
        cls,
        layer: int | None = None,
        head: int | None = None,
        *,
        token: TokenRef | str | None = None,
        region: Region | str | None = None,
        kind: str = "",
        heads: HeadSet | str | None = None,
        unit: str = "pieces",
        combine: str = "overlay",
        partner: TokenRef | str | None = None,
    ) -> Selection:
        """Return the selection of one head (or of all), with tokens, region and heads given as written in links.

        Raises:
            BadSelection: one of them is written differently, or the unit or the combination is another one.
        """
        if unit not in UNITS:
            raise BadSelection(f"The unit is {' or '.join(UNITS)}, not {str(unit)[:40]!r}.")
        if combine not in COMBINE:
            raise BadSelection(f"Several heads are shown as overlay, mean or maximum, not {str(combine)[:40]!r}.")
        return cls(
            layer,
            () if head is None else (head,),
            TokenRef.parse(token) if isinstance(token, str) and token else token or None,
            Region.parse(region) if isinstance(region, str) and region else region or None,
            kind,
            unit,
            HeadSet.parse(heads) if isinstance(heads, str) else heads or NO_HEADS,
            combine,
            TokenRef.parse(partner) if isinstance(partner, str) and partner else partner or None,
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
        counted = att.words() if self.unit == "words" else att  # positions are those of the unit
        whole = Region.whole(counted)
        if self.region is not None:
            kept = self.region.clamp(counted)
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
        if self.partner is not None and (fitted.token is None or self.partner not in (fitted.region or whole)):
            fitted = replace(fitted, partner=None)
        chosen = self.chosen.clamp(att)
        if chosen != self.chosen:
            fitted = replace(fitted, chosen=chosen)
            shown = f"only {chosen.describe(att)}" if chosen else f"layer {layer}, head {head}"
            asked = str(self.chosen) if len(str(self.chosen)) <= MAX_NOTICE else f"{str(self.chosen)[:MAX_NOTICE]}..."
            notices.append(f"Not all of the heads {asked} are here: {shown} can be shown.")
        if (self.layer, self.head) not in ((layer, head), (None, None)):
            notices.append(
                f"There is no layer {self.layer}, head {self.head} here: layer {layer}, head {head} is shown instead."
            )
        return fitted, tuple(notices)


def nearest_head(heads: Heads, layer: int, head: int) -> tuple[int, int]:
    """Return the nearest layer and head that there are."""
    layer = min(layer, heads.n_layers - 1)
    return layer, min(head, heads.heads_in(layer) - 1)
