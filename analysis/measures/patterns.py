"""The pattern of a head: the kinds of Kovaleva et al. (2019) by the thresholds of Clark et al. (2019).

Kovaleva et al. sort maps into vertical (special tokens and delimiters), diagonal (the previous and the next token),
both mixed, block and heterogeneous by eye and with a network trained on that, without thresholds. Clark et al. have
them: heads that put over half of their attention on a kind of position (sections 3.1 and 3.2), and broad heads, which
put at most a tenth on any token (section 3.3). A block, attention within one text of two, is not labelled: uniform
attention to two texts of one length has half of its weight in the blocks already.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from models.arguments import checked

HALF, BROAD = 0.5, 0.1
# Uniform attention over 6 tokens has exactly half of its weight on the diagonal, but for the rounding of float32.
ROUNDING = 1e-4
PATTERNS = ("broad", "diagonal", "vertical", "vertical + diagonal", "heterogeneous")


@checked
def label_patterns(table: pd.DataFrame, *, vertical_by_chance: float = 0, diagonal_by_chance: float = 0) -> pd.Series:
    """Return the pattern of each head of a table of measures, one of `PATTERNS`.

    `broad`: no key gets over 0.1, on average (`confidence`). `vertical`: the first token, separators and punctuation
    get over half. `diagonal`: the previous token, the token itself and the next one do. `vertical + diagonal`: only
    both together do. The shares that uniform attention has by chance forbid a label that it would earn: then it is
    NaN, as it is where the measures are.
    """
    vertical = table[["first", "separator", "punctuation"]].sum(axis=1)
    diagonal = table[["previous", "self", "next"]].sum(axis=1)
    known = table[["confidence", "first", "self"]].notna().all(axis=1)
    both_by_chance = vertical_by_chance + diagonal_by_chance
    rules = (
        (table["confidence"] <= BROAD, "broad", 0.0),
        ((diagonal > HALF) & (diagonal >= vertical), "diagonal", diagonal_by_chance),
        (vertical > HALF, "vertical", vertical_by_chance),
        (vertical + diagonal > HALF, "vertical + diagonal", both_by_chance),
    )
    found = pd.Series("heterogeneous", table.index, dtype=object, name="pattern")
    for condition, name, chance in reversed(rules):
        label: Any = name if chance < HALF - ROUNDING else np.nan
        found = found.mask(condition, label)
    return found.where(known & found.notna(), np.nan)
