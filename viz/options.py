"""How a picture is drawn, apart from what it shows (analysis.selection)."""

from __future__ import annotations

from dataclasses import dataclass

from models.arguments import check_fields
from models.errors import BadSelection
from viz.colours import PALETTES, SCALES

# How special tokens and the sink are shown.
TREATMENTS = ("show", "dim", "hide")


@dataclass(frozen=True)
class DrawOptions:
    """How a picture is drawn, the same on the page and in every export.

    `threshold` is the smallest weight that the token graph draws, 0 to 1; `palette` one of `PALETTES`; `scale` one of
    `SCALES`: colour follows the weight, its square root or its logarithm, which show weak attention. `special` says how
    special tokens are shown and `sink` how the first token is, which often gets attention that means nothing: "show",
    "dim" or "hide". `renormalise` divides each row by what hidden tokens leave of it. `truth` outlines the right
    answers and shows each head's truth score, for models that were trained on a task with known answers.
    """

    threshold: float = 0.05
    palette: str = "blues"
    scale: str = "linear"
    truth: bool = True
    special: str = "show"
    sink: str = "show"
    renormalise: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 <= self.threshold <= 1:
            raise BadSelection(f"A threshold is a weight from 0 to 1, not {self.threshold}.")
        treatments = (
            (self.special, TREATMENTS, "treatment of special tokens"),
            (self.sink, TREATMENTS, "treatment of sinks"),
        )
        for value, known, name in ((self.palette, PALETTES, "palette"), (self.scale, SCALES, "scale"), *treatments):
            if value not in known:
                raise BadSelection(f"There is no {name} {str(value)[:40]!r}: choose one of {', '.join(known)}.")
