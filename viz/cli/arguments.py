"""The arguments of `python -m viz`: each figure has those that it uses, and a wrong one is told in one sentence."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from models.errors import BadSelection, NoText
from viz.colours import CONTRASTS, PALETTES

HELPS = {
    "heatmap": "one head: queries down, keys across (.png .svg .pdf .html)",
    "flow": "one head: lines from token to token (.png .svg .pdf .html)",
    "grid": "all heads as small maps (.png .svg .pdf .html)",
    "patches": "what one query of one head looks at, as light on the picture (.png .svg .pdf .html)",
    "signal": "what one place of a signal looks at, drawn over it (.png .svg .pdf .html)",
    "table": "weights of one head, of a layer, or of all (.csv .npz)",
}
LOOK = ("threshold", "token", "palette", "contrast")
# What of a look changes a figure; the rest is taken, so that one command line fits all figures, but said to do nothing.
USED = {
    "heatmap": ("palette", "contrast"),
    "flow": LOOK,
    "grid": ("palette", "contrast"),
    "patches": ("token",),
    "signal": ("token", "palette"),
    "table": (),
}
_WINDOWED = ("heatmap", "flow", "table")
_TOKEN_HELPS = {"flow": "the one whose lines are drawn alone: query:8 or key:2"}
_CHOICE = ", ".join([*HELPS][:-1]) + f" or {[*HELPS][-1]}"
_DESCRIPTION = "Draw a transformer's attention into a file; the suffix of OUTPUT picks the format."
# What argparse says, and what is said instead.
_SENTENCES = (
    (r"argument FIGURE: invalid choice: (.+?) \(choose from .*", f"There is no figure {{}}: choose {_CHOICE}"),
    (r"the following arguments are required: FIGURE", f"Name a figure: {_CHOICE}"),
    (r"the following arguments are required: (.+)", "{} must be given"),
    (r"one of the arguments (\S+) (\S+) is required", "{} or {} must be given"),
    (r"argument (\S+): not allowed with argument (\S+)", "{} and {} exclude each other: leave one of them out"),
    (r"argument (\S+): expected one argument", "{0} needs a value, with = before one that begins with a dash"),
    (r"argument \S+: ([A-Z-].*)", "{}"),
)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options, as far as they fit together without a model.

    Raises:
        SystemExit: the arguments are wrong, with exit code 2 after one sentence on standard error.
        BadSelection: a layer without a head or a head without a layer.
        NoText: what is to be read does not fit the figure, or excludes something else that is to be read.
    """
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        options.command.error(f"A {options.figure} has no {_short(unknown[0])}")
    _check_reading(options)
    if options.figure == "grid" and (options.layer is None) != (options.head is None):
        raise BadSelection("A grid outlines one head: give --layer and --head, or neither.")
    if options.figure == "table" and options.layer is None and options.head is not None:
        raise BadSelection("A table of one head needs its layer too: give both, or neither for all heads.")
    return options


def _check_reading(options: argparse.Namespace) -> None:
    if options.figure == "patches" and options.text is not None:
        raise NoText("The patches of a picture need a picture, not a text: give --image FILE.")
    if options.figure == "signal" and options.image is not None:
        raise NoText("A signal is a text of numbers, not a picture: give --text.")
    beside = [name for name in ("text_pair", "target", "generate") if getattr(options, name) not in (None, 0)]
    if options.image is not None and beside:
        raise NoText(f"A picture is read alone: leave out {_option(beside[0])}.")
    if options.target is not None and options.generate:
        raise NoText("A decoder reads a target or continues by itself: leave out --target or --generate.")


def look_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the part of a look that was given."""
    return {name: getattr(options, name) for name in LOOK if getattr(options, name) is not None}


def unused(options: argparse.Namespace) -> list[str]:
    """Return one sentence for each option that was given and changes nothing in this figure."""
    given = [name for name in look_of(options) if name not in USED[options.figure]]
    return [f"{_option(name)} changes nothing in a {options.figure}." for name in given]


class _Parser(argparse.ArgumentParser):
    """One sentence instead of argparse's usage."""

    def error(self, message: str) -> NoReturn:
        """Write the sentence and exit with code 2."""
        self.exit(2, f"headlight: {_sentence(message)}; see {self.prog} --help.\n")


def _sentence(message: str) -> str:
    message = " ".join(message.split())
    for pattern, said in _SENTENCES:
        found = re.fullmatch(pattern, message)
        if found:
            return said.format(*found.groups())
    return message[:1].upper() + message[1:]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m viz", description=_DESCRIPTION)
    figures = parser.add_subparsers(dest="figure", required=True, metavar="FIGURE")
    for name, text in HELPS.items():
        figure = figures.add_parser(name, help=text, description=text)
        figure.set_defaults(command=figure, queries=None, keys=None)
        figure.add_argument("--model", default="minilm", help="bundled name, folder, or hub id (default: minilm)")
        figure.add_argument("--revision", help="branch, tag or commit of a hub id")
        _add_reading(figure, name)
        one_head = name not in ("grid", "table")
        whole = _read_as(int, "a whole number")
        figure.add_argument("--layer", type=whole("--layer"), required=one_head, metavar="N", help="0-based")
        figure.add_argument("--head", type=whole("--head"), required=one_head, metavar="N", help="0-based")
        _add_look(figure, name)
        if name in _WINDOWED:
            figure.add_argument("--queries", help="a window of a long text, as 0:64 (64 queries from the first on)")
            figure.add_argument("--keys", help="the same for keys")
        figure.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
        figure.add_argument("--dtype", default="float32", help="float32, float16 or bfloat16 (default: float32)")
        figure.add_argument("-o", "--output", required=True, metavar="OUTPUT")
    return parser


def _add_reading(figure: argparse.ArgumentParser, name: str) -> None:
    """Let what is read be given; what the figure has no use for is known, so that its refusal can say why."""
    hidden = argparse.SUPPRESS
    text, image = name != "patches", name != "signal"
    read = figure.add_mutually_exclusive_group(required=True)
    read.add_argument("--text", help="the text to inspect" if text else hidden)
    picture = "the picture to inspect, for a model that reads pictures"
    read.add_argument("--image", metavar="FILE", help=picture if image else hidden)
    figure.add_argument("--text-pair", help="a second segment" if text else hidden)
    figure.add_argument(
        "--generate",
        type=_read_as(_from_0, "a whole number from 0 up")("--generate"),
        default=0,
        metavar="N",
        help="let a decoder continue by N tokens" if text else hidden,
    )
    figure.add_argument("--target", help="what the decoder of an encoder-decoder reads" if text else hidden)
    kinds = ("encoder", "decoder", "cross")
    figure.add_argument("--kind", type=_one_of("kind", kinds), metavar=_listed(kinds), help="which attention")


def _add_look(figure: argparse.ArgumentParser, name: str) -> None:
    def described(option: str, text: str) -> str:
        return text if option in USED[name] else argparse.SUPPRESS

    figure.add_argument(
        "--threshold",
        type=_read_as(float, "a number from 0 to 1")("--threshold"),
        metavar="WEIGHT",
        help=described("threshold", "smallest weight that is drawn (default: 0.05)"),
    )
    token = _TOKEN_HELPS.get(name, "the query that looks, as query:8")
    figure.add_argument("--token", metavar="TOKEN", help=described("token", token))
    for option, known, default in (("palette", PALETTES, "blues"), ("contrast", tuple(CONTRASTS), "linear")):
        figure.add_argument(
            f"--{option}",
            type=_one_of(option, known),
            metavar=_listed(known),
            help=described(option, f"default: {default}"),
        )


def _read_as(kind: Callable[[str], Any], described: str) -> Callable[[str], Callable[[str], Any]]:
    """Return what makes the `type` of an option, which refuses in our own words."""

    def of_option(option: str) -> Callable[[str], Any]:
        def read(text: str) -> Any:
            try:
                return kind(text)
            except ValueError:
                raise argparse.ArgumentTypeError(f"{option} is {described}, not {_short(text)}") from None

        return read

    return of_option


def _from_0(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _one_of(name: str, known: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"There is no {name} {_short(text)}: choose one of {', '.join(known)}")
        return text

    return read


def _listed(known: Sequence[str]) -> str:
    return f"{{{','.join(known)}}}"


def _short(text: str) -> str:
    return repr(text[:40])


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
