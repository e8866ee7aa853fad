"""How a picture is drawn, apart from what it shows (analysis.selection)."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import BadSelection
from viz.colours import CONTRASTS, PALETTES


@dataclass(frozen=True)
class DrawOptions:
    """How a picture is drawn, the same on the page and in every export.

    `threshold` is the smallest weight that the token graph draws, 0 to 1; `palette` one of `PALETTES`; `contrast`
    "linear" or "root" (colour follows the square root of the weight, which shows weak attention). `truth` outlines the
    right answers and shows each head's truth score, for models that were trained on a task with known answers.
    """

    threshold: float = 0.05
    palette: str = "blues"
    contrast: str = "linear"
    truth: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise BadSelection(f"A threshold is a weight from 0 to 1, not {self.threshold}.")
        for value, known, name in ((self.palette, PALETTES, "palette"), (self.contrast, tuple(CONTRASTS), "contrast")):
            if value not in known:
                raise BadSelection(f"There is no {name} {str(value)[:40]!r}: choose one of {', '.join(known)}.")
