"""The command line: `python -m viz heatmap --model minilm --text "..." --layer 5 --head 11 -o head.svg`."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from models.errors import BadSelection, HeadlightError, NoText
from viz.colours import CONTRASTS, PALETTES

if TYPE_CHECKING:
    from PIL import Image

    from models import Attention

FORMATS = ("PNG", "JPEG", "WEBP")

_DESCRIPTION = "Draw a transformer's attention into a file; the suffix of OUTPUT picks the format."


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one file and return the exit code: 0, or 2 with one sentence on standard error for what cannot be done."""
    options = _parser().parse_args(arguments)
    try:
        _write(options)
    except HeadlightError as error:
        print(f"headlight: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"headlight: {options.output} cannot be written: {error.strerror or error}.", file=sys.stderr)
        return 2
    return 0


def _write(options: argparse.Namespace) -> None:
    # Importing torch takes seconds and loading a model may take more: what can be refused before is refused before.
    from models import load_model
    from viz import Look, save
    from viz.export import format_of

    _silence()
    format_of(options.figure, options.output)
    spans = _span(options.queries, "queries"), _span(options.keys, "keys")
    look = Look(options.threshold, options.palette, options.contrast, options.token)
    model = load_model(options.model, revision=options.revision, device=options.device, dtype=options.dtype)
    if options.image:
        trace = model.trace(image=_picture(options.image))
    else:
        given = {"text_pair": options.text_pair, "target": options.target, "generate": options.generate}
        trace = model.trace(options.text, **given)
    att = trace[options.kind or trace.kinds[0]]
    look = replace(look, region=_region(att, *spans))
    shown = {"layer": options.layer, "head": options.head, "look": look, "image": trace.image}
    made = save(att, options.figure, options.output, **shown)
    for notice in (*model.card.notices, *trace.notices, made.notice):
        if notice:
            print(f"headlight: note: {notice}", file=sys.stderr)


def _picture(path: str) -> Image.Image:
    from PIL import Image

    try:
        return Image.open(path, formats=FORMATS)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise NoText(f"{path} is no picture that can be read: give a PNG, JPEG or WebP file.") from error


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m viz", description=_DESCRIPTION)
    figures = parser.add_subparsers(dest="figure", required=True, metavar="FIGURE")
    helps = {
        "heatmap": "one head: queries down, keys across (.png .svg .pdf .html)",
        "flow": "one head: lines from token to token (.png .svg .pdf .html)",
        "grid": "all heads as small maps (.png .svg .pdf .html)",
        "patches": "what one query of one head looks at, as light on the picture (.png .svg .pdf .html)",
        "signal": "what one place of a signal looks at, drawn over it (.png .svg .pdf .html)",
        "table": "weights of one head, of a layer, or of all (.csv .npz)",
    }
    for name, text in helps.items():
        figure = figures.add_parser(name, help=text, description=text)
        one_head = name in ("heatmap", "flow", "patches", "signal")
        figure.add_argument("--model", default="minilm", help="bundled name, folder, or hub id (default: minilm)")
        figure.add_argument("--revision", help="branch, tag or commit of a hub id")
        read = figure.add_mutually_exclusive_group(required=True)
        read.add_argument("--text", help="the text to inspect")
        read.add_argument("--image", metavar="FILE", help="the picture to inspect, for a model that reads pictures")
        figure.add_argument("--text-pair", help="a second segment")
        figure.add_argument("--generate", type=int, default=0, metavar="N", help="let a decoder continue by N tokens")
        figure.add_argument("--target", help="what the decoder of an encoder-decoder reads")
        figure.add_argument("--kind", choices=("encoder", "decoder", "cross"), help="which attention")
        figure.add_argument("--layer", type=int, required=one_head, help="0-based")
        figure.add_argument("--head", type=int, required=one_head, help="0-based")
        figure.add_argument("--threshold", type=float, default=0.05, help="smallest weight that a flow draws")
        figure.add_argument("--token", default="", help="the one whose lines a flow isolates: query:8 or key:2")
        figure.add_argument("--palette", choices=PALETTES, default="blues")
        figure.add_argument("--contrast", choices=tuple(CONTRASTS), default="linear")
        if name not in ("grid", "patches", "signal"):
            figure.add_argument("--queries", help="a window of a long text, as 0:64 (64 queries from the first on)")
            figure.add_argument("--keys", help="the same for keys")
        figure.set_defaults(queries=None, keys=None)
        figure.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
        figure.add_argument("--dtype", default="float32")
        figure.add_argument("-o", "--output", required=True, metavar="OUTPUT")
    return parser


if __name__ == "__main__":
    # Chosen before torch is imported: a command that writes one file needs no thread pool warnings.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main())
