"""Matrices as small heat tables in HTML, side by side like the terms of an equation.

The markup contains no colours: each cell has a strength (`--p`, 0 to 1) and a class, and `viz/browser/matrices.css`
colours it over the page's background, light or dark. All text of visitors is escaped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

MOST_DECIMALS = 4
MOST_LABEL = 24
_SYMBOL = re.compile(r"([^_^]+)(?:_([^_^]+))?(?:\^([^_^]+))?")


@dataclass(frozen=True)
class Matrix:
    """A matrix and how it is drawn.

    `symbol` is a name such as `W_q` or `K^T`. `rows` and `columns` are the labels, `axes` the names of both axes.
    `scale` is "signed" (symmetric around 0, up to the largest number of the matrix), "rows" (the same within each row)
    or "weights" (0 to 1). `row` and `column` are outlined. `digits` False omits the numbers, and `decimals` fixes the
    number of decimals. `hidden` is True at masked numbers.
    """

    symbol: str
    values: Float[np.ndarray, "row column"]
    rows: Sequence[str]
    columns: Sequence[str]
    axes: tuple[str, str] = ("", "")
    scale: str = "signed"
    row: int | None = None
    column: int | None = None
    digits: bool = True
    decimals: int | None = None
    hidden: Bool[np.ndarray, "row column"] | None = None

    def transposed(self) -> Matrix:
        """Return the transposed matrix, named `symbol^T`."""
        return replace(
            self,
            symbol=f"{self.symbol}^T",
            values=self.values.T,
            rows=self.columns,
            columns=self.rows,
            axes=self.axes[::-1],
            row=self.column,
            column=self.row,
        )

    def html(self) -> str:
        """Return the table with its symbol, shape and labels."""
        n_rows, n_columns = self.values.shape
        axes = f" {' × '.join(symbol(axis) if '_' in axis else html.escape(axis) for axis in self.axes)}"
        caption = f"{symbol(self.symbol)} <small>{n_rows} × {n_columns}{axes if any(self.axes) else ''}</small>"
        head = "".join(f'<th scope="col" title="{_short(name)}">{_short(name)}</th>' for name in self.columns)
        decimals = decimals_of(self.values) if self.decimals is None else self.decimals
        strength = self._strength()
        body = "".join(
            f'<tr><th scope="row" title="{_short(self.rows[row])}">{_short(self.rows[row])}</th>'
            + "".join(self._cell(row, column, strength, decimals) for column in range(n_columns))
            + "</tr>"
            for row in range(n_rows)
        )
        sort = "matrix" if self.digits else "matrix bare"
        return (
            f'<figure class="{sort}" tabindex="0"><figcaption>{caption}</figcaption>'
            f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></figure>"
        )

    def _strength(self) -> np.ndarray:
        """Return the strength of each cell's colour, 0 to 1."""
        size = np.where(np.isfinite(self.values), np.abs(self.values), 0.0)
        if self.scale == "weights":
            return np.clip(size, 0, 1)
        largest = size.max(-1, keepdims=True) if self.scale == "rows" else np.full_like(size[:, :1], size.max())
        return np.divide(size, largest, out=np.zeros_like(size), where=largest > 0)

    def _cell(self, row: int, column: int, strength: np.ndarray, decimals: int) -> str:
        value = float(self.values[row, column])
        masked = np.isneginf(value) or (self.hidden is not None and bool(self.hidden[row, column]))
        classes = ["hidden"] if masked else ["nan"] if np.isnan(value) else ["less"] if value < 0 else []
        classes += ["chosen"] if self._outlined(row, column) else []
        named = f"{self.rows[row]}, {self.columns[column]}: {number(value, 6)}"
        return (
            f'<td class="{" ".join(classes)}" style="--p:{strength[row, column]:.3f}" title="{html.escape(named)}">'
            f"{number(value, decimals) if self.digits else ''}</td>"
        )

    def _outlined(self, row: int, column: int) -> bool:
        if self.row is None and self.column is None:
            return False
        return self.row in (None, row) and self.column in (None, column)


def equation(*terms: Matrix | str) -> str:
    """Return matrices and the signs between them in one line, which breaks before a sign on a narrow page.

    A string is a sign: a symbol or an HTML fragment of this package, never a visitor's text, because it is not escaped.
    """
    parts, signs = [], ""
    for term in terms:
        if isinstance(term, Matrix):
            parts.append(f'<span class="term">{signs}{term.html()}</span>')  # the line never breaks after a sign
            signs = ""
        else:
            signs += f'<span class="sign">{term}</span>'
    return f'<div class="equation">{"".join(parts)}{signs}</div>'


@dataclass(frozen=True)
class Column:
    """A column of a `table`. With `bar`, each number also has a bar, and `bar` is the number of a full one."""

    title: str
    values: Sequence[Any] | np.ndarray
    bar: float | None = None
    decimals: int = MOST_DECIMALS


def table(names: Sequence[str], columns: Sequence[Column], *, corner: str, chosen: int | None = None) -> str:
    """Return a table with one named row for each value. Names are escaped; titles are not, so they must be ours."""
    head = "".join(f'<th scope="col">{column.title}</th>' for column in columns)
    body = "".join(
        f'<tr class="{"chosen" if row == chosen else ""}"><th scope="row">{_short(name)}</th>'
        + "".join(_bar(column, column.values[row]) for column in columns)
        + "</tr>"
        for row, name in enumerate(names)
    )
    return (
        f'<div class="worked" tabindex="0" role="region" aria-label="Table by {corner}"><table>'
        f'<thead><tr><th scope="col">{corner}</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _bar(column: Column, value: Any) -> str:
    if isinstance(value, str):
        return f"<td>{html.escape(value)}</td>"
    written = number(float(value), column.decimals)
    if column.bar is None:
        return f"<td>{written}</td>"
    share = min(1.0, abs(float(value)) / column.bar) if column.bar > 0 and np.isfinite(value) else 0.0
    sort = "bar less" if value < 0 else "bar"
    return f'<td class="{sort}"><i style="--p:{share:.3f}"></i>{written}</td>'


def symbol(name: str) -> str:
    """Return `W_q`, `K_1^T` or `q_i · k_j` as HTML in italics, with subscript and superscript."""
    if " " in name:
        return " ".join(symbol(part) if part.isascii() else html.escape(part) for part in name.split(" "))
    found = _SYMBOL.fullmatch(name)
    if found is None:
        return f"<var>{html.escape(name)}</var>"
    base, below, above = (html.escape(part or "") for part in found.groups())
    return f"<var>{base}</var>{f'<sub>{below}</sub>' if below else ''}{f'<sup>{above}</sup>' if above else ''}"


def number(value: float, decimals: int) -> str:
    """Return a number as text for a cell: infinity and NaN by name, very large and small numbers with a power of 10."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value and (abs(value) >= 1e5 or abs(value) < 0.5 * 10.0**-MOST_DECIMALS):
        return f"{value:.1e}".replace("-", "−").replace("e+0", "e").replace("e+", "e").replace("e−0", "e−")
    return f"{value:.{decimals}f}".replace("-", "−")


def decimals_of(values: Float[np.ndarray, "row column"]) -> int:
    """Return the fewest decimals that show every number of a matrix exactly, at most `MOST_DECIMALS`."""
    finite = values[np.isfinite(values)]
    for decimals in range(MOST_DECIMALS):
        if np.abs(finite - finite.round(decimals)).max(initial=0.0) < 1e-9:
            return decimals
    return MOST_DECIMALS


def _short(name: str) -> str:
    return html.escape(name if len(name) <= MOST_LABEL else name[: MOST_LABEL - 1] + "…")
