"""Drawing on paper: what the matplotlib pictures share, and the fonts that their text needs.

Pictures for files are drawn by matplotlib, so that no server needs a browser. matplotlib's settings are global:
whoever draws or saves holds `drawing()`.
"""

from __future__ import annotations

import logging
import threading
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from models import Token

DIMMED = "#808895"
FIRST_FONT = "DejaVu Sans"
# Families that cover much and look well together are tried before the rest of what is installed.
_PREFERRED = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans", "Noto Emoji", "Symbola", "FreeSans")
# Fonts that draw a box for every character, need colours, or hold TeX's symbols at places that are not theirs.
_UNREADABLE_FONTS = ("color", "colour", "last resort", "lastresort", "adobe blank", "stixnonunicode", "stixsize")
_TEX_FONTS = ("cmb10", "cmex10", "cmmi10", "cmr10", "cmss10", "cmsy10", "cmtt10")
# Controls, joiners and spaces have no shape of their own; variation selectors (FE0E, FE0F) choose one.
_SHAPELESS = {"Cc", "Cf", "Zs", "Zl", "Zp"}
_lock = threading.Lock()
log = logging.getLogger("headlight.viz")


@contextmanager
def drawing(families: list[str]) -> Iterator[None]:
    """Hold matplotlib's global settings: text stays text, fonts are embedded, nothing is read as TeX."""
    settings: Any = {
        "font.family": families,
        "text.parse_math": False,
        "text.usetex": False,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "headlight",
        "axes.linewidth": 0.6,
        "axes.unicode_minus": False,
    }
    with _lock, matplotlib.rc_context(settings), warnings.catch_warnings():
        # `fonts_for` tells the visitor which; the log need not hear of every one of them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def fonts_for(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the installed font families that together draw `texts`, and the characters that none of them has."""
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


@cache
def _installed() -> tuple[tuple[str, str], ...]:
    """Return (family, path) of the regular upright fonts, the preferred first."""
    _find_new_fonts()
    fonts: dict[str, str] = {}
    for entry in font_manager.fontManager.ttflist:
        plain = entry.style == "normal" and entry.weight in (400, "normal", "regular", "book")
        name = entry.name.lower()
        if plain and name not in _TEX_FONTS and not any(word in name for word in _UNREADABLE_FONTS):
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


def style_labels(axis: Axis, tokens: list[Token], *, size: float) -> None:
    """Set the size of an axis's token labels and dim the special ones."""
    for text, token in zip(axis.get_ticklabels(), tokens, strict=True):
        text.set(fontsize=size, color=DIMMED if token.special else "black")


def add_colour_bar(figure: Figure, axes: Axes, colour_map: Colormap, title: str) -> None:
    """Add the colour bar of weights from 0 to 1."""
    mappable = ScalarMappable(Normalize(0, 1), colour_map)
    bar = figure.colorbar(mappable, ax=axes, fraction=0.035, pad=0.02, ticks=[0, 0.2, 0.4, 0.6, 0.8, 1])
    bar.set_label(title, fontsize=8)
    bar.ax.tick_params(labelsize=7, length=2)
    bar.outline.set_linewidth(0.4)
    # More than 50 colours would become an image; hairlines close the seams between neighbours.
    assert bar.solids is not None
    bar.solids.set(rasterized=False, edgecolor="face", linewidth=0.6)
