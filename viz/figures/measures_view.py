"""Measures of all heads as the data of pictures: a grid of layers and heads, and points on two axes.

The tables are those of analysis.measures: one row for each head, indexed by `layer, head`. The mean over several texts
is a table like that of one text.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from analysis.measures import MEASURES
from models.errors import BadSelection
from viz.figures.measures_scale import UNDEFINED, Scale, column_of, head_numbers, number_text, scale_of, title_of


@dataclass(frozen=True)
class NumbersGrid:
    """One measure of all heads. `numbers[layer, head]` is NaN where the measure is not defined or there is no head.

    `exists` is False for the heads that a layer lacks; `found` has the heads that a query found, None without a query.
    `hover` has what each head says of itself, one line for each of its numbers.
    """

    numbers: Float[np.ndarray, "layer head"]
    exists: Bool[np.ndarray, "layer head"]
    scale: Scale
    title: str
    hover: dict[tuple[int, int], tuple[str, ...]]
    found: frozenset[tuple[int, int]] | None = None
    selected: tuple[int, int] | None = None
    note: str = ""


@dataclass(frozen=True)
class HeadPoints:
    """Every head as a point: two measures against each other, or a map by distance, whose axes have no names.

    `colours` are the layers as numbers, a measure, or the place of each head's group in `groups`. `spread` has the
    standard deviations over several texts along both axes. A head without a place is in `left_out`.
    """

    heads: tuple[tuple[int, int], ...]
    x: Float[np.ndarray, " point"]
    y: Float[np.ndarray, " point"]
    axes: tuple[Scale, Scale] | None
    colours: Float[np.ndarray, " point"]
    colour_scale: Scale
    groups: tuple[str, ...]
    title: str
    note: str
    hover: dict[tuple[int, int], tuple[str, ...]]
    spread: tuple[Float[np.ndarray, " point"], Float[np.ndarray, " point"]] | None = None
    left_out: tuple[tuple[int, int], ...] = ()
    found: frozenset[tuple[int, int]] | None = None
    selected: tuple[int, int] | None = None

    @property
    def is_map(self) -> bool:
        """Whether the axes mean nothing by themselves."""
        return self.axes is None

    @property
    def faded(self) -> Bool[np.ndarray, " point"]:
        """True for the heads that a query has not found."""
        return np.array([self.found is not None and head not in self.found for head in self.heads], dtype=np.bool_)


def _pattern_name(pattern: object) -> str:
    return pattern if isinstance(pattern, str) and pattern else UNDEFINED


def hover_lines(
    table: pd.DataFrame, spread: pd.DataFrame | None, first: Sequence[str]
) -> dict[tuple[int, int], tuple[str, ...]]:
    """Return for each head its name, the numbers of the columns `first`, then its pattern."""
    lines: dict[tuple[int, int], tuple[str, ...]] = {}
    names = [name for name in dict.fromkeys(first) if name in table.columns and name != "pattern"]
    values = {name: column_of(table, name) for name in names}
    for place, head in enumerate(head_numbers(table)):
        row = table.iloc[place]
        texts = [f"Layer {head[0]}, head {head[1]}"]
        for name in names:
            apart = "" if spread is None or name not in spread.columns else f" ± {spread.iloc[place][name]:.2g}"
            texts.append(f"{title_of(name)}: {number_text(name, float(values[name][place]))}{apart}")
        if "pattern" in table.columns:
            texts.append(f"Pattern: {_pattern_name(row['pattern'])}")
        lines[head] = tuple(texts)
    return lines


def numbers_grid(
    table: pd.DataFrame,
    measure: str,
    *,
    most: Mapping[str, float] | None = None,
    spread: pd.DataFrame | None = None,
    found: Collection[tuple[int, int]] | None = None,
    selected: tuple[int, int] | None = None,
    note: str = "",
) -> NumbersGrid:
    """Return a measure of all heads as a grid. `most` has the upper ends of ranges that depend on the text.

    Raises:
        BadSelection: no such measure, or no table of heads.
    """
    heads, values = head_numbers(table), column_of(table, measure)
    shape = (max(layer for layer, _ in heads) + 1, max(head for _, head in heads) + 1)
    numbers, exists = np.full(shape, np.nan), np.zeros(shape, dtype=np.bool_)
    for head, value in zip(heads, values, strict=True):
        numbers[head], exists[head] = value, True
    scale = scale_of(measure, values, most)
    return NumbersGrid(
        numbers,
        exists,
        scale,
        f"{scale.title} of all heads",
        hover_lines(table, spread, [measure]),
        None if found is None else frozenset(found),
        selected,
        note,
    )


def scatter_points(
    table: pd.DataFrame,
    x: str,
    y: str,
    colour: str = "layer",
    *,
    most: Mapping[str, float] | None = None,
    spread: pd.DataFrame | None = None,
    found: Collection[tuple[int, int]] | None = None,
    selected: tuple[int, int] | None = None,
    note: str = "",
) -> HeadPoints:
    """Return all heads on two axes, coloured by "layer", by "pattern" or by a measure.

    Raises:
        BadSelection: no such measure, or no table of heads.
    """
    heads, values = head_numbers(table), [column_of(table, name) for name in (x, y)]
    placed = np.isfinite(values[0]) & np.isfinite(values[1])
    axes = tuple(scale_of(name, each, most) for name, each in zip((x, y), values, strict=True))
    apart = None
    if spread is not None and x in spread.columns and y in spread.columns:
        apart = tuple(column_of(spread, name)[placed] for name in (x, y))
    tones, tone_scale, groups = _colours(table, colour, most)
    hover = hover_lines(table, spread, [x, y, *([colour] if colour in MEASURES else [])])
    return HeadPoints(
        tuple(head for head, kept in zip(heads, placed, strict=True) if kept),
        values[0][placed],
        values[1][placed],
        (axes[0], axes[1]),
        tones[placed],
        tone_scale,
        groups,
        f"{axes[1].title} and {axes[0].title[:1].lower()}{axes[0].title[1:]} of all heads",
        note,
        hover,
        None if apart is None else (apart[0], apart[1]),
        tuple(head for head, kept in zip(heads, placed, strict=True) if not kept),
        None if found is None else frozenset(found),
        selected,
    )


def map_points(
    table: pd.DataFrame,
    places: pd.DataFrame,
    stress: float,
    colour: str = "layer",
    *,
    most: Mapping[str, float] | None = None,
    found: Collection[tuple[int, int]] | None = None,
    selected: tuple[int, int] | None = None,
    note: str = "",
) -> HeadPoints:
    """Return all heads at their places of `head_map`, whose stress is stated, coloured as in `scatter_points`.

    Raises:
        BadSelection: no such measure, no table of heads, or places of other heads.
    """
    heads = head_numbers(table)
    if head_numbers(places) != heads:
        raise BadSelection("The map has other heads than the table: make both of the same attention.")
    x, y = (column_of(places, name) for name in ("x", "y"))
    placed = np.isfinite(x) & np.isfinite(y)
    tones, tone_scale, groups = _colours(table, colour, most)
    hover = hover_lines(table, None, [colour] if colour in MEASURES else [])
    return HeadPoints(
        tuple(head for head, kept in zip(heads, placed, strict=True) if kept),
        x[placed],
        y[placed],
        None,
        tones[placed],
        tone_scale,
        groups,
        "Heads by distance",
        "; ".join(filter(None, ("" if math.isnan(stress) else f"stress {stress:.2f}", note))),
        hover,
        None,
        tuple(head for head, kept in zip(heads, placed, strict=True) if not kept),
        None if found is None else frozenset(found),
        selected,
    )


def _colours(
    table: pd.DataFrame, colour: str, most: Mapping[str, float] | None
) -> tuple[Float[np.ndarray, " row"], Scale, tuple[str, ...]]:
    """Return a number for each row, the scale of these numbers, and the names of groups if the numbers stand for them.

    Raises:
        BadSelection: there is no such colouring.
    """
    if colour == "layer":
        layers: Int[np.ndarray, " row"] = np.array([layer for layer, _ in head_numbers(table)])
        return layers.astype(np.float64), Scale("layer", "Layer", 0, float(layers.max())), ()
    if colour == "pattern" and "pattern" in table.columns:
        names = [_pattern_name(each) for each in table["pattern"]]
        groups = tuple(sorted(set(names), key=lambda name: (name == UNDEFINED, -names.count(name), name)))
        return np.array([groups.index(name) for name in names], float), Scale("pattern", "Pattern", 0, 0), groups
    values = column_of(table, colour)
    return values, scale_of(colour, values, most), ()
