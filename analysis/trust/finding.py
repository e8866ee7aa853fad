"""What a check has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# From the best to the worst.
LEVELS = ("ok", "note", "warning", "fault")


@dataclass(frozen=True)
class Finding:
    """What a check has found: a `level` of `LEVELS`, one sentence, its number if it has one, and the remedy if any.

    `name` is the subject of the check. "ok": nothing is wrong. "note": what a reader should know; healthy models have
    notes too. "warning": the attention may mislead. "fault": it is not what the trained model computes.
    """

    name: str
    level: str
    sentence: str
    number: float | None = None
    remedy: str = ""


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings by level, the worst first, and in their order within a level."""
    return tuple(sorted(findings, key=lambda finding: -LEVELS.index(finding.level)))


def at_most(difference: float) -> str:
    """Return a small difference as a round number above it: "less than 0.00001"; "0" for 0."""
    if not 0 < difference < 0.1:
        return f"{difference:.2g}"
    digits = int(-np.floor(np.log10(difference))) - 1
    return f"less than {10.0**-digits:.{digits}f}"


def count(number: int, one: str, many: str = "") -> str:
    """Return a number of things: "1 head", "1,200 heads"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
