"""The weights themselves as files: one row a pair as CSV, or arrays as NPZ."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from analysis.pairs import COLUMNS
from models import Token
from models.trace_files.csv_tables import escape
from viz.figures.table import TableView
from viz.files.provenance import as_json
from viz.formats import CannotExport
from viz.labels import label

# The tokens as the pictures show them: `##ing` as `·ing`, and which word an [UNK] stands for.
DISPLAY_COLUMNS = ("query_display", "key_display")
# A spreadsheet would open no more rows of a CSV, and a person read none of them; weights of an NPZ are 4 bytes each.
MAX_ROWS = {"csv": 20_000_000, "npz": 400_000_000}
# So many queries of a head are read at once.
STRIP = 256
# So many queries tell how long the lines of a CSV are.
MEASURED = 5


def too_many_rows(file_format: str, n_rows: int) -> str | None:
    """Return why a table of so many rows cannot be written, None if it can."""
    most = MAX_ROWS[file_format]
    if n_rows <= most:
        return None
    remedy = "or NPZ" if n_rows <= MAX_ROWS["npz"] else "or a region of it"
    return f"This table would have {n_rows:,} rows, the most is {most:,}: choose one head, {remedy}."


def table_bytes(view: TableView, file_format: str) -> int:
    """Return about how many bytes a table takes while it is made: a CSV its lines, an NPZ its weights uncompressed.

    Of a CSV a few queries are written, first to last; the length of all lines is estimated from theirs.
    """
    if file_format == "npz":
        return view.n_rows * np.dtype(np.float32).itemsize
    queries, keys, n_bytes = view.queries, _Cells(view.att.key_tokens, view.keys), 0
    if not queries or not view.keys:
        return 0
    for part in np.linspace(0, 1, MEASURED):
        query, number = queries[round(part * (len(queries) - 1))], round(part * (len(view.heads) - 1))
        n_bytes += sum(map(len, _lines(view, number, _Cells(view.att.query_tokens, [query]), keys)))
    return round(n_bytes / (MEASURED * len(view.keys)) * view.n_rows)


def _admit_rows(file_format: str, n_rows: int) -> None:
    refusal = too_many_rows(file_format, n_rows)
    if refusal:
        raise CannotExport(refusal)


def spreadsheet_text(text: str) -> str:
    """Return text that no spreadsheet runs as a formula: an apostrophe stands before one (OWASP, CSV injection).

    Another one stands before text that begins with apostrophes and a formula, so that a reader can undo it.
    """
    return escape(text)


def csv_table(view: TableView) -> bytes:
    """Return the chosen weights as CSV: `COLUMNS`, then `DISPLAY_COLUMNS`.

    It begins with a byte order mark, without which Excel takes UTF-8 for the code page of its country. Every cell is
    text or a number: pandas reads the tokens "null", "nan" and "NA" as such only with `keep_default_na=False`.

    Raises:
        BadSelection: no such layer or head.
        CannotExport: more rows than `MAX_ROWS`.
    """
    _admit_rows("csv", view.n_rows)
    queries, keys = _Cells(view.att.query_tokens, view.queries), _Cells(view.att.key_tokens, view.keys)
    file = io.BytesIO()
    file.write(codecs.BOM_UTF8)
    # The line end of RFC 4180: with it, a lone carriage return or line feed in a token is quoted.
    file.write((",".join((*COLUMNS, *DISPLAY_COLUMNS)) + "\r\n").encode("ascii"))
    for number in range(len(view.heads)):
        file.writelines(_lines(view, number, queries, keys))
    return file.getvalue()


class _Cells:
    """The tokens of a side as cells of a CSV, made once for all the rows that they stand in."""

    def __init__(self, tokens: Sequence[Token], positions: Sequence[int]) -> None:
        self.positions = positions
        self.pieces = [_cell(tokens[position].text) for position in positions]
        self.shown = [_cell(label(tokens[position])) for position in positions]


def _cell(text: str) -> str:
    file = io.StringIO(newline="")
    # Two cells, since the writer quotes an empty one where it is the only one.
    csv.writer(file, lineterminator="\r\n").writerow(("", spreadsheet_text(text)))
    return file.getvalue()[1:-2]


def _lines(view: TableView, number: int, queries: _Cells, keys: _Cells) -> Iterator[bytes]:
    """Yield the lines of each query of a head; nine digits tell any two float32 apart."""
    (layer, head), named = view.heads[number], ",".join(map(str, view.named_heads[number]))
    names = list(zip(keys.positions, keys.pieces, keys.shown, strict=True))
    for start in range(0, len(queries.positions), STRIP):
        strip = slice(start, start + STRIP)
        weights = view.att.weights(layer, head, _run(queries.positions[strip]), _run(keys.positions))
        for query, piece, shown, row in zip(
            queries.positions[strip], queries.pieces[strip], queries.shown[strip], weights, strict=True
        ):
            yield "".join(
                f"{named},{query},{key},{piece},{key_piece},{weight:.9g},{shown},{key_shown}\r\n"
                for (key, key_piece, key_shown), weight in zip(names, row.tolist(), strict=True)
            ).encode("utf-8")


def _run(positions: Sequence[int]) -> slice | Sequence[int]:
    """Return positions without gaps as a slice, which is read faster."""
    is_run = bool(positions) and positions[-1] - positions[0] == len(positions) - 1
    return slice(positions[0], positions[-1] + 1) if is_run else positions


def npz_table(view: TableView, origin: dict[str, Any]) -> bytes:
    """Return the chosen weights `[head, query, key]` as NPZ, with what its axes are and where it comes from.

    Raises:
        BadSelection: no such layer or head.
        CannotExport: more weights than `MAX_ROWS`.
    """
    _admit_rows("npz", view.n_rows)
    queries, keys = view.queries, view.keys
    tokens = [view.att.query_tokens[query] for query in queries], [view.att.key_tokens[key] for key in keys]
    # Filled head by head: a list of all heads beside them would take the same again.
    weights = np.empty((len(view.heads), len(queries), len(keys)), dtype=np.float32)
    for number, (layer, head) in enumerate(view.heads):
        weights[number] = view.att.weights(layer, head, _run(queries), _run(keys))
    file = io.BytesIO()
    np.savez_compressed(
        file,
        weights=weights,
        layer=np.array([layer for layer, _ in view.named_heads], dtype=np.int32),
        head=np.array([head for _, head in view.named_heads], dtype=np.int32),
        query=np.array(queries, dtype=np.int32),
        key=np.array(keys, dtype=np.int32),
        query_tokens=np.array([token.text for token in tokens[0]]),
        key_tokens=np.array([token.text for token in tokens[1]]),
        query_display=np.array([label(token) for token in tokens[0]]),
        key_display=np.array([label(token) for token in tokens[1]]),
        provenance=np.array(as_json(origin)),
    )
    return file.getvalue()
