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
from analysis.selection import Region, region_of
from models import Attention, Token
from models.errors import BadSelection, HeadlightError
from viz.files.provenance import as_json
from viz.view import Look, label, tokens_in

# The tokens as the pictures show them: `##ing` as `·ing`, and which word an [UNK] stands for.
DISPLAY_COLUMNS = ("query_display", "key_display")
# A spreadsheet would open no more rows of a CSV, and a person read none of them; weights of an NPZ are 4 bytes each.
MOST_ROWS = {"csv": 20_000_000, "npz": 400_000_000}
# So many queries tell how long the lines of a CSV are.
MEASURED = 5
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class CannotExport(HeadlightError):
    """A format that a figure does not have, or a table that would be too long."""


def selected_heads(att: Attention, layer: int | None, head: int | None) -> list[tuple[int, int]]:
    """Return the heads of a table as (layer, head): one, those of a layer, or all.

    Raises:
        BadSelection: no such layer, or a head without its layer.
    """
    layers = range(att.n_layers) if layer is None else [layer]
    if layer is None and head is not None:
        raise BadSelection("A table of one head needs its layer too: give both, or neither for all heads.")
    return [(row, column) for row in layers for column in (range(att.heads_in(row)) if head is None else [head])]


def table_rows(att: Attention, layer: int | None, head: int | None, look: Look | None = None) -> int:
    """Return how many rows a table of this selection has, one a pair.

    Raises:
        BadSelection: no such layer or region.
    """
    region = region_of(att, look.region if look else "")
    return len(selected_heads(att, layer, head)) * len(region.queries) * len(region.keys)


def too_many_rows(file_format: str, n_rows: int) -> str | None:
    """Return why a table of so many rows cannot be written, None if it can."""
    most = MOST_ROWS[file_format]
    if n_rows <= most:
        return None
    remedy = "or NPZ" if n_rows <= MOST_ROWS["npz"] else "or a region of it"
    return f"This table would have {n_rows:,} rows, the most is {most:,}: choose one head, {remedy}."


def table_bytes(att: Attention, layer: int | None, head: int | None, file_format: str, look: Look) -> int:
    """Return about how many bytes a table takes while it is made: a CSV its lines, an NPZ its weights uncompressed.

    Of a CSV a few queries are written, first to last, and what their lines take is taken for the length of all.

    Raises:
        BadSelection: no such layer, head or region.
    """
    n_rows = table_rows(att, layer, head, look)
    if file_format == "npz":
        return n_rows * np.dtype(np.float32).itemsize
    region, heads = region_of(att, look.region), selected_heads(att, layer, head)
    queries, keys = tokens_in(att, region)
    key_cells, n_bytes = _Cells(keys), 0
    for part in np.linspace(0, 1, MEASURED):
        number, (row, column) = round(part * (len(queries) - 1)), heads[round(part * (len(heads) - 1))]
        one = replace(region, queries=region.queries[number : number + 1])
        query_cells = _Cells(queries[number : number + 1])
        n_bytes += sum(map(len, _lines(att, row, column, one, query_cells, key_cells)))
    return round(n_bytes / (MEASURED * len(keys)) * n_rows)


def _admit_rows(file_format: str, n_rows: int) -> None:
    refusal = too_many_rows(file_format, n_rows)
    if refusal:
        raise CannotExport(refusal)


def spreadsheet_text(text: str) -> str:
    """Return text that no spreadsheet runs as a formula: an apostrophe stands before one (OWASP, CSV injection)."""
    return "'" + text if text.startswith(_FORMULA) else text


def csv_table(att: Attention, layer: int | None, head: int | None, look: Look) -> bytes:
    """Return the chosen weights as CSV: `COLUMNS`, then `DISPLAY_COLUMNS`.

    It begins with a byte order mark, without which Excel takes UTF-8 for the code page of its country. Every cell is
    text or a number: pandas reads the tokens "null", "nan" and "NA" as such only with `keep_default_na=False`.

    Raises:
        BadSelection: no such layer, head or region.
        CannotExport: more rows than `MOST_ROWS`.
    """
    _admit_rows("csv", table_rows(att, layer, head, look))
    region = region_of(att, look.region)
    queries, keys = (_Cells(tokens) for tokens in tokens_in(att, region))
    file = io.BytesIO()
    file.write(codecs.BOM_UTF8)
    # The line end of RFC 4180: with it, a lone carriage return or line feed in a token is quoted.
    file.write((",".join((*COLUMNS, *DISPLAY_COLUMNS)) + "\r\n").encode("ascii"))
    for row, column in selected_heads(att, layer, head):
        file.writelines(_lines(att, row, column, region, queries, keys))
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


def _lines(att: Attention, row: int, column: int, region: Region, queries: _Cells, keys: _Cells) -> Iterator[bytes]:
    """Yield the lines of each query of a head; nine digits tell any two float32 apart."""
    weights = att.weights(row, column, _slice(region.queries), _slice(region.keys))
    names = list(zip(region.keys, keys.pieces, keys.shown, strict=True))
    for number, query, piece, shown in zip(
        range(len(weights)), region.queries, queries.pieces, queries.shown, strict=True
    ):
        pairs = zip(names, weights[number].tolist(), strict=True)
        yield "".join(
            f"{row},{column},{query},{key},{piece},{key_piece},{weight:.9g},{shown},{key_shown}\r\n"
            for (key, key_piece, key_shown), weight in pairs
        ).encode("utf-8")


def _slice(span: range) -> slice:
    return slice(span.start, span.stop)


def npz_table(att: Attention, layer: int | None, head: int | None, look: Look, origin: dict[str, Any]) -> bytes:
    """Return the chosen weights `[head, query, key]` as NPZ, with what its axes are and where it comes from.

    Raises:
        BadSelection: no such layer, head or region.
        CannotExport: more weights than `MOST_ROWS`.
    """
    _admit_rows("npz", table_rows(att, layer, head, look))
    region, chosen = region_of(att, look.region), selected_heads(att, layer, head)
    queries, keys = _slice(region.queries), _slice(region.keys)
    query_tokens, key_tokens = tokens_in(att, region)
    # Filled head by head: a list of all heads beside them would take the same again.
    weights = np.empty((len(chosen), len(region.queries), len(region.keys)), dtype=np.float32)
    for number, (row, column) in enumerate(chosen):
        weights[number] = att.weights(row, column, queries, keys)
    file = io.BytesIO()
    np.savez_compressed(
        file,
        weights=weights,
        layer=np.array([row for row, _ in chosen], dtype=np.int32),
        head=np.array([column for _, column in chosen], dtype=np.int32),
        query=np.array(region.queries, dtype=np.int32),
        key=np.array(region.keys, dtype=np.int32),
        query_tokens=np.array([token.text for token in query_tokens]),
        key_tokens=np.array([token.text for token in key_tokens]),
        query_display=np.array([label(token) for token in query_tokens]),
        key_display=np.array([label(token) for token in key_tokens]),
        provenance=np.array(as_json(origin)),
    )
    return file.getvalue()
