"""The installed fonts that the text of a file needs, and what none of them can draw."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from matplotlib import font_manager
from matplotlib.ft2font import LoadFlags

log = logging.getLogger("headlight.viz")

FIRST_FONT = "DejaVu Sans"
# Families that cover much and look well together are tried before the rest of what is installed.
_PREFERRED = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans", "Noto Emoji", "Symbola", "FreeSans")
# Fonts that draw a box for every character, need colours, or hold TeX's symbols at places that are not theirs.
_UNREADABLE_FONTS = ("color", "colour", "last resort", "lastresort", "adobe blank", "stixnonunicode", "stixsize")
_TEX_FONTS = ("cmb10", "cmex10", "cmmi10", "cmr10", "cmss10", "cmsy10", "cmtt10")
# Controls, joiners and spaces have no shape of their own; variation selectors (FE0E, FE0F) choose one.
_SHAPELESS = {"Cc", "Cf", "Zs", "Zl", "Zp"}
# Emoji that are one picture of several characters: flags, skin tones, and what zero-width joiners join.
_EMOJI, _AFTER = "[\u2190-\u2bff\U0001f000-\U0001faff]", "[\ufe0f\U0001f3fb-\U0001f3ff]"
_SEQUENCE = re.compile(
    f"[\U0001f1e6-\U0001f1ff]{{2}}|\U0001f3f4[\U000e0020-\U000e007f]+"
    f"|{_EMOJI}{_AFTER}*(?:\u200d{_EMOJI}{_AFTER}*)+|{_EMOJI}\ufe0f?[\U0001f3fb-\U0001f3ff]"
)


def find_fonts(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the installed font families that together draw `texts`, and what none of them can draw.

    That is characters, and sequences of emoji that mean one picture (families, flags, skin tones) but come out as
    several.
    """
    texts = list(texts)
    families, missing = _families(texts)
    return families, missing + _unjoined(texts, families, missing)


def _families(texts: list[str]) -> tuple[list[str], list[str]]:
    """Return the families that together draw most of `texts`, and the characters that none of them has."""
    needed = {character for text in texts for character in text}
    needed = {character for character in needed if unicodedata.category(character) not in _SHAPELESS}
    needed -= _characters(font_manager.findfont(FIRST_FONT)) | {"\ufe0e", "\ufe0f"}
    families = [FIRST_FONT]
    for family, path in _installed():
        if not needed:
            break
        covered = needed & _characters(path)
        if covered:
            families.append(family)
            needed -= covered
    return families, sorted(needed)


def _unjoined(texts: list[str], families: list[str], missing: list[str]) -> list[str]:
    """Return the emoji of several characters for which no font has one glyph; those with a missing one are named."""
    sequences = sorted({found[0] for text in texts for found in _SEQUENCE.finditer(text)})
    if not sequences:
        return []
    paths = dict(_installed())
    font = font_manager.get_font([font_manager.findfont(FIRST_FONT), *(paths[family] for family in families[1:])])
    return [
        sequence
        for sequence in sequences
        if not set(sequence) & set(missing)
        and len(font._layout(sequence.replace("\ufe0f", ""), LoadFlags.NO_HINTING)) > 1
    ]


@cache
def _installed() -> tuple[tuple[str, str], ...]:
    """Return (family, path) of the regular upright fonts, the preferred first."""
    _find_new_fonts()
    fonts: dict[str, str] = {}
    for entry in font_manager.fontManager.ttflist:
        regular = entry.style == "normal" and entry.weight in (400, "normal", "regular", "book")
        name = entry.name.lower()
        if regular and name not in _TEX_FONTS and not any(word in name for word in _UNREADABLE_FONTS):
            fonts.setdefault(entry.name, entry.fname)
    rank = {name: number for number, name in enumerate(_PREFERRED)}
    return tuple(sorted(fonts.items(), key=lambda font: (rank.get(font[0], len(rank)), font[0])))


def _find_new_fonts() -> None:
    """Add fonts that were installed since matplotlib last looked: it keeps its list in a file for good."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in known:
            try:
                font_manager.fontManager.addfont(path)
            except (OSError, RuntimeError, ValueError) as error:
                log.info("%s is no font that can be drawn: %s", path, error)


@cache
def _characters(path: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, font_manager.get_font(path).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()
