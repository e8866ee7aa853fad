"""What the model reads, as the command line takes it: a text, a picture or a sound, and what goes with it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from models.errors import NoText
from viz.figures.base import Figure


@dataclass(frozen=True)
class Input:
    """An option whose value the model reads; `kind` is one of `Figure.reads`."""

    option: str
    kind: str
    what: str
    help: str
    metavar: str | None = None

    @property
    def usage(self) -> str:
        """The option with its value, as a sentence names it."""
        return f"{self.option} {self.metavar}" if self.metavar else self.option

    def value(self, arguments: argparse.Namespace) -> Any:
        """Return what was given, None if nothing was."""
        return getattr(arguments, self.option[2:].replace("-", "_"))


TEXT = Input("--text", "text", "a text", "the text to inspect")
IMAGE = Input(
    "--image", "image", "a picture", "the picture to inspect, with --text for a model that reads both", "FILE"
)
AUDIO = Input("--audio", "audio", "a sound", "the sound to inspect (WAV, FLAC, OGG, MP3)", "FILE")
INPUTS = (TEXT, IMAGE, AUDIO)
# What may be given in addition, with the inputs that it goes with.
_BESIDE = {
    "--text-pair": ("text",),
    "--generate": ("text",),
    "--target": ("text", "audio"),
}


def add_inputs(command: argparse.ArgumentParser, figure: Figure[Any]) -> None:
    """Add the inputs; one that the figure cannot use is hidden but known, so that its refusal can say why."""
    for one in INPUTS:
        described = one.help if one.kind in figure.reads else argparse.SUPPRESS
        command.add_argument(one.option, help=described, metavar=one.metavar)


def check_inputs(arguments: argparse.Namespace, figure: Figure[Any]) -> None:
    """Let what the model is to read through if it fits together and fits the figure.

    Raises:
        SystemExit: nothing is to be read.
        NoText: something does not fit.
    """
    given = [one for one in INPUTS if one.value(arguments) is not None]
    kinds = {one.kind for one in given}
    usable = [one for one in INPUTS if one.kind == (figure.needs or one.kind) and one.kind in figure.reads]
    unfit = [one for one in given if one.kind not in figure.reads]
    if unfit or (given and figure.needs and figure.needs not in kinds):
        came = f", not {unfit[0].what}" if unfit else ""
        raise NoText(f"The figure {figure.name} needs {usable[0].what}{came}: give {usable[0].usage}.")
    if not given:
        arguments.command.error(f"{_either([one.option for one in usable])} must be given")
    if "audio" in kinds and len(given) > 1:
        raise NoText(f"A sound is read alone: leave out {next(one.option for one in given if one is not AUDIO)}.")
    for option, goes_with in _BESIDE.items():
        is_given = getattr(arguments, option[2:].replace("-", "_")) not in (None, 0)
        if is_given and not kinds & set(goes_with):
            raise NoText(f"{given[0].what[:1].upper()}{given[0].what[1:]} is read alone: leave out {option}.")
    if arguments.target is not None and arguments.generate:
        raise NoText("A decoder reads a target or continues by itself: leave out --target or --generate.")


def _either(options: list[str]) -> str:
    return options[0] if len(options) == 1 else f"{', '.join(options[:-1])} or {options[-1]}"
