"""Heads that satisfy a condition such as "previous > 0.8 and entropy < 1"; the text is never evaluated by Python."""

from __future__ import annotations

import pandas as pd

from analysis.measures.condition import split_condition
from analysis.measures.condition_reader import ConditionReader
from models.arguments import checked


@checked
def find_heads(table: pd.DataFrame, query: str) -> pd.DataFrame:
    """Return the rows of a table of measures that satisfy a condition, in their order.

    A condition compares columns and numbers by `>`, `>=`, `<`, `<=`, `=`, `==` and `!=`, joined by `and`, `or` and
    `not`, with parentheses; `and` binds more tightly than `or`. `80%` is 0.8. Short names (`entropy`, `distance`) and
    titles (`first token`) are names of columns too, and so are `layer` and `head`. `sink` alone is true for sinks, and
    `pattern = diagonal` compares a text. A value that is NaN satisfies nothing, negated or not. An empty condition
    keeps all rows. Of a table of several texts, the means are compared.

    Raises:
        BadSelection: the condition cannot be read; the sentence says where, and what may stand there.
    """
    parts = split_condition(query)
    if not parts:
        return table
    of_texts = [column for column in table.columns if isinstance(column, tuple) and column[1] == "mean"]
    means = table[of_texts].droplevel(1, axis=1) if of_texts else table
    found = ConditionReader(means.reset_index(), parts).read()
    return table[found.fillna(False).to_numpy(bool)]
