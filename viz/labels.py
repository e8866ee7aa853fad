"""What pictures call things: tokens as labels, heads as titles, and which positions get a label."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from analysis.selection import Region, Selection
from models import Attention, Token
from models.display import JOINER, visible
from models.method_names import name_with_method

LABEL_LENGTH = 24
MOST_NOTICES, MOST_OF_NOTICE = 8, 250
_LONG_WORD = re.compile(r"(\S{40})(?=\S)")
# An invisible character of the direction in which Hebrew and Arabic run.
RIGHT_TO_LEFT = "\u200f"
# Hebrew, Arabic and their relatives, also as presentation forms.
_RUNS_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
# Smaller labels could not be read: at most this many tokens get one, evenly spaced.
MAX_LABELS = 32
# What XML forbids, and the noncharacters at the end of every plane.
_PLANE_ENDS = "".join(map(chr, (plane << 16 | end for plane in range(17) for end in (0xFFFE, 0xFFFF))))
_UNWRITABLE = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_PLANE_ENDS}]")


def tokens_in(att: Attention, region: Region) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
    """Return the query tokens and the key tokens of a region."""
    sides = ((att.query_tokens, region.queries), (att.key_tokens, region.keys))
    queries, keys = (tokens[span.start : span.stop] for tokens, span in sides)
    return queries, keys


def boundaries(tokens: tuple[Token, ...]) -> list[int]:
    """Return the positions before which a line is drawn: where a second text, a message or generated text begins."""
    parts = [(token.segment, token.generated, token.role) for token in tokens]
    return [position for position in range(1, len(parts)) if parts[position] != parts[position - 1]]


def role_runs(tokens: Sequence[Token]) -> list[tuple[int, int, str]]:
    """Return the parts of a conversation as first position, the position after the last one, and role."""
    runs: list[tuple[int, int, str]] = []
    for position, token in enumerate(tokens):
        if runs and runs[-1][2] == token.role:
            runs[-1] = (runs[-1][0], position + 1, token.role)
        else:
            runs.append((position, position + 1, token.role))
    return [run for run in runs if run[2]]


def notices_of(att: Attention) -> tuple[str, ...]:
    """Return what a reader must know of given weights, in sentences that every file can hold.

    Those of a trace that was loaded may be any texts. A long word would take seconds to break into lines on paper.
    """
    shown = (_UNWRITABLE.sub("\ufffd", visible(notice[:MOST_OF_NOTICE])) for notice in att.notices[:MOST_NOTICES])
    return tuple(_LONG_WORD.sub(r"\1 ", notice) for notice in shown)


def head_title(att: Attention, layer: int, head: int) -> str:
    """Return what a picture of one head is called."""
    return f"{att.head_name(layer, head)}, {att.kind} attention"


def heads_title(att: Attention, selection: Selection) -> str:
    """Return what a picture of the lines of several heads is called.

    Raises:
        BadSelection: no such layer or head.
    """
    name = selection.chosen.describe(att)
    return f"{name_with_method(att.method, name[:1].upper() + name[1:])}, {att.kind} attention"


def label(token: Token) -> str:
    """Return a token's display form, cut where it would leave no room for the picture.

    Characters that no file format can hold (controls, noncharacters, lone surrogates) become ⟨U+FFFF⟩. The joiner of
    a piece that runs from right to left is on the side where its word continues, right of `·ל`, in every renderer.
    """
    shown = _UNWRITABLE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", token.display.strip() or token.display)
    shown = shown if len(shown) <= LABEL_LENGTH else shown[: LABEL_LENGTH - 1] + "…"
    if not runs_left(shown):
        return shown
    # Renderers whose lines run to the right (SVG, HTML, canvas) would put a joiner at an end by that.
    before, after = (RIGHT_TO_LEFT if end == JOINER else "" for end in (shown[0], shown[-1]))
    return before + shown + after


def isolate(text: str) -> str:
    """Return a token's label for a sentence, as `isolate` of viz/browser/core/text.js.

    One that runs from right to left would otherwise turn around what stands beside it: positions, weights, other
    tokens.
    """
    return f"\u2068{text}\u2069" if _RUNS_LEFT.search(text) else text


def is_one_character(text: str) -> bool:
    """Return whether a label is a single character, with its marks: pictures write it upright below its column."""
    return text != "" and all(unicodedata.category(character).startswith("M") for character in text[1:])


def position_suffix(position: int, block: int) -> str:
    """Return what follows a token's label where a cell is a block of tokens: the position of the labelled one."""
    return "" if block == 1 else f" ({position})"


def runs_left(text: str) -> bool:
    """Return whether the first letter of a text belongs to a script that runs from right to left."""
    strong = (unicodedata.bidirectional(character) for character in text)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


def label_positions(n_tokens: int, most: int = MAX_LABELS) -> range:
    """Return the positions that get a label: all of them, or evenly spaced ones."""
    return range(0, n_tokens, -(-n_tokens // most))


def columns(text: str) -> int:
    """Return the width of a text in columns; East Asian characters and emoji take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
