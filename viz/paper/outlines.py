"""Fonts in PDF files: the CFF outlines of OpenType fonts such as Noto CJK are converted to TrueType outlines.

matplotlib 3.11.2 embeds every font as TrueType (`CIDFontType2` with `FontFile2`), also a font with CFF outlines. PDF
1.7 table 126 does not allow that: poppler and browsers accept it with a warning, and other readers show dots for all
Chinese text. The curves are approximated within half a thousandth of an em, as in fontTools' `otf2ttf` example.

matplotlib also maps every glyph of a cluster to the text of the whole cluster. If no font joins the emoji of a family,
a search in the PDF finds the family seven times. This module maps a glyph to its own character if the cluster has one
glyph for each character.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import groupby
from types import SimpleNamespace
from typing import Any
from unittest import mock

from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont, newTable
from matplotlib import _text_helpers
from matplotlib.backends import _backend_pdf_ps
from matplotlib.ft2font import FT2Font, LayoutItem, LoadFlags

MOST_ERROR = 0.0005  # of an em
# Direction marks: text that is already laid out does not need them, and a search would not find a token with them.
DIRECTIONS = "\u200e\u200f"
_INSTRUCTIONS = (
    "maxTwilightPoints",
    "maxStorage",
    "maxFunctionDefs",
    "maxInstructionDefs",
    "maxStackElements",
    "maxSizeOfInstructions",
    "maxComponentElements",
)


@contextmanager
def truetype_in_pdf() -> Iterator[None]:
    """Make matplotlib embed only TrueType outlines.

    The change is global, so the caller must be inside `viz.paper.drawing.drawing`, which holds the lock.
    """
    as_file = _backend_pdf_ps.font_as_file

    def truetype_as_file(font: TTFont) -> BytesIO:
        if "CFF " in font:
            to_truetype(font)
        return as_file(font)

    layout = _text_helpers.layout

    def one_by_one(text: str, font: FT2Font, **options: Any) -> Iterator[Any]:
        characters = _own_characters(list(font._layout(text, LoadFlags.NO_HINTING, **options)))
        after_mark = False
        for item, character in zip(layout(text, font, **options), characters, strict=True):
            named = {name: getattr(item, name) for name in ("ft_object", "glyph_index", "x", "y", "prev_kern")}
            if after_mark:
                named["prev_kern"] = 0  # it subtracts the width of a blank for the mark, which is not drawn here
            after_mark = character in DIRECTIONS
            if not after_mark:
                yield SimpleNamespace(char=character, **named)

    with (
        mock.patch.object(_backend_pdf_ps, "font_as_file", truetype_as_file),
        mock.patch.object(_text_helpers, "layout", one_by_one),
    ):
        yield


def _own_characters(items: Sequence[LayoutItem]) -> list[str]:
    """Return the text of each glyph: its own character if its cluster has one glyph for each, else the cluster."""
    meant: list[str] = []
    for cluster, run in groupby(items, key=lambda item: item.char):
        glyphs = list(run)
        own = [cluster[number % len(cluster)] for number in range(len(glyphs))]
        whole = len(glyphs) % len(cluster) == 0
        meant += own if whole and all(map(_draws, glyphs, own)) else [cluster] * len(glyphs)
    return meant


def _draws(item: LayoutItem, character: str) -> bool:
    """Return whether a glyph draws a character; True for joiners and selectors, which have no glyph."""
    shapeless = unicodedata.category(character) == "Cf" or character in "\ufe0e\ufe0f"
    return shapeless or item.ft_object.get_char_index(ord(character)) == item.glyph_index


def to_truetype(font: TTFont) -> None:
    """Replace a font's CFF outlines by TrueType outlines, in place; the order of its glyphs does not change."""
    font.recalcBBoxes = True  # CFF has no bounding boxes
    drawn = font.getGlyphSet()
    glyphs = {}
    for name in font.getGlyphOrder():
        pen = TTGlyphPen(None)
        # TrueType contours run in the opposite direction.
        drawn[name].draw(Cu2QuPen(pen, MOST_ERROR * font["head"].unitsPerEm, reverse_direction=True))
        glyphs[name] = pen.glyph()
    del font["CFF "]
    if "VORG" in font:
        del font["VORG"]
    font["loca"] = newTable("loca")
    font["glyf"] = outlines = newTable("glyf")
    outlines.glyphOrder = font.getGlyphOrder()
    outlines.glyphs = glyphs
    outlines.compile(font)
    for name, glyph in glyphs.items():
        font["hmtx"][name] = (font["hmtx"][name][0], getattr(glyph, "xMin", 0))
    font["maxp"] = limits = newTable("maxp")
    limits.tableVersion = 0x00010000
    limits.maxZones = 1
    for name in _INSTRUCTIONS:
        setattr(limits, name, 0)
    limits.compile(font)
    if "post" in font:
        font["post"].formatType = 3.0
    font.sfntVersion = "\x00\x01\x00\x00"
