"""The worked examples of the page "Step by step": words and matrices to start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Example:
    """Words and matrices to start from, and whether scores are scaled at first.

    `words[i]` belongs to row i of the matrix "x"; the others are "w_q", "w_k", "w_v" and "w_o".
    """

    title: str
    words: tuple[str, ...]
    matrices: Mapping[str, np.ndarray]
    scaling: bool


_SHARED = (np.full((4, 4), 0.1) + 0.8 * np.eye(4)).round(9)
_VALUES = np.array([[0.8, 0.2, 0.1, 0.1], [0.2, 0.8, 0.2, 0.1], [0.1, 0.2, 0.8, 0.1], [0.1, 0.1, 0.1, 0.9]])
_WORDS = np.array([[0.2, 0.9, 0.1, 0.5], [0.8, 0.3, 0.7, 0.2], [0.4, 0.6, 0.3, 0.9]])
EXAMPLES = {
    "words": Example(
        "she likes coffee",
        ("she", "likes", "coffee"),
        {"x": _WORDS, "w_q": _SHARED, "w_k": _SHARED, "w_v": _VALUES, "w_o": np.eye(4)},
        scaling=True,
    ),
    "rows": Example(
        "One to ten, unscaled",
        ("1 to 5", "6 to 10"),
        {"x": np.arange(1.0, 11.0).reshape(2, 5), **dict.fromkeys(("w_q", "w_k", "w_v", "w_o"), np.eye(5))},
        scaling=False,
    ),
}
