"""Conditions on heads: what they find, and what is said of those that cannot be read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.measures import MEASURES, find_heads
from models.errors import BadSelection

VALUES = {
    "entropy_bits": [0.5, 2.0, 0.9, np.nan],
    "mean_distance": [1.0, 4.0, 1.5, 2.0],
    "first": [0.05, 0.6, 0.1, 0.2],
    "separator": [np.nan] * 4,
    "previous": [0.9, 0.1, 0.85, np.nan],
    "next": [0.0, 0.2, 0.9, 0.3],
}
TABLE = pd.DataFrame(VALUES, pd.MultiIndex.from_product([[0, 1], [0, 1]], names=["layer", "head"])).assign(
    sink=pd.array([False, True, False, None], dtype="boolean"),
    pattern=["diagonal", "vertical", "vertical + diagonal", np.nan],
)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("previous > 0.8 and entropy < 1", [0, 2]),
        ("previous > 0.8 and entropy < 0.6", [0]),
        ("previous>=.85 AND Entropy<=0.9", [0, 2]),
        ("previous > 80% or first token > 50%", [0, 1, 2]),
        ("first > 0.5 or previous > 0.8 and next > 0.5", [1, 2]),  # and binds more tightly
        ("(first > 0.5 or previous > 0.8) and next > 0.1", [1, 2]),
        ("0.8 < previous ≤ 0.85", [2]),
        ("next > previous", [1, 2]),
        ("distance = 4", [1]),
        ("Mean distance == 2", [3]),
        ("mean_distance != 2", [0, 1, 2]),
        ("sink", [1]),
        ("layer = 1 and head != 0", [3]),
        ("sink = no", [0, 2]),
        ("pattern = diagonal", [0]),
        ("pattern = vertical + diagonal", [2]),
        ('pattern != "diagonal"', [1, 2]),
        # What is not known satisfies nothing, negated or not.
        ("not sink", [0, 2]),
        ("not previous > 0.5", [1]),
        ("separator < 1", []),
        ("separator < 1 or sink", [1]),
        ("previous > 1e3", []),
        ("  ", [0, 1, 2, 3]),
    ],
)
def test_what_a_condition_finds(query: str, rows: list[int]) -> None:
    pd.testing.assert_frame_equal(find_heads(TABLE, query), TABLE.iloc[rows])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("prevous > 1", "There is no measure 'prevous': the measures are layer, head, entropy_bits"),
        ("confidence > 1", "There is no measure 'confidence'"),  # the table has no such column
        ("previous", "A comparison is missing after 'previous'"),
        ("previous >", "The condition ends where"),
        ("previous > > 1", "'>' stands where a measure or a number must"),
        ("previous > 1 next > 1", "'next' cannot follow there"),
        ("(previous > 1", r'"\)" is missing at the end'),
        ("previous > 1)", r"'\)' cannot follow"),
        ("1 < 2", "needs a measure on one side"),
        ("pattern > diagonal", "A pattern is compared with a name"),
        ("previous = diagonal", "A pattern is compared with a name"),
        ("pattern = round", "a pattern is broad, diagonal"),
        ("__import__('os').system('true')", "cannot be read"),
        ("previous.__class__ > 1", "cannot be read"),
        ("previous > 0,8", "',8' cannot be read"),
        ("nan > 1", "no measure 'nan'"),
        ("@previous > 1", "cannot be read"),
        ("(" * 500, "at most 20 brackets"),
        ("not " * 200, "at most 20 brackets"),
        ("previous > 1 or " * 100, "at most 1000 characters"),
        ("\u202eprevious > 1\x00", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(query: str, said: str) -> None:
    with pytest.raises(BadSelection, match=said) as refused:
        find_heads(TABLE, query)
    assert len(str(refused.value)) < 500
    assert "\n" not in str(refused.value)


def test_every_random_text_is_answered_or_refused() -> None:
    random = np.random.default_rng(7)
    parts = [*TABLE.columns, "and", "or", "not", "(", ")", "<", ">=", "=", "0.5", "50%", "diagonal", "+", "'", " ", "é"]
    n_found = 0
    for _ in range(100):
        query = " ".join(random.choice(parts, random.integers(1, 8)))
        try:
            n_found += len(find_heads(TABLE, query)) <= 4
        except BadSelection:
            continue
    assert n_found > 0


def test_all_measures_can_be_asked_for_by_title_or_name() -> None:
    table = pd.DataFrame({name: [0.25, 0.75] for name in MEASURES if name != "pattern"})
    for name in table:
        for text in (name, name.replace("_", " "), MEASURES[name].title.upper()):
            assert list(find_heads(table, f"{text} > 0.5").index) == [1], text


def test_of_several_texts_the_means_are_compared() -> None:
    several = pd.concat({"mean": TABLE[["previous", "next"]], "spread": TABLE[["next", "previous"]]}, axis=1)
    several = several.swaplevel(axis=1)
    pd.testing.assert_frame_equal(find_heads(several, "previous > 0.8"), several.iloc[[0, 2]])
