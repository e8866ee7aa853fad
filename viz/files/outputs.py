"""What a model answers, as CSV: one row for each answer."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from models.errors import NoAnswer
from models.outputs import Label, Outputs, Word
from models.tasks import CLASSIFY, CLASSIFY_IMAGE, FIND_SPAN, WORDS
from viz.files.tables import spreadsheet_text
from viz.labels import label

# `position` and `token` are empty if the answer is one to the whole; `probability` is if the answer is a number.
OUTPUT_COLUMNS = ("position", "token", "rank", "answer", "id", "probability", "score")
Row = tuple[str | int | float, ...]


def csv_outputs(outputs: Outputs, text: str, positions: Sequence[int] | None = None, n: int = 5) -> str:
    """Return the `n` best answers as CSV: to the whole, or at each position (all of them if None).

    `text` is the one that answers to questions are quoted from.

    Raises:
        NoAnswer: the trace has no answers.
        BadSelection: there is no such position.
    """
    if not outputs:
        raise NoAnswer(outputs.reason)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(OUTPUT_COLUMNS)
    for row in _rows(outputs, text, positions, n):
        writer.writerow([spreadsheet_text(cell) if isinstance(cell, str) else cell for cell in row])
    return file.getvalue()


def _rows(outputs: Outputs, text: str, positions: Sequence[int] | None, n: int) -> Iterator[Row]:
    if outputs.task == FIND_SPAN:
        for rank, span in enumerate(outputs.spans(n), 1):
            found, token = text[span.start : span.end], label(outputs.tokens[span.first])
            yield span.first, token, rank, found, "", _value(span.probability), ""
        return
    if outputs.task in (CLASSIFY, CLASSIFY_IMAGE):
        yield from (("", "", *_cells(rank, found)) for rank, found in enumerate(outputs.labels(n), 1))
        return
    for position in range(len(outputs.tokens)) if positions is None else positions:
        best: Sequence[Word | Label] = (
            outputs.top_words(position, n) if outputs.task in WORDS else outputs.token_labels(position, n)
        )
        token = label(outputs.tokens[position])
        yield from ((position % len(outputs.tokens), token, *_cells(rank, each)) for rank, each in enumerate(best, 1))


def _cells(rank: int, answer: Word | Label) -> Row:
    if isinstance(answer, Word):
        return rank, label(answer.token), answer.token.id, _value(answer.probability), ""
    return rank, answer.name, answer.id, _value(answer.probability), _value(answer.score)


def _value(number: float | None) -> float | str:
    return "" if number is None else float(f"{number:.6g}")
