"""The lines of one head as data, and in words: what the token graph shows in every renderer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from analysis.pairs import kept_mass, visible_pairs
from analysis.selection import Region, Selection, TokenRef
from models import Attention, Token
from viz import style
from viz.colours import MOST_HEADS, top_note, top_of
from viz.figures.base import Subject
from viz.labels import head_title, heads_title, isolate, label, tokens_in
from viz.method_words import MethodWords, words_of
from viz.options import DrawOptions
from viz.shade import DECODER_NOTE, Shade, shade_of


@dataclass(frozen=True)
class TokenGraphView:
    """The pairs of a region of one head at or above the threshold, weakest first.

    `query` and `key` are positions in the whole text, the tokens those of the region. `kept` is the share of all
    attention of the region's queries that the pairs have. `isolated` is the token whose lines alone are drawn, if any,
    and `kept_alone` the share that they have of the attention that it gives to all keys, or gets from the region's
    queries. These wholes are `given`, one for each query of the region, and `received`, one for each key. All are of
    one `head` of a `layer` of `att`, or sums over several heads, whose names are `heads` then; `number` has the place
    in it of each line's head. `shade` says which tokens of the region are dimmed or hidden, `says` what the view is,
    and `top` is the weight of the strongest look of a line: 1, unless a weight is above 1.
    """

    query: np.ndarray
    key: np.ndarray
    weight: np.ndarray
    kept: float
    kept_alone: float
    isolated: TokenRef | None
    region: Region
    is_whole: bool
    query_tokens: tuple[Token, ...]
    key_tokens: tuple[Token, ...]
    title: str
    notes: tuple[str, ...]
    given: Float[np.ndarray, " query"]
    received: Float[np.ndarray, " key"]
    att: Attention
    layer: int
    head: int
    shade: Shade
    number: Int[np.ndarray, " line"]
    heads: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    top: float = 1.0

    @property
    def words(self) -> MethodWords:
        """What is said of the lines."""
        return words_of(self.att.method)

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The pairs' ends as rows of the picture, whose first row is the region's first query and key."""
        return self.query - self.region.queries.start, self.key - self.region.keys.start

    def side(self, name: str) -> tuple[tuple[Token, ...], range]:
        """Return the tokens of a side ("query" or "key") and their positions."""
        queries = self.query_tokens, self.region.queries
        return queries if name == "query" else (self.key_tokens, self.region.keys)

    def isolate(self) -> TokenGraphView:
        """Return the view with the lines of the isolated token alone, if there is one."""
        if self.isolated is None:
            return self
        chosen = (self.query if self.isolated.side == "query" else self.key) == self.isolated.position
        return replace(
            self, query=self.query[chosen], key=self.key[chosen], weight=self.weight[chosen], number=self.number[chosen]
        )


def token_graph_view(subject: Subject, selection: Selection, options: DrawOptions) -> TokenGraphView:
    """Return the lines of one head or several, those of all tokens of the region, or of a readable part of it.

    Raises:
        BadSelection: no such layer, head, region, or token to isolate.
    """
    att = subject.att
    all_heads = selection.chosen.expand(att) or (selection.of_one_head(),)
    heads = all_heads[:MOST_HEADS]
    isolated, region = selection.token_in(att), readable_region(att, selection)
    drawn, given, received, kept = _lines(att, heads, region, options.threshold)
    query, key, weight, number = drawn
    alone, total = np.nan, float(given.sum())
    if isolated:
        first, wholes = (region.queries.start, given) if isolated.side == "query" else (region.keys.start, received)
        of_all = float(wholes[isolated.position - first])
        shown = weight[(query if isolated.side == "query" else key) == isolated.position]
        alone = float(shown.sum(dtype=np.float64)) / of_all if of_all else np.nan
    is_whole = region == Region.whole(att)
    notes = () if is_whole else (region.describe(),)
    title = head_title(att, *heads[0]) if len(all_heads) == 1 else heads_title(att, selection)
    if len(all_heads) > len(heads):
        notes = (*notes, f"the first {len(heads)} of {len(all_heads)} heads")
    names = tuple(f"{layer}.{head}" for layer, head in heads) if len(all_heads) > 1 else ()
    share = kept / total if total else np.nan
    return TokenGraphView(
        query,
        key,
        weight,
        share,
        alone,
        isolated,
        region,
        is_whole,
        *tokens_in(att, region),
        title,
        notes,
        given,
        received,
        att,
        *heads[0],
        shade_of(att, options).within(region),
        number,
        names,
        (*subject.notes, *top_note(top_of(weight)), *([DECODER_NOTE] if att.kind == "decoder" else [])),
        top_of(weight),
    )


def _lines(
    att: Attention, heads: tuple[tuple[int, int], ...], region: Region, threshold: float
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray, np.ndarray, float]:
    """Return (query, key, weight, number of the head) of all lines, weakest first, and sums over the heads.

    These are what each query gives, what each key of the region gets, and what the lines hold.
    """
    found, given, received, kept = [], np.zeros(len(region.queries)), np.zeros(len(region.keys)), 0.0
    for number, (layer, head) in enumerate(heads):
        rows = att.weights(layer, head, queries=region.slices[0])
        weights = rows[:, region.keys.start : region.keys.stop]
        query, key, weight = visible_pairs(weights, threshold)
        found.append((query, key, weight, np.full(len(query), number)))
        given += rows.sum(axis=1, dtype=np.float64)
        received += weights.sum(axis=0, dtype=np.float64)
        inside = float(weights.sum(dtype=np.float64))
        kept += kept_mass(weights, threshold) * inside if inside else 0.0
    query, key, weight, numbers = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(weight, kind="stable")  # what is not a number comes last
    starts = region.queries.start, region.keys.start
    drawn = query[order] + starts[0], key[order] + starts[1], weight[order], numbers[order]
    return drawn, given, received, kept


def readable_region(att: Attention, selection: Selection) -> Region:
    """Return the part of a head that a token graph shows: the selected region, or a readable part of it.

    Raises:
        BadSelection: no such region, or token to isolate.
    """
    return selection.region_in(att).readable_part(att, selection.token_in(att))


def describe(view: TokenGraphView, options: DrawOptions) -> str:
    """Return what is drawn and what the threshold hides, in words; pairs that are not a number have no share."""
    lines = ", ".join([*view.notes, style.LINES_FROM.format(threshold=_all_digits(options.threshold))])
    scale = style.BY_SCALE[options.scale]
    if view.isolated:
        return describe_token(view, lines) + scale
    if np.isnan(view.kept):
        said = style.SOME_BAD if np.isnan(view.given).any() else style.LINES_HOLD_NOTHING
        return said.format(lines=lines)
    whose = style.OF_PART if view.notes else style.OF_ALL
    return (
        style.LINES_HOLD.format(lines=lines, share=style.describe_share(view.kept), whose=whose, noun=view.words.noun)
        + scale
    )


def _all_digits(threshold: float) -> str:
    """Return a threshold with all its digits, and at least two: a rounded one would promise other lines."""
    return np.format_float_positional(float(f"{threshold:.6g}"), min_digits=2)


def describe_token(view: TokenGraphView, lines_drawn: str = style.LINES_SHOWN) -> str:
    """Return what the lines of the isolated token say; by default, the browser says the same."""
    assert view.isolated is not None
    side, position = view.isolated.side, view.isolated.position
    tokens, span = view.side(side)
    others, other_span = view.side("key" if side == "query" else "query")
    names = [isolate(label(token)) for token in others]
    lines = np.flatnonzero((view.query if side == "query" else view.key) == position)[::-1]
    ends = []
    for line in lines[: style.NAMED_ENDS]:
        end = int((view.key if side == "query" else view.query)[line])
        name = names[end - other_span.start]
        if names.count(name) > 1:
            name = style.REPEATED.format(token=name, position=end)
        if view.heads:
            name = f"{name} (head {view.heads[view.number[line]]})"
        ends.append(style.END.format(token=name, weight=_number(view.weight[line])))
    hidden, kept = len(lines) - style.NAMED_ENDS, view.kept_alone
    return style.TOKEN_SENTENCE.format(
        token=isolate(label(tokens[position - span.start])),
        position=position,
        locked="",
        verb=view.words.verbs[side],
        ends=", ".join(ends) or style.NOTHING,
        more=style.MORE.format(count=hidden) if hidden > 0 else "",
        lines=lines_drawn,
        share=style.UNKNOWN_SHARE
        if np.isnan(kept)
        else style.SHARES[side].format(share=style.describe_share(kept), noun=view.words.noun),
    )


def _number(weight: float) -> str:
    return style.BAD_WEIGHT if np.isnan(weight) else f"{weight:.{style.WEIGHT_DIGITS}f}"
