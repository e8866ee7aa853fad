"""What is shown, apart from how it is drawn: the selection, the look, and the tidy data of each picture."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from analysis import kept_mass, visible_pairs
from models import Attention, Token
from models.errors import BadSelection
from viz.colours import CONTRASTS, PALETTES

LABEL_LENGTH = 24
TOKEN = re.compile(r"(query|key):[0-9]{1,5}")
THUMBNAIL = 48
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
    lines the flow isolates, "query:8" or "key:2", empty for all.
    """

    threshold: float = 0.05
    palette: str = "blues"
    contrast: str = "linear"
    token: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise BadSelection(f"A threshold is a weight from 0 to 1, not {self.threshold}.")
        for value, known, name in ((self.palette, PALETTES, "palette"), (self.contrast, tuple(CONTRASTS), "contrast")):
            if value not in known:
                raise BadSelection(f"There is no {name} {str(value)[:40]!r}: choose one of {', '.join(known)}.")
        if self.token and not TOKEN.fullmatch(self.token):
            raise BadSelection(f"A token to isolate is given as query:8 or key:2, not {self.token[:40]!r}.")


@dataclass(frozen=True)
class HeadView:
    """One head: exact weights, what it may attend to, and the tokens of both sides."""

    weights: Float[np.ndarray, "query key"]
    mask: Bool[np.ndarray, "query key"]
    query_tokens: tuple[Token, ...]
    key_tokens: tuple[Token, ...]
    title: str


@dataclass(frozen=True)
class FlowView:
    """The pairs of one head at or above the threshold, weakest first, and the share of mass that they hold.

    `isolated` is the side ("query" or "key") and the position of the token whose lines alone are drawn, if any.
    """

    query: np.ndarray
    key: np.ndarray
    weight: np.ndarray
    kept: float
    isolated: tuple[str, int] | None
    query_tokens: tuple[Token, ...]
    key_tokens: tuple[Token, ...]
    title: str


@dataclass(frozen=True)
class GridView:
    """All heads as maps of at most `THUMBNAIL` x `THUMBNAIL` block maxima; `selected` is (layer, head) or None."""

    maps: Float[np.ndarray, "layer head row column"]
    n_heads: tuple[int, ...]
    n_query: int
    n_key: int
    selected: tuple[int, int] | None
    title: str


def head_view(att: Attention, layer: int, head: int) -> HeadView:
    """Return one head's data.

    Raises:
        BadSelection: no such layer or head.
    """
    weights = att.weights(layer, head)
    return HeadView(weights, att.mask(layer, head), att.query_tokens, att.key_tokens, head_title(att, layer, head))


def flow_view(att: Attention, layer: int, head: int, look: Look) -> FlowView:
    """Return one head's lines, those of all tokens.

    Raises:
        BadSelection: no such layer, head, or token to isolate.
    """
    weights = att.weights(layer, head)
    lines = visible_pairs(weights, look.threshold)
    kept = kept_mass(weights, look.threshold)
    isolated = _token_of(att, look)
    return FlowView(*lines, kept, isolated, att.query_tokens, att.key_tokens, head_title(att, layer, head))


def _token_of(att: Attention, look: Look) -> tuple[str, int] | None:
    if not look.token:
        return None
    side, number = look.token.split(":")
    position, count = int(number), att.n_query if side == "query" else att.n_key
    if position >= count:
        raise BadSelection(f"There is no {side} {position} to isolate: this text has {side} tokens 0 to {count - 1}.")
    return side, position


def isolate(view: FlowView) -> FlowView:
    """Return the view with the lines of the isolated token alone, if there is one."""
    if view.isolated is None:
        return view
    side, position = view.isolated
    chosen = (view.query if side == "query" else view.key) == position
    return replace(view, query=view.query[chosen], key=view.key[chosen], weight=view.weight[chosen])


def grid_view(att: Attention, layer: int | None = None, head: int | None = None) -> GridView:
    """Return all heads' maps, with the one that is selected if a layer and a head are given.

    Raises:
        BadSelection: no such layer or head.
    """
    selected = None
    if layer is not None and head is not None:
        att.weights(layer, head, queries=slice(0, 1))
        selected = (layer, head)
    layers = [att.pooled_layer(number, THUMBNAIL) for number in range(att.n_layers)]
    counts = tuple(maps.shape[0] for maps in layers)
    full = np.full((len(layers), max(counts), *layers[0].shape[1:]), np.nan, dtype=np.float32)
    for number, maps in enumerate(layers):
        full[number, : maps.shape[0]] = maps
    title = f"All heads, {att.kind} attention"
    return GridView(full, counts, att.n_query, att.n_key, selected, title)


def head_title(att: Attention, layer: int, head: int) -> str:
    """Return what a picture of one head is called."""
    return f"Layer {layer}, head {head}, {att.kind} attention"


def label(token: Token) -> str:
    """Return a token's display form, cut where it would leave no room for the picture.

    Characters that no file format can hold (controls, noncharacters, lone surrogates) become ⟨U+FFFF⟩.
    """
    shown = _UNWRITABLE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", token.display.strip() or token.display)
    return shown if len(shown) <= LABEL_LENGTH else shown[: LABEL_LENGTH - 1] + "…"


def label_positions(n_tokens: int, most: int = MOST_LABELS) -> range:
    """Return the positions that get a label: all of them, or evenly spaced ones."""
    return range(0, n_tokens, -(-n_tokens // most))


def columns(text: str) -> int:
    """Return the width of a text in columns; East Asian characters and emoji take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
