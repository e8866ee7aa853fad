"""The arguments of `python -m viz`: each figure has those that it uses, and one sentence explains a wrong one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from analysis.maps import METHODS
from analysis.selection import COMBINE, UNITS, Selection
from models.errors import BadSelection
from models.one_sentence import OneSentenceParser
from models.package import module_name
from viz.cli import outputs
from viz.cli.reading import add_inputs, check_inputs
from viz.cli.values import listed, not_empty, one_of, read_as, shorten
from viz.colours import PALETTES, SCALES
from viz.figures.base import Figure
from viz.figures.registry import FIGURES
from viz.formats import PAPER
from viz.options import TREATMENTS
from viz.paper.width import parse_width

_CHOICE = f"{', '.join(FIGURES)} or {outputs.NAME}"
# Every figure takes these, so that one command line fits all figures; what changes nothing in a figure is noted.
_DRAW_OPTIONS = ("threshold", "palette", "scale", "special", "sink", "renormalise")
# These change what every figure is drawn of.
_ALWAYS_USED = ("special", "sink", "renormalise")
_DESCRIPTION = "Draw a transformer's attention into a file; the suffix of OUTPUT picks the format."


def parse(arguments: Sequence[str] | None, program: str | None = None) -> argparse.Namespace:
    """Return the arguments, as far as they fit together without a model.

    `program` is what a user types before the figure.

    Raises:
        SystemExit: the arguments are wrong, with exit code 2 after one sentence on standard error.
        BadSelection: a layer without a head or a head without a layer.
        NoText: what is to be read does not fit the figure, or excludes something else that is to be read.
    """
    found, unknown = _parser(program).parse_known_args(arguments)
    if unknown:
        name = f"A {found.figure}" if found.figure in FIGURES else f"The command {found.figure}"
        found.command.error(f"{name} has no {shorten(unknown[0])}")
    if found.figure == outputs.NAME:
        outputs.check_model(found)
        check_inputs(found)
        return found
    check_inputs(found, FIGURES[found.figure])
    FIGURES[found.figure].check_heads(selection_of(found))
    if found.goal is not None and not METHODS[found.show or "attention"].has_target:
        raise BadSelection("--goal is what a gradient is of: give --show gradient with it.")
    parse_width(found.width)
    return found


def selection_of(arguments: argparse.Namespace) -> Selection:
    """Return what is chosen, without the region, which needs the text.

    Raises:
        BadSelection: a token or heads are written differently.
    """
    several = {"heads": arguments.heads, "unit": arguments.unit, "combine": arguments.combine}
    return Selection.parse(arguments.layer, arguments.head, token=arguments.token, **several)


def given_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the draw options that were given."""
    return {name: getattr(arguments, name) for name in _DRAW_OPTIONS if getattr(arguments, name) is not None}


def unused_options(arguments: argparse.Namespace) -> list[str]:
    """Return one sentence for each option that was given and changes nothing in this figure."""
    used = _used_options(FIGURES[arguments.figure])
    given = [name for name in (*_DRAW_OPTIONS, "token") if getattr(arguments, name) is not None]
    unused = [f"{_option(name)} changes nothing in a {arguments.figure}." for name in given if name not in used]
    figure = FIGURES[arguments.figure]
    if arguments.heads and arguments.combine == "overlay" and figure.combines and not figure.overlays:
        unused.append(f"--heads changes nothing in a {figure.name} without --combine mean or --combine maximum.")
    return unused


def _used_options(figure: Figure[Any]) -> tuple[str, ...]:
    used = (*figure.options, *_ALWAYS_USED)
    return (*used, "token") if figure.token_help else used


class _Parser(OneSentenceParser):
    sentences = (
        (r"argument FIGURE: invalid choice: (.+?) \(choose from .*", f"There is no figure {{}}: choose {_CHOICE}"),
        (r"the following arguments are required: FIGURE", f"Name a figure: {_CHOICE}"),
    )


def _parser(program: str | None) -> argparse.ArgumentParser:
    parser = _Parser(prog=program or f"python -m {module_name('viz')}", description=_DESCRIPTION)
    figures = parser.add_subparsers(dest="figure", required=True, metavar="FIGURE")
    for figure in FIGURES.values():
        text = f"{figure.help} ({' '.join(f'.{name}' for name in figure.formats)})"
        command = figures.add_parser(figure.name, help=text, description=text)
        command.set_defaults(command=command, queries=None, keys=None)
        model = "bundled name, folder, .gguf file, or hub id (default: minilm)"
        command.add_argument("--model", type=not_empty("--model"), help=model)
        command.add_argument("--revision", help="branch, tag or commit of a hub id")
        add_inputs(command, figure.reads)
        _add_method(command)
        whole = read_as(int, "a whole number")
        command.add_argument("--layer", type=whole("--layer"), metavar="N", help="layers count from 0")
        command.add_argument("--head", type=whole("--head"), metavar="N", help="heads count from 0")
        _add_several(command)
        _add_draw_options(command, figure)
        if figure.takes_region:
            window = "a window of a long text, as 0:64 (64 queries from the first on); of a pair: A or B, one text"
            command.add_argument("--queries", help=window)
            command.add_argument(
                "--keys", help="the same for keys: --queries A --keys B is from the first text to the second"
            )
        command.add_argument("--device", help="auto, cpu, cuda or mps (default: auto)")
        command.add_argument("--dtype", help="float32, float16 or bfloat16 (default: float32)")
        width = "width of a .png, .svg or .pdf, as 8cm, 85mm or 3.3in"
        command.add_argument(
            "--width", metavar="WIDTH", help=width if set(figure.formats) & set(PAPER) else argparse.SUPPRESS
        )
        written = f"the file to write ({' '.join(f'.{name}' for name in figure.formats)})"
        command.add_argument("-o", "--output", required=True, metavar="OUTPUT", help=written)
    outputs.add_command(figures)
    return parser


def _add_method(command: argparse.ArgumentParser) -> None:
    """Add the map that is drawn, and what a gradient is of."""
    command.add_argument(
        "--show",
        type=one_of("method", tuple(METHODS)),
        metavar=listed(tuple(METHODS)),
        help="the attention, or a map that is made of it (default: attention)",
    )
    command.add_argument(
        "--goal",
        type=not_empty("--goal"),
        metavar="GOAL",
        help="what a gradient is of: class:1, token:1234 or embedding (default: the answer)",
    )


def _add_several(command: argparse.ArgumentParser) -> None:
    """Add words, several heads, and how these are shown."""
    command.add_argument(
        "--unit",
        type=one_of("unit", UNITS),
        default="pieces",
        metavar=listed(UNITS),
        help="the tokenizer's pieces, or whole words (default: pieces)",
    )
    command.add_argument(
        "--heads", default="", metavar="HEADS", help="several heads: 5 (a layer), 2.0,3.5 (layer.head), or all"
    )
    command.add_argument(
        "--combine",
        type=one_of("combination", COMBINE),
        default="overlay",
        metavar=listed(COMBINE),
        help="one map of the heads, or their lines over one another (default: overlay)",
    )


def _add_draw_options(command: argparse.ArgumentParser, figure: Figure[Any]) -> None:
    def described(option: str, text: str) -> str:
        return text if option in _used_options(figure) else argparse.SUPPRESS

    command.add_argument(
        "--threshold",
        type=read_as(float, "a number from 0 to 1")("--threshold"),
        metavar="WEIGHT",
        help=described("threshold", "smallest weight that is drawn (default: 0.05)"),
    )
    command.add_argument("--token", metavar="TOKEN", help=described("token", figure.token_help))
    for option, known, text in (
        ("palette", PALETTES, "the colours (default: blues)"),
        ("scale", tuple(SCALES), "what colours follow: the weight, its root or its logarithm (default: linear)"),
    ):
        command.add_argument(
            f"--{option}",
            type=one_of(option, known),
            metavar=listed(known),
            help=described(option, text),
        )
    for option, tokens in (("special", "special tokens are"), ("sink", "the first token is")):
        command.add_argument(
            f"--{option}",
            type=one_of("treatment", TREATMENTS),
            metavar=listed(TREATMENTS),
            help=f"how {tokens} shown (default: show)",
        )
    command.add_argument(
        "--renormalise", action="store_true", default=None, help="divide each row by what hidden tokens leave of it"
    )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
