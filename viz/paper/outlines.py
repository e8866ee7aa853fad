"""Fonts for PDF: outlines of OpenType fonts (CFF, as in Noto CJK) turned into those of TrueType.

matplotlib 3.11.2 embeds every font as TrueType (`CIDFontType2` with `FontFile2`), also those whose outlines are CFF,
which PDF 1.7 table 126 does not allow there: poppler and browsers forgive it with a warning, other readers show dots
for all Chinese. The curves are approximated within half a thousandth of an em, as by fontTools' `otf2ttf` example.

matplotlib also says of every glyph of a cluster that it means the whole cluster, so that a family of emoji that no
font joins is found seven times in the text of a PDF. Where each glyph is one character, it is told so here.
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
# Marks of direction, which a text that is laid out needs no more; with them, a search would miss the token.
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
    """Let matplotlib embed only TrueType outlines; global, so the caller is inside `viz.paper.drawing.drawing`."""
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
                named["prev_kern"] = 0  # it takes back the width of a blank, which a mark would have in a PDF
            after_mark = character in DIRECTIONS
            if not after_mark:
                yield SimpleNamespace(char=character, **named)

    with (
        mock.patch.object(_backend_pdf_ps, "font_as_file", truetype_as_file),
        mock.patch.object(_text_helpers, "layout", one_by_one),
    ):
        yield


def _own_characters(items: Sequence[LayoutItem]) -> list[str]:
    """Return what each glyph of a laid out text means: its own character where a cluster has one glyph for each."""
    meant: list[str] = []
    for cluster, run in groupby(items, key=lambda item: item.char):
        glyphs = list(run)
        own = [cluster[number % len(cluster)] for number in range(len(glyphs))]
        whole = len(glyphs) % len(cluster) == 0
        meant += own if whole and all(map(_draws, glyphs, own)) else [cluster] * len(glyphs)
    return meant


def _draws(item: LayoutItem, character: str) -> bool:
    """Return whether a glyph is that of a character; joiners and selectors have none of their own."""
    shapeless = unicodedata.category(character) == "Cf" or character in "\ufe0e\ufe0f"
    return shapeless or item.ft_object.get_char_index(ord(character)) == item.glyph_index


def to_truetype(font: TTFont) -> None:
    """Replace a font's CFF outlines by TrueType outlines in place; the order of its glyphs stays."""
    font.recalcBBoxes = True  # CFF has no bounding boxes that could be kept
    drawn = font.getGlyphSet()
    glyphs = {}
    for name in font.getGlyphOrder():
        pen = TTGlyphPen(None)
        # TrueType contours run the other way round.
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
