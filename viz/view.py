"""What is shown, apart from how it is drawn: the selection, the look, and the tidy data of each picture."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from analysis import kept_mass, visible_pairs
from analysis.selection import Region, block_maxima, parsed, region_of, whole, window
from analysis.truth import truth_of
from models import Attention, Token
from models.errors import BadSelection
from models.tokens import JOINER
from viz.colours import CONTRASTS, PALETTES

LABEL_LENGTH = 24
# An invisible character of the direction in which Hebrew and Arabic run.
RIGHT_TO_LEFT = "\u200f"
TOKEN = re.compile(r"(query|key):[0-9]{1,5}")
# Below this a label could not be read: at most so many tokens get one, evenly spaced.
MOST_LABELS = 32


# What XML forbids, and the noncharacters that lie at the end of every plane.
_PLANE_ENDS = "".join(map(chr, (plane << 16 | end for plane in range(17) for end in (0xFFFE, 0xFFFF))))
_UNWRITABLE = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_PLANE_ENDS}]")


@dataclass(frozen=True)
class Look:
    """How a picture is drawn, the same on the page and in every export.

    `threshold` is the smallest weight that the flow draws, 0 to 1; `palette` one of `PALETTES`; `contrast` "linear"
    or "root" (colour follows the square root of the weight, which shows weak attention). `token` is the one whose
    lines the flow isolates, "query:8" or "key:2", empty for all. `region` is the window of a head that is shown,
    "0-63:128-191" (first and last queries, then keys), empty for the whole. `truth` outlines where the right answer
    stands and tells each head's truth score, for models that were trained on a task that says so.
    """

    threshold: float = 0.05
    palette: str = "blues"
    contrast: str = "linear"
    token: str = ""
    region: str = ""
    truth: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise BadSelection(f"A threshold is a weight from 0 to 1, not {self.threshold}.")
        for value, known, name in ((self.palette, PALETTES, "palette"), (self.contrast, tuple(CONTRASTS), "contrast")):
            if value not in known:
                raise BadSelection(f"There is no {name} {str(value)[:40]!r}: choose one of {', '.join(known)}.")
        if self.token and not TOKEN.fullmatch(self.token):
            raise BadSelection(f"A token to isolate is given as query:8 or key:2, not {self.token[:40]!r}.")
        if self.region:
            parsed(self.region)


@dataclass(frozen=True)
class HeadView:
    """A region of one head as cells: exact weights, or the largest of each block of pairs where it is long.

    `mask` is True where a cell has a pair that may attend; the tokens are those of the region. `truth` is True where
    the right answer stands, if a task says so and each cell is one pair.
    """

    weights: Float[np.ndarray, "row column"]
    mask: Bool[np.ndarray, "row column"]
    region: Region
    query_tokens: tuple[Token, ...]
    key_tokens: tuple[Token, ...]
    title: str
    notes: tuple[str, ...]
    truth: Bool[np.ndarray, "row column"] | None = None


@dataclass(frozen=True)
class FlowView:
    """The pairs of a region of one head at or above the threshold, weakest first.

    `query` and `key` are positions in the whole text, the tokens those of the region. `kept` is the share that the
    pairs hold of all attention of the region's queries. `isolated` is the side ("query" or "key") and the position
    of the token whose lines alone are drawn, if any, and `kept_alone` the share that they hold of the attention that
    it gives to all keys, or gets from the region's queries.
    """

    query: np.ndarray
    key: np.ndarray
    weight: np.ndarray
    kept: float
    kept_alone: float
    isolated: tuple[str, int] | None
    region: Region
    query_tokens: tuple[Token, ...]
    key_tokens: tuple[Token, ...]
    title: str
    notes: tuple[str, ...]

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The pairs' ends as rows of the picture, whose first row is the region's first query and key."""
        return self.query - self.region.queries.start, self.key - self.region.keys.start


def head_view(att: Attention, layer: int, head: int, look: Look) -> HeadView:
    """Return one head's data, or that of the region that the look names.

    Raises:
        BadSelection: no such layer, head or region.
    """
    region = region_of(att, look.region)
    weights, mask = block_maxima(att, layer, head, region)
    notes = _notes(att, region)
    if not region.exact:
        notes += (f"each cell is the largest weight of {region.block[0]} x {region.block[1]} pairs",)
    truth = truth_in(att, region) if look.truth else None
    if truth is not None:
        notes += ("outlined: where the right answer stands",)
    return HeadView(weights, mask, region, *tokens_in(att, region), head_title(att, layer, head), notes, truth)


def truth_in(att: Attention, region: Region) -> Bool[np.ndarray, "row column"] | None:
    """Return where the right answers of a region stand, None where nothing is known or a cell is a block of pairs."""
    truth = truth_of(att)
    if truth is None or not region.exact:
        return None
    found = truth.mask[region.queries.start : region.queries.stop, region.keys.start : region.keys.stop]
    return found if found.any() else None


def flow_view(att: Attention, layer: int, head: int, look: Look) -> FlowView:
    """Return one head's lines, those of all tokens of the region, or of a readable part where it is long.

    Raises:
        BadSelection: no such layer, head, region, or token to isolate.
    """
    isolated, region = token_of(att, look), flow_region(att, look)
    rows = att.weights(layer, head, queries=slice(region.queries.start, region.queries.stop))
    weights = rows[:, region.keys.start : region.keys.stop]
    query, key, weight = visible_pairs(weights, look.threshold)
    total = float(rows.sum(dtype=np.float64))
    kept = kept_mass(weights, look.threshold) * float(weights.sum(dtype=np.float64)) / total if total else np.nan
    query, key = query + region.queries.start, key + region.keys.start
    alone = np.nan
    if isolated:
        side, position = isolated
        every = rows[position - region.queries.start] if side == "query" else rows[:, position]
        of_all = float(every.sum(dtype=np.float64))
        shown = weight[(query if side == "query" else key) == position]
        alone = float(shown.sum(dtype=np.float64)) / of_all if of_all else np.nan
    title, notes = head_title(att, layer, head), _notes(att, region)
    return FlowView(query, key, weight, kept, alone, isolated, region, *tokens_in(att, region), title, notes)


def flow_region(att: Attention, look: Look) -> Region:
    """Return the part of a head that a flow shows: the look's region, or what can be read of it.

    Raises:
        BadSelection: no such region, or token to isolate.
    """
    return window(att, region_of(att, look.region), token_of(att, look))


def _notes(att: Attention, region: Region) -> tuple[str, ...]:
    return (region.named(),) if region != whole(att) else ()


def tokens_in(att: Attention, region: Region) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
    """Return the query tokens and the key tokens of a region."""
    sides = ((att.query_tokens, region.queries), (att.key_tokens, region.keys))
    queries, keys = (tokens[span.start : span.stop] for tokens, span in sides)
    return queries, keys


def boundaries(tokens: tuple[Token, ...]) -> list[int]:
    """Return the places before which a line is drawn: another text of a pair, or the model's own words, begin there."""
    parts = [(token.segment, token.generated) for token in tokens]
    return [place for place in range(1, len(parts)) if parts[place] != parts[place - 1]]


def token_of(att: Attention, look: Look) -> tuple[str, int] | None:
    """Return the side ("query" or "key") and the position of the token that the look isolates, if any.

    Raises:
        BadSelection: this text has no such token, or it lies outside the look's region.
    """
    if not look.token:
        return None
    side, number = look.token.split(":")
    position, count = int(number), att.n_query if side == "query" else att.n_key
    if position >= count:
        raise BadSelection(f"There is no {side} {position} to isolate: this text has {side} tokens 0 to {count - 1}.")
    region = region_of(att, look.region)
    if position not in (region.queries if side == "query" else region.keys):
        raise BadSelection(f"The {side} {position} to isolate lies outside the region of {region.named()}.")
    return side, position


def isolate(view: FlowView) -> FlowView:
    """Return the view with the lines of the isolated token alone, if there is one."""
    if view.isolated is None:
        return view
    side, position = view.isolated
    chosen = (view.query if side == "query" else view.key) == position
    return replace(view, query=view.query[chosen], key=view.key[chosen], weight=view.weight[chosen])


def head_title(att: Attention, layer: int, head: int) -> str:
    """Return what a picture of one head is called."""
    return f"Layer {layer}, head {head}, {att.kind} attention"


def label(token: Token) -> str:
    """Return a token's display form, cut where it would leave no room for the picture.

    Characters that no file format can hold (controls, noncharacters, lone surrogates) become ⟨U+FFFF⟩. The joiner of
    a piece that runs from right to left stands on the side where its word goes on, right of `·ל`, in every renderer.
    """
    shown = _UNWRITABLE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", token.display.strip() or token.display)
    shown = shown if len(shown) <= LABEL_LENGTH else shown[: LABEL_LENGTH - 1] + "…"
    if not runs_left(shown):
        return shown
    # Renderers whose lines run to the right (SVG, HTML, canvas) would put a joiner at an end by that.
    before, after = (RIGHT_TO_LEFT if end == JOINER else "" for end in (shown[0], shown[-1]))
    return before + shown + after


def place_of(position: int, block: int) -> str:
    """Return what follows a token's label where a cell is a block: its place, so that it stands for itself alone."""
    return "" if block == 1 else f" ({position})"


def runs_left(text: str) -> bool:
    """Return whether the first letter of a text belongs to a script that runs from right to left."""
    strong = (unicodedata.bidirectional(character) for character in text)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


def label_positions(n_tokens: int, most: int = MOST_LABELS) -> range:
    """Return the positions that get a label: all of them, or evenly spaced ones."""
    return range(0, n_tokens, -(-n_tokens // most))


def columns(text: str) -> int:
    """Return the width of a text in columns; East Asian characters and emoji take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
