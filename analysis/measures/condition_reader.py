"""A condition over the columns of a table, read part by part and answered row by row.

any   = all { "or" all }
all   = one { "and" one }
one   = "not" one | "(" any ")" | value { comparison value }
value = number | text | name of a column
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.measures.condition import EXAMPLE, Part
from analysis.measures.definitions import MEASURES
from analysis.measures.patterns import PATTERNS
from models.errors import BadSelection

DEEPEST = 20
COMPARISONS = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
JOINING = ("and", "or", "not")
# Words that people write for a column; titles and names with spaces for underscores are read as well.
SYNONYMS = {
    "entropy": "entropy_bits",
    "bits": "entropy_bits",
    "distance": "mean_distance",
    "separators": "separator",
    "sep": "separator",
    "prev": "previous",
    "own position": "self",
    "duplicate": "same_token",
}
TRUTH = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
# A column, with NaN where it is not known, or a number, or a text.
Value = pd.Series | float | str
Answer = pd.Series


class ConditionReader:
    """Reads the parts of a condition from left to right; each method takes the parts that it understands."""

    def __init__(self, table: pd.DataFrame, parts: Sequence[Part]) -> None:
        self.table = table
        self.parts = parts
        self.at = 0
        self.depth = 0
        self.names = _names_of(table)

    def read(self) -> Answer:
        """Return which rows satisfy the whole condition; NA where a value is NaN.

        Raises:
            BadSelection: a part cannot stand where it stands.
        """
        found = self._any()
        if self.at < len(self.parts):
            raise BadSelection(f'{self._here()!r} cannot follow there: join comparisons by "and" or "or". {EXAMPLE}')
        return found

    def _here(self) -> str:
        return self.parts[self.at].text[:40] if self.at < len(self.parts) else ""

    def _takes(self, kind: str, *texts: str) -> bool:
        """Go on if the next part is one of these."""
        here = self.at < len(self.parts) and self.parts[self.at].kind == kind and self.parts[self.at].text in texts
        self.at += here
        return here

    def _any(self) -> Answer:
        found = self._all()
        while self._takes("word", "or"):
            found = found | self._all()
        return found

    def _all(self) -> Answer:
        found = self._one()
        while self._takes("word", "and"):
            found = found & self._one()
        return found

    def _one(self) -> Answer:
        self.depth += 1
        if self.depth > DEEPEST:
            raise BadSelection(
                f'A condition has at most {DEEPEST} brackets or "not" inside one another: leave some out.'
            )
        if self._takes("word", "not"):
            found = ~self._one()
        elif self._takes("bracket", "("):
            found = self._any()
            if not self._takes("bracket", ")"):
                raise BadSelection(f'A bracket is not closed: ")" is missing{self._place()}.')
        else:
            found = self._comparisons()
        self.depth -= 1
        return found

    def _place(self) -> str:
        return f" before {self._here()!r}" if self._here() else " at the end"

    def _comparisons(self) -> Answer:
        """Return the answer of `a < b`, of `a < b < c`, or of a column of truth values alone."""
        start = self._here()
        value, found = self._value(), None
        while self.at < len(self.parts) and self.parts[self.at].kind == "comparison":
            sign = self.parts[self.at].text
            self.at += 1
            other = self._value()
            answer = self._compare(value, sign, other)
            value, found = other, answer if found is None else found & answer
        if found is not None:
            return found
        if isinstance(value, pd.Series) and value.name == "sink":
            return self._compare(value, "==", 1.0)
        raise BadSelection(f"A comparison is missing after {start!r}, such as > 0.8. {EXAMPLE}")

    def _value(self) -> Value:
        if self.at == len(self.parts):
            raise BadSelection(f"The condition ends where a measure or a number must follow. {EXAMPLE}")
        part = self.parts[self.at]
        if part.kind == "number":
            self.at += 1
            return float(part.text.rstrip("%")) / (100 if part.text.endswith("%") else 1)
        if part.kind == "quoted":
            self.at += 1
            return self._known_text(part.text[1:-1])
        words = []
        while self.at < len(self.parts) and (part := self.parts[self.at]).kind in ("word", "plus"):
            if part.text in JOINING:
                break
            words.append(part.text)
            self.at += 1
        if not words:
            raise BadSelection(f"{part.text!r} stands where a measure or a number must stand. {EXAMPLE}")
        return self._named(" ".join(words))

    def _named(self, text: str) -> Value:
        """Return the column with a name, or a text that a column has."""
        name = self.names.get(text.replace("_", " "))
        if name is None:
            return TRUTH[text] if text in TRUTH else self._known_text(text)
        column = self.table[name]
        if pd.api.types.is_numeric_dtype(column):  # truth values too
            return pd.Series(column.to_numpy(np.float64, na_value=np.nan), column.index, name=name)
        return column

    def _known_text(self, text: str) -> str:
        known = sorted({*PATTERNS, *self.table["pattern"].dropna()}) if "pattern" in self.table else []
        if text in known:
            return text
        patterns = f"; a pattern is {', '.join(known)}" if known else ""
        raise BadSelection(
            f"There is no measure {text[:40]!r}: the measures are {', '.join(map(str, self.table.columns))}{patterns}."
        )

    def _compare(self, one: Value, sign: str, other: Value) -> Answer:
        """Return the answer for each row, NA where a side is NaN."""
        if not isinstance(one, pd.Series) and not isinstance(other, pd.Series):
            raise BadSelection(f"A comparison needs a measure on one side, not {one} {sign} {other}. {EXAMPLE}")
        texts = [_is_text(side) for side in (one, other)]
        if any(texts) and not (all(texts) and sign in ("==", "!=")):
            raise BadSelection(
                'A pattern is compared with a name by "=" or "!=": write for example pattern = diagonal.'
            )
        answer = pd.Series(COMPARISONS[sign](one, other), self.table.index).astype("boolean")
        for side in (one, other):
            if isinstance(side, pd.Series):
                answer = answer.mask(side.isna())
        return answer


def _is_text(value: Value) -> bool:
    return isinstance(value, str) or (isinstance(value, pd.Series) and not pd.api.types.is_numeric_dtype(value))


def _names_of(table: pd.DataFrame) -> dict[str, str]:
    """Return the column that each way of writing names: small letters, with spaces for underscores."""
    titles = {one.title.lower(): name for name, one in MEASURES.items()}
    names = {str(name).lower().replace("_", " "): name for name in table.columns}
    return {text: name for text, name in (SYNONYMS | titles).items() if name in table.columns} | names
