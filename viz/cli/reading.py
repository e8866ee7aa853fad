"""What the model reads, as the command line takes it: a text, a picture or a sound, and what goes with it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.conversation import parse_messages
from models.errors import NoText
from models.pictures import as_picture
from viz.cli.values import from_0, listed, one_of, read_as, whole_numbers
from viz.figures.base import Figure

KINDS = ("encoder", "decoder", "cross")
TRACE = "--trace"
# What chooses a model and how it runs, which a trace has behind it.
_OF_MODEL = ("--model", "--revision", "--device", "--dtype")
READS = ("text", "image", "audio")


@dataclass(frozen=True)
class Input:
    """An option whose value the model reads; `kind` is one of `Figure.reads`."""

    option: str
    kind: str
    what: str
    help: str
    metavar: str | None = None
    type: Callable[[str], Any] = str

    @property
    def usage(self) -> str:
        """The option with its value, as a sentence names it."""
        return f"{self.option} {self.metavar}" if self.metavar else self.option


INPUTS = (
    Input("--text", "text", "a text", "the text to inspect"),
    Input(
        "--ids",
        "text",
        "a text",
        "a text as its token ids",
        "IDS",
        read_as(whole_numbers, "token ids as 101,4937,102")("--ids"),
    ),
    Input(
        "--messages",
        "text",
        "a conversation",
        'a conversation, for a chat model: a .json file, or JSON: [{"role": "user", "content": "Hello"}]',
        "FILE",
    ),
    Input("--image", "image", "a picture", "the picture to inspect, with --text for a model that reads both", "FILE"),
    Input("--audio", "audio", "a sound", "the sound to inspect (WAV, FLAC, OGG, MP3)", "FILE"),
)


@dataclass(frozen=True)
class Detail:
    """An option that goes with inputs of some kinds."""

    option: str
    kinds: tuple[str, ...]
    options: dict[str, Any]


DETAILS = (
    Detail("--text-pair", ("text",), {"help": "a second segment"}),
    Detail(
        "--generate",
        ("text",),
        {
            "help": "let a decoder continue by N tokens",
            "type": read_as(from_0, "a whole number from 0 up")("--generate"),
            "default": 0,
            "metavar": "N",
        },
    ),
    Detail("--target", ("text", "audio"), {"help": "what the decoder of an encoder-decoder reads"}),
    Detail("--src-lang", ("text", "audio"), {"help": "language of the text, as de_DE", "metavar": "CODE"}),
    Detail("--tgt-lang", ("text",), {"help": "language of the target, as de_DE", "metavar": "CODE"}),
    Detail(
        "--no-special-tokens",
        ("text",),
        {"help": "let the tokenizer add no special tokens to the text", "action": "store_true"},
    ),
)


def add_inputs(command: argparse.ArgumentParser, reads: Sequence[str] = READS) -> None:
    """Add the inputs. One that is not among `reads` is hidden but known, so that its refusal can say why."""
    command.add_argument(TRACE, metavar="FILE", help="a saved trace or weights, in place of a model and what it reads")
    for one in INPUTS:
        described = one.help if one.kind in reads else argparse.SUPPRESS
        command.add_argument(one.option, help=described, metavar=one.metavar, type=one.type)
    for detail in DETAILS:
        described = detail.options["help"] if {*detail.kinds} & {*reads} else argparse.SUPPRESS
        command.add_argument(detail.option, **{**detail.options, "help": described})
    command.add_argument("--kind", type=one_of("kind", KINDS), metavar=listed(KINDS), help="which attention")


def check_inputs(arguments: argparse.Namespace, figure: Figure[Any] | None = None) -> None:
    """Let what the model is to read through if it fits together and fits the figure, if there is one.

    Raises:
        SystemExit: nothing is to be read.
        NoText: something does not fit.
    """
    if arguments.trace is not None:
        _check_alone(arguments)
        return
    given = [one for one in INPUTS if _value(arguments, one.option) is not None]
    kinds = [one.kind for one in given]
    reads, needs = (figure.reads, figure.needs) if figure else (READS, "")
    usable = [one for one in INPUTS if one.kind in reads and one.kind == (needs or one.kind)]
    unfit = [one for one in given if one.kind not in reads]
    if unfit or (given and needs and needs not in kinds):
        came = f", not {unfit[0].what}" if unfit else ""
        raise NoText(f"The figure {arguments.figure} needs {usable[0].what}{came}: give {usable[0].usage}.")
    if not given:
        *others, last = [one.option for one in usable]
        arguments.command.error(f"{', '.join(others)} or {last} must be given" if others else f"{last} must be given")
    if len(given) > 1 and sorted(kinds) != ["image", "text"]:
        raise NoText(f"{given[0].option} and {given[1].option} exclude each other: leave one of them out.")
    for detail in DETAILS:
        if _value(arguments, detail.option) not in (None, 0) and not {*kinds} & {*detail.kinds}:
            what = given[0].what
            raise NoText(f"{what[:1].upper()}{what[1:]} is read alone: leave out {detail.option}.")
    if arguments.target is not None and arguments.generate:
        raise NoText("A decoder reads a target or continues by itself: leave out --target or --generate.")


def _check_alone(arguments: argparse.Namespace) -> None:
    """Let a trace through that is given alone.

    Raises:
        NoText: a model, or something that it reads, is given beside it.
    """
    options = (*_OF_MODEL, *(one.option for one in INPUTS), *(detail.option for detail in DETAILS))
    beside = next((option for option in options if _value(arguments, option) not in (None, 0)), None)
    if beside is not None:
        raise NoText(f"A trace holds what a model read already: leave out {beside} or {TRACE}.")


def read_inputs(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the model reads, as arguments of `Model.trace`; pictures and conversations are opened.

    Raises:
        NoText: a picture or a conversation cannot be read.
    """
    names = ("messages", "image", "audio", "text_pair", "target", "generate", "src_lang", "tgt_lang")
    given = {name: getattr(arguments, name) for name in names}
    if arguments.image is not None:
        given["image"] = as_picture(arguments.image)
    if arguments.messages is not None:
        given["messages"] = _read_messages(arguments.messages)
    text = arguments.text if arguments.ids is None else arguments.ids
    return {"text": text, "add_special_tokens": not arguments.no_special_tokens, **given}


def _read_messages(given: str) -> list[tuple[str, str]]:
    """Return the conversation in a file, or in the argument itself.

    Raises:
        NoText: it cannot be read, or is no list of messages.
    """
    if given.lstrip().startswith(("[", "{")):
        return parse_messages(given)
    try:
        return parse_messages(Path(given).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise NoText(f"The conversation {given[:80]} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise NoText(f"The conversation {given[:80]} is not a text in UTF-8: give a .json file.") from error


def _value(arguments: argparse.Namespace, option: str) -> Any:
    return getattr(arguments, option[2:].replace("-", "_"))
