"""The columns of tables of heads as axes and colours: their titles, ranges and numbers in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis.measures import MEASURES
from models.errors import BadSelection

UNDEFINED = "not defined"
# Columns of other tables.
_TITLES = {"previous_repeated": "Previous, repeated"}


@dataclass(frozen=True)
class Scale:
    """A measure as an axis or as colours: its title, and the ends of its range, which may be those of the values."""

    name: str
    title: str
    low: float
    high: float

    @property
    def label(self) -> str:
        """The title with the unit, if the measure has one."""
        unit = MEASURES[self.name].unit if self.name in MEASURES else ""
        return f"{self.title} ({unit})" if unit else self.title

    @property
    def is_signed(self) -> bool:
        """Whether the range is as wide below 0 as above it."""
        return self.low < 0

    @property
    def range_text(self) -> str:
        """The range as a person reads it."""
        return f"{self.low:.3g} to {self.high:.3g}"


def head_numbers(table: pd.DataFrame) -> list[tuple[int, int]]:
    """Return the (layer, head) of each row.

    Raises:
        BadSelection: the table has another index.
    """
    named = list(table.index.names) == ["layer", "head"] and len(table) > 0
    numbers = [table.index.get_level_values(level) for level in (0, 1)] if named else []
    if not numbers or not all(pd.api.types.is_integer_dtype(each) and each.min() >= 0 for each in numbers):
        raise BadSelection("A table of heads has one row for each head, indexed by layer and head: use head_table.")
    return [(int(layer), int(head)) for layer, head in zip(*numbers, strict=True)]


def column_of(table: pd.DataFrame, name: str) -> Float[np.ndarray, " row"]:
    """Return a column of numbers.

    Raises:
        BadSelection: there is no such column, or it has no numbers.
    """
    numeric = [str(each) for each in table.columns if pd.api.types.is_numeric_dtype(table[each])]
    if name not in numeric:
        raise BadSelection(f"There is no measure {str(name)[:40]!r} here: choose one of {', '.join(numeric)}.")
    return table[name].to_numpy(dtype=np.float64, na_value=np.nan)


def scale_of(name: str, values: Float[np.ndarray, ...], most: Mapping[str, float] | None = None) -> Scale:
    """Return a measure's range: 0 to 1 for shares, to what `most` says of the measure, else to a round number.

    Numbers that are no measure of attention, such as effects, have a round number at both ends if one is negative.
    """
    finite = values[np.isfinite(values)]
    largest = float(finite.max()) if finite.size else 0.0
    if name not in MEASURES and name not in _TITLES:
        end = round_up(float(np.abs(finite).max(initial=0.0)))
        return Scale(name, title_of(name), -end if finite.min(initial=0.0) < 0 else 0.0, end)
    unit = MEASURES[name].unit if name in MEASURES else ""
    bound = (most or {}).get(name, 0.0 if unit else 1.0)
    # Rounding in a softmax may give slightly more.
    return Scale(name, title_of(name), 0.0, bound if bound > 0 and largest <= bound + 1e-5 else round_up(largest))


def largest_measures(n_keys: int) -> dict[str, float]:
    """Return the largest possible values of the measures whose range depends on the number of keys."""
    return {"entropy_bits": math.log2(max(n_keys, 2)), "mean_distance": float(max(n_keys - 1, 1))}


def largest_spread(spread: pd.DataFrame, name: str) -> float:
    """Return the upper end of the colours of a spread, which shares its colours with no other picture."""
    values = column_of(spread, name)
    return round_up(float(np.nanmax(values, initial=0.0)))


def round_up(value: float) -> float:
    """Return the next of 1, 1.5, 2, 3, 4, 5, 6, 8 and their tenfolds that is no smaller; 1 for 0."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8) if step * power >= value - 1e-12), 10 * power)


def title_of(name: str) -> str:
    """Return what a column is called."""
    return MEASURES[name].title if name in MEASURES else _TITLES.get(name, name.replace("_", " ").capitalize())


def number_text(name: str, value: float) -> str:
    """Return a number with its unit, or that it is not defined."""
    if not math.isfinite(value):
        return UNDEFINED
    unit = MEASURES[name].unit if name in MEASURES else ""
    return f"{value:.2f} {unit}" if unit else f"{value:.3f}"
