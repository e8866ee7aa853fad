"""The command line: `python -m viz heatmap --model minilm --text "..." --layer 5 --head 11 -o head.svg`."""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from analysis.maps import derive
from analysis.selection import Region
from models import Attention, AttentionTrace, Model, load_model
from models.errors import BadSelection, HeadlightError
from viz.cli import outputs
from viz.cli.arguments import given_options, parse, selection_of, unused_options
from viz.cli.interrupt import INTERRUPTED
from viz.cli.reading import read_inputs
from viz.figures.base import Subject
from viz.figures.registry import FIGURES
from viz.files.export import format_of, save_figure
from viz.method_words import ATTENTION
from viz.options import DrawOptions


class CannotWrite(HeadlightError):
    """The file cannot be written where it was asked for."""


def main(arguments: Sequence[str] | None = None, *, program: str | None = None) -> int:
    """Write one file and return the exit code: 0, or 2 with one sentence on standard error for what cannot be done.

    `program` is what a user types before the figure.

    Raises:
        SystemExit: the arguments are wrong, likewise with code 2 after one sentence.
    """
    try:
        given = parse(arguments, program)
        _write_outputs(given) if given.figure == outputs.NAME else _write(given)
    except HeadlightError as error:
        print(f"headlight: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _write(arguments: argparse.Namespace) -> None:
    figure = FIGURES[arguments.figure]
    _silence()
    format_of(figure.name, arguments.output)
    _check_output(arguments.output)
    texts = _texts(arguments.queries, arguments.keys)
    spans = None if texts else (_span(arguments.queries, "queries"), _span(arguments.keys, "keys"))
    options = DrawOptions(**given_options(arguments))
    selection = selection_of(arguments)
    read = _read(arguments)
    trace = read.trace
    att = read.derive(arguments.show or ATTENTION, trace[arguments.kind or trace.kinds[0]], arguments.goal or "")
    selection.chosen.expand(att)  # Heads that a figure does not show must exist too.
    # Positions are those of the unit.
    shown = att.words() if selection.unit == "words" else att
    region = Region.of_texts(shown, *texts) if texts else _region(shown, *spans) if spans else None
    selection, subject = replace(selection, region=region), Subject(att, trace.image)
    try:
        made = save_figure(figure, Path(arguments.output), subject, selection, options, width=arguments.width)
    except OSError as error:
        raise _cannot_write(arguments.output, error) from error
    for notice in (*read.notices, *trace.notices, *unused_options(arguments), made.notice):
        if notice:
            print(f"headlight: note: {notice}", file=sys.stderr)


@dataclass(frozen=True)
class _Read:
    """A trace of a file, or of a model that reads what is given, and what there is to know of the model."""

    trace: AttentionTrace
    model: Model | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    def derive(self, method: str, att: Attention, goal: str) -> Attention:
        """Return the map of a method, or the attention itself.

        Raises:
            HeadlightError: the method does not fit, or the map would take too much.
        """
        return att if method == ATTENTION else derive(method, att, self.model, self.inputs, goal)


def _read(arguments: argparse.Namespace) -> _Read:
    if arguments.trace is not None:
        return _Read(AttentionTrace.load(arguments.trace))
    given = read_inputs(arguments)
    model = load_model(
        arguments.model or "minilm",
        revision=arguments.revision,
        device=arguments.device or "auto",
        dtype=arguments.dtype or "float32",
    )
    return _Read(model.trace(**given), model, given, model.card.notices)


def _write_outputs(arguments: argparse.Namespace) -> None:
    _silence()
    if arguments.output is not None:
        _check_output(arguments.output)
    read = _read(arguments)
    try:
        outputs.write_outputs(arguments, read.trace)
    except OSError as error:
        raise _cannot_write(arguments.output or "Standard output", error) from error
    for notice in (*read.notices, *read.trace.notices):
        print(f"headlight: note: {notice}", file=sys.stderr)


def _check_output(output: str) -> None:
    """Let a file through that can be written, before a model is loaded for it.

    Raises:
        CannotWrite: there is no such folder, no right to write there, or a folder in the way.
    """
    path = Path(output)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        # What is no folder, or none that may be looked into, says so here.
        os.scandir(path.parent).close()
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _cannot_write(output, error) from error


def _cannot_write(output: str, error: OSError) -> CannotWrite:
    return CannotWrite(f"{output} cannot be written: {error.strerror or error}.")


def _texts(queries: str | None, keys: str | None) -> tuple[int, int] | None:
    """Return the two texts of "A" and "B", None if windows or nothing are given.

    Raises:
        BadSelection: one side is a text of a pair and the other one is not.
    """
    given = [(side or "").upper() for side in (queries, keys)]
    if not {*given} & {"A", "B"}:
        return None
    if not {*given} <= {"A", "B"}:
        raise BadSelection("Of a pair of texts, both sides are given as A or B: --queries A --keys B.")
    return "AB".index(given[0]), "AB".index(given[1])


def _span(text: str | None, side: str) -> tuple[int, int | None]:
    """Return the start and the stop of "0:64", as Python's slices have them: either may be left out."""
    found = re.fullmatch(r"([0-9]{0,7}):([0-9]{0,7})", text or ":")
    if found is None:
        raise BadSelection(f"The {side} of a window are given as 0:64, not {str(text)[:40]!r}.")
    return int(found[1] or 0), int(found[2]) if found[2] else None


def _region(att: Attention, queries: tuple[int, int | None], keys: tuple[int, int | None]) -> Region | None:
    if (queries, keys) == ((0, None), (0, None)):
        return None
    spans = []
    for side, (start, stop), count in (("queries", queries, att.n_query), ("keys", keys, att.n_key)):
        if not start < (count if stop is None else stop) <= count:
            window = f"{start}:{'' if stop is None else stop}"
            raise BadSelection(f"There are no {side} {window}: this text has {count} of them, 0:{count}.")
        spans.append(range(start, count if stop is None else stop))
    return Region(*spans)


def _silence() -> None:
    """Keep standard error for our own sentences; libraries would draw progress bars and warnings on it."""
    import logging
    import warnings

    from huggingface_hub.utils import disable_progress_bars
    from transformers.utils import logging as transformers_logging

    logging.getLogger("headlight").setLevel(logging.CRITICAL)
    transformers_logging.set_verbosity(transformers_logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    disable_progress_bars()
    warnings.simplefilter("ignore")
