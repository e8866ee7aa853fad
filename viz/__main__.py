"""The command line: `python -m viz heatmap --model minilm --text "..." --layer 5 --head 11 -o head.svg`."""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import BadSelection, HeadlightError, NoText
from viz.cli.arguments import look_of, parsed, unused
from viz.cli.interrupt import INTERRUPTED

if TYPE_CHECKING:
    from PIL import Image

    from models import Attention

FORMATS = ("PNG", "JPEG", "WEBP")


class CannotWrite(HeadlightError):
    """The file cannot be written where it was asked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one file and return the exit code: 0, or 2 with one sentence on standard error for what cannot be done.

    Raises:
        SystemExit: the arguments are wrong, likewise with code 2 after one sentence.
    """
    try:
        _write(parsed(arguments))
    except HeadlightError as error:
        print(f"headlight: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _write(options: argparse.Namespace) -> None:
    # Importing torch takes seconds and loading a model may take more: what can be refused before is refused before.
    from models import load_model
    from viz import Look, save
    from viz.files.export import format_of

    _silence()
    format_of(options.figure, options.output)
    _check_output(options.output)
    spans = _span(options.queries, "queries"), _span(options.keys, "keys")
    look = Look(**look_of(options))
    image = _picture(options.image) if options.image is not None else None
    model = load_model(options.model, revision=options.revision, device=options.device, dtype=options.dtype)
    if image is not None:
        trace = model.trace(image=image)
    else:
        given = {"text_pair": options.text_pair, "target": options.target, "generate": options.generate}
        trace = model.trace(options.text, **given)
    att = trace[options.kind or trace.kinds[0]]
    look = replace(look, region=_region(att, *spans))
    shown = {"layer": options.layer, "head": options.head, "look": look, "image": trace.image}
    try:
        made = save(att, options.figure, options.output, **shown)
    except OSError as error:
        raise _cannot_write(options.output, error) from error
    for notice in (*model.card.notices, *trace.notices, *unused(options), made.notice):
        if notice:
            print(f"headlight: note: {notice}", file=sys.stderr)


def _picture(path: str) -> Image.Image:
    from PIL import Image

    try:
        return Image.open(path, formats=FORMATS)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise NoText(f"The picture {path} cannot be read: {error.strerror}.") from error
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise NoText(f"{path} is no picture that can be read: give a PNG, JPEG or WebP file.") from error


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


def _span(text: str | None, side: str) -> tuple[int, int | None]:
    """Return the start and the stop of "0:64", as Python's slices have them: either may be left out."""
    found = re.fullmatch(r"([0-9]{0,7}):([0-9]{0,7})", text or ":")
    if found is None:
        raise BadSelection(f"The {side} of a window are given as 0:64, not {str(text)[:40]!r}.")
    return int(found[1] or 0), int(found[2]) if found[2] else None


def _region(att: Attention, queries: tuple[int, int | None], keys: tuple[int, int | None]) -> str:
    if (queries, keys) == ((0, None), (0, None)):
        return ""
    sides = (("queries", queries, att.n_query), ("keys", keys, att.n_key))
    for side, (start, stop), count in sides:
        if not start < (count if stop is None else stop) <= count:
            window = f"{start}:{'' if stop is None else stop}"
            raise BadSelection(f"There are no {side} {window}: this text has {count} of them, 0:{count}.")
    return ":".join(f"{start}-{(count if stop is None else stop) - 1}" for _, (start, stop), count in sides)


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


if __name__ == "__main__":
    # Chosen before torch is imported: a command that writes one file needs no thread pool warnings.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main())
