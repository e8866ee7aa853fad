"""The width of a picture on paper: read from "8cm", "85mm" or "3.3in", and refused where a picture does not fit."""

from __future__ import annotations

import math
import re

from viz.formats import CannotExport

_INCHES = {"cm": 1 / 2.54, "mm": 1 / 25.4, "in": 1.0}
_WIDTH = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*(cm|mm|in)", re.IGNORECASE | re.ASCII)
# Inches. A poster is the widest picture: PNG has 300 pixels for each inch.
LEAST_WIDTH, MOST_WIDTH = 0.39, 40.0


def parse_width(text: str | None) -> float | None:
    """Return a width in inches, None for none.

    Raises:
        CannotExport: it is written differently, or no page is as narrow or as wide.
    """
    if not text:
        return None
    found = _WIDTH.fullmatch(str(text).strip())
    if found is None:
        raise CannotExport(f"A width is given as 8cm, 85mm or 3.3in, not {str(text)[:40]!r}.")
    width = float(found[1]) * _INCHES[found[2].lower()]
    if not LEAST_WIDTH <= width <= MOST_WIDTH:
        raise CannotExport(f"A width is from 1 cm to 100 cm, not {str(text)[:40]!r}.")
    return width


def refuse_width(name: str, width: float, smallest: float) -> None:
    """Refuse a width (in inches) below the smallest that holds a picture.

    Raises:
        CannotExport: with the smallest width, rounded up.
    """
    if width < smallest - 1e-9:
        least = math.ceil(smallest * 25.4 - 1e-6) / 10
        raise CannotExport(
            f"A {name} of these tokens does not fit into {width * 2.54:.3g} cm with readable letters: "
            f"give at least {least:.1f}cm."
        )
