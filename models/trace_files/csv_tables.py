"""The `.csv` of the figure `table`, as it was written or as a spreadsheet saved it again."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from models.tokens import Token
from models.trace_files.refusals import Spoilt, admit, shown
from models.trace_files.tables import Table, check_side, make_token

if TYPE_CHECKING:
    from models.attention import Attention

# A spreadsheet would run text that begins so as a formula: an apostrophe stands before it (viz/files/tables.py).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBERS = ("layer", "head", "query", "key")
_NEEDED = (*_NUMBERS, "query_token", "key_token", "weight")
_SEPARATORS = (",", ";", "\t")
# Pairs that a table lacks are no numbers; a table of a few pairs far apart would take far more memory than its file.
_MOST_LACKING = 16
_FREE_PAIRS = 1_000_000
# What a row takes while the file is read, its texts aside.
_ROW_BYTES = 80
_LONGEST_CELL = 100_000


def escape(text: str) -> str:
    """Return text that no spreadsheet runs as a formula, and that `unescape` returns as it was."""
    return "'" + text if text.lstrip("'").startswith(FORMULA) else text


def unescape(text: str) -> str:
    """Return a text as it was before `escape`."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(FORMULA) else text


def read_csv_table(path: Path, max_bytes: int) -> Attention:
    """Return the attention of a `.csv` of the figure `table`; pairs that it lacks are no numbers (NaN).

    Raises:
        Spoilt: it is no such table, contradicts itself, or takes too much memory.
    """
    with _reading(path) as (file, n_rows):
        admit(path.stat().st_size + _ROW_BYTES * n_rows, max_bytes, "reading it")
        rows = _Rows(file)
        rows.read()
    return rows.table(max_bytes).attention()


@contextmanager
def _reading(path: Path) -> Iterator[tuple[IO[str], int]]:
    """Give the file as text, and how many lines it has; turn what Python says of it into a few words."""
    with path.open("rb") as raw:
        n_rows = sum(chunk.count(b"\n") for chunk in iter(lambda: raw.read(2**20), b""))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file, n_rows
    except UnicodeDecodeError as error:
        raise Spoilt("it is not a text in UTF-8", "save it as CSV UTF-8") from error
    except csv.Error as error:
        raise Spoilt(f"it is no table ({shown(str(error))})") from error


class _Rows:
    """The rows of a table while they are read: numbers in columns, and the token at each position."""

    def __init__(self, file: IO[str]) -> None:
        header = file.readline(10_000)
        self._separator = max(_SEPARATORS, key=header.count)
        self._lines = csv.reader(file, delimiter=self._separator, strict=True)
        names = next(csv.reader([header], delimiter=self._separator), [])
        self._at = {name.strip(): number for number, name in enumerate(names)}
        lacking = [name for name in _NEEDED if name not in self._at]
        if lacking:
            raise Spoilt(
                f"its first line has no column {lacking[0]!r}", f"save a table with the columns {', '.join(_NEEDED)}"
            )
        self._n_columns = len(names)
        self._numbers = {name: array("q") for name in _NUMBERS}
        self._weights = array("d")
        self._tokens: dict[str, dict[int, Token]] = {"query": {}, "key": {}}
        self._known: dict[tuple[str, str], Token] = {}

    def read(self) -> None:
        """Read all rows.

        Raises:
            Spoilt: a row is wrong, with its number.
        """
        columns, weight_at = [(self._numbers[name], self._at[name]) for name in _NUMBERS], self._at["weight"]
        texts = [(side, self._at[f"{side}_token"], self._at.get(f"{side}_display")) for side in ("query", "key")]
        decimal_comma = self._separator != ","
        for number, row in enumerate(self._lines, start=2):
            if not row:
                continue
            if len(row) != self._n_columns:
                raise Spoilt(f"row {number:,} has {len(row)} cells, expected {self._n_columns}")
            try:
                for column, at in columns:
                    column.append(_whole(row[at]))
                weight = row[weight_at]
                self._weights.append(float(weight.replace(",", ".") if decimal_comma else weight))
            except (ValueError, OverflowError) as error:
                raise Spoilt(f"row {number:,} has something else than a number: {shown(str(row), 80)}") from error
            for (side, text_at, shown_at), position in zip(texts, (columns[2][0][-1], columns[3][0][-1]), strict=True):
                self._add_token(
                    side, position, row[text_at], row[shown_at if shown_at is not None else text_at], number
                )

    def _add_token(self, side: str, position: int, text: str, display: str, number: int) -> None:
        token = self._known.get((text, display))
        if token is None:
            if len(text) + len(display) > _LONGEST_CELL:
                raise Spoilt(f"row {number:,} has a token of {len(text):,} characters")
            token = self._known[text, display] = make_token(unescape(text), unescape(display))
        if self._tokens[side].setdefault(position, token) is not token:
            raise Spoilt(f"row {number:,} has another token at {side} {position} than a row before")

    def table(self, max_bytes: int) -> Table:
        """Return the weights of all heads; numbers of queries and keys in their order.

        Raises:
            Spoilt: there are none, a pair stands there twice, or they are too far apart.
        """
        if not self._weights:
            raise Spoilt("it has no rows")
        layer, head, query, key = (np.frombuffer(self._numbers[name], np.int64) for name in _NUMBERS)
        pairs, of_head = np.unique(np.stack([layer, head]), axis=1, return_inverse=True)
        (queries, of_query), (keys, of_key) = (np.unique(side, return_inverse=True) for side in (query, key))
        shape = pairs.shape[1], len(queries), len(keys)
        n_pairs, n_rows = shape[0] * shape[1] * shape[2], len(layer)
        if n_pairs > _MOST_LACKING * n_rows + _FREE_PAIRS:
            raise Spoilt(f"it has {n_rows:,} of the {n_pairs:,} pairs of its heads, queries and keys", "save all pairs")
        admit(4 * n_pairs * 3 + 32 * n_rows, max_bytes, "reading it")
        at = np.ravel_multi_index((of_head.reshape(-1), of_query, of_key), shape)
        seen = np.zeros(n_pairs, np.bool_)
        seen[at] = True
        if np.count_nonzero(seen) < n_rows:
            raise Spoilt("it has a pair of a head, a query and a key twice")
        weights = np.full(n_pairs, np.nan, np.float32)
        with np.errstate(over="ignore"):
            weights[at] = np.frombuffer(self._weights, np.float64)
        positions = queries.tolist(), keys.tolist()
        for name, side in zip(("queries", "keys"), positions, strict=True):
            check_side(name, side)
        tokens = [
            tuple(self._tokens[name][position] for position in side)
            for name, side in zip(("query", "key"), positions, strict=True)
        ]
        heads = [(int(one), int(other)) for one, other in pairs.T]
        lacking = n_pairs - n_rows
        notice = f"The table lacks {lacking:,} of {n_pairs:,} pairs: their weights are not numbers."
        return Table(
            weights.reshape(shape),
            heads,
            positions,
            (tokens[0], tokens[1]),
            notices=(notice,) if lacking else (),
        )


def _whole(text: str) -> int:
    """Return a whole number; a spreadsheet may have written it as 3.0."""
    number = int(text.strip().removesuffix(".0").removesuffix(",0"))
    if abs(number) >= 2**31:
        raise ValueError(text)
    return number
