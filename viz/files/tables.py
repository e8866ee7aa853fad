"""The weights themselves as files: one row a pair as CSV, or arrays as NPZ."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from analysis.pairs import COLUMNS
from analysis.selection import Region
from models import Attention, Token
from viz.figures.table import TableView
from viz.files.provenance import as_json
from viz.formats import CannotExport
from viz.labels import label, tokens_in

# The tokens as the pictures show them: `##ing` as `·ing`, and which word an [UNK] stands for.
DISPLAY_COLUMNS = ("query_display", "key_display")
# A spreadsheet would open no more rows of a CSV, and a person read none of them; weights of an NPZ are 4 bytes each.
MAX_ROWS = {"csv": 20_000_000, "npz": 400_000_000}
# So many queries tell how long the lines of a CSV are.
MEASURED = 5
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


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
    queries, keys = tokens_in(view.att, view.region)
    key_cells, n_bytes = _Cells(keys), 0
    for part in np.linspace(0, 1, MEASURED):
        number, (layer, head) = round(part * (len(queries) - 1)), view.heads[round(part * (len(view.heads) - 1))]
        one = replace(view.region, queries=view.region.queries[number : number + 1])
        query_cells = _Cells(queries[number : number + 1])
        n_bytes += sum(map(len, _lines(view.att, layer, head, one, query_cells, key_cells)))
    return round(n_bytes / (MEASURED * len(keys)) * view.n_rows)


def _admit_rows(file_format: str, n_rows: int) -> None:
    refusal = too_many_rows(file_format, n_rows)
    if refusal:
        raise CannotExport(refusal)


def spreadsheet_text(text: str) -> str:
    """Return text that no spreadsheet runs as a formula: an apostrophe stands before one (OWASP, CSV injection)."""
    return "'" + text if text.startswith(_FORMULA) else text


def csv_table(view: TableView) -> bytes:
    """Return the chosen weights as CSV: `COLUMNS`, then `DISPLAY_COLUMNS`.

    It begins with a byte order mark, without which Excel takes UTF-8 for the code page of its country. Every cell is
    text or a number: pandas reads the tokens "null", "nan" and "NA" as such only with `keep_default_na=False`.

    Raises:
        BadSelection: no such layer or head.
        CannotExport: more rows than `MAX_ROWS`.
    """
    _admit_rows("csv", view.n_rows)
    queries, keys = (_Cells(tokens) for tokens in tokens_in(view.att, view.region))
    file = io.BytesIO()
    file.write(codecs.BOM_UTF8)
    # The line end of RFC 4180: with it, a lone carriage return or line feed in a token is quoted.
    file.write((",".join((*COLUMNS, *DISPLAY_COLUMNS)) + "\r\n").encode("ascii"))
    for layer, head in view.heads:
        file.writelines(_lines(view.att, layer, head, view.region, queries, keys))
    return file.getvalue()


class _Cells:
    """The tokens of a side as cells of a CSV, made once for all the rows that they stand in."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.pieces = [_cell(token.text) for token in tokens]
        self.shown = [_cell(label(token)) for token in tokens]


def _cell(text: str) -> str:
    file = io.StringIO(newline="")
    # Two cells, since the writer quotes an empty one where it is the only one.
    csv.writer(file, lineterminator="\r\n").writerow(("", spreadsheet_text(text)))
    return file.getvalue()[1:-2]


def _lines(att: Attention, layer: int, head: int, region: Region, queries: _Cells, keys: _Cells) -> Iterator[bytes]:
    """Yield the lines of each query of a head; nine digits tell any two float32 apart."""
    weights = att.weights(layer, head, *region.slices)
    names = list(zip(region.keys, keys.pieces, keys.shown, strict=True))
    for number, query, piece, shown in zip(
        range(len(weights)), region.queries, queries.pieces, queries.shown, strict=True
    ):
        pairs = zip(names, weights[number].tolist(), strict=True)
        yield "".join(
            f"{layer},{head},{query},{key},{piece},{key_piece},{weight:.9g},{shown},{key_shown}\r\n"
            for (key, key_piece, key_shown), weight in pairs
        ).encode("utf-8")


def npz_table(view: TableView, origin: dict[str, Any]) -> bytes:
    """Return the chosen weights `[head, query, key]` as NPZ, with what its axes are and where it comes from.

    Raises:
        BadSelection: no such layer or head.
        CannotExport: more weights than `MAX_ROWS`.
    """
    _admit_rows("npz", view.n_rows)
    region = view.region
    query_tokens, key_tokens = tokens_in(view.att, region)
    # Filled head by head: a list of all heads beside them would take the same again.
    weights = np.empty((len(view.heads), len(region.queries), len(region.keys)), dtype=np.float32)
    for number, (layer, head) in enumerate(view.heads):
        weights[number] = view.att.weights(layer, head, *region.slices)
    file = io.BytesIO()
    np.savez_compressed(
        file,
        weights=weights,
        layer=np.array([layer for layer, _ in view.heads], dtype=np.int32),
        head=np.array([head for _, head in view.heads], dtype=np.int32),
        query=np.array(region.queries, dtype=np.int32),
        key=np.array(region.keys, dtype=np.int32),
        query_tokens=np.array([token.text for token in query_tokens]),
        key_tokens=np.array([token.text for token in key_tokens]),
        query_display=np.array([label(token) for token in query_tokens]),
        key_display=np.array([label(token) for token in key_tokens]),
        provenance=np.array(as_json(origin)),
    )
    return file.getvalue()
