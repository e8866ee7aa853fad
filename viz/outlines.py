"""Fonts for PDF: outlines of OpenType fonts (CFF, as in Noto CJK) turned into those of TrueType.

matplotlib 3.11.2 embeds every font as TrueType (`CIDFontType2` with `FontFile2`), also those whose outlines are CFF,
which PDF 1.7 table 126 does not allow there: poppler and browsers forgive it with a warning, other readers show dots
for all Chinese. The curves are approximated within half a thousandth of an em, as by fontTools' `otf2ttf` example.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from unittest import mock

from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont, newTable
from matplotlib.backends import _backend_pdf_ps

MOST_ERROR = 0.0005  # of an em
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
    """Let matplotlib embed only TrueType outlines; the caller holds `viz.paper.drawing`, since this is global."""
    as_file = _backend_pdf_ps.font_as_file

    def truetype_as_file(font: TTFont) -> BytesIO:
        if "CFF " in font:
            to_truetype(font)
        return as_file(font)

    with mock.patch.object(_backend_pdf_ps, "font_as_file", truetype_as_file):
        yield


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
