"""The command `headlight`: open the page, export a figure, train or fetch a model (decision 25).

What takes seconds to import is imported by the command that needs it.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from headlight import __version__
from headlight.serve import INSTALLED, serve

PROGRAM = "headlight" if INSTALLED else "python -m headlight"
INTERRUPTED = 130  # as a shell tells a command that SIGINT ended: 128 + 2
_COMMANDS = f"""commands:
  {PROGRAM} export FIGURE ...   draw a figure into a file, without the page
  {PROGRAM} train TASK ...      train a small transformer with known right answers
  {PROGRAM} fetch [NAME ...]    fetch real models once, so that they open offline

Each command has its own --help. A model in a folder called export is ./export.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command and return the exit code: 0, or 2 with one sentence on standard error."""
    # torch reads this when it is loaded, as app.py explains.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in COMMANDS:
        return COMMANDS[given[0]](given[1:])
    parser = _parser()
    asked = parser.parse_args(given)
    if asked.name in COMMANDS:
        parser.error(f"The command comes first: {PROGRAM} {asked.name} ... (a folder of this name is ./{asked.name})")
    _at_interrupt(_leave)
    return serve(asked.name, asked.address, asked.port, opens_browser=asked.browser)


def _at_interrupt(handler: Callable[[int, FrameType | None], NoReturn]) -> None:
    """Let Ctrl+C end the program without a traceback, unless a shell made a background command deaf to it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, handler)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    # The server has ended by then: it handles the signal, and raises it again when it is done.
    raise SystemExit(INTERRUPTED)


def _leave_at_once(_number: int, _frame: FrameType | None) -> NoReturn:
    # Files are written in one go at the end, so there is nothing to clean up.
    os._exit(INTERRUPTED)


def _export(arguments: list[str]) -> int:
    _at_interrupt(_leave_at_once)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one text needs no threads, and no warning of them
    from viz.cli.main import main as export

    return export(arguments, program=f"{PROGRAM} export")


def _train(arguments: list[str]) -> int:
    from models.train import main as train

    return train(arguments, program=f"{PROGRAM} train")


def _fetch(arguments: list[str]) -> int:
    from models.fetch import main as fetch

    return fetch(arguments)


COMMANDS: dict[str, Callable[[list[str]], int]] = {"export": _export, "train": _train, "fetch": _fetch}


class _Parser(argparse.ArgumentParser):
    """One sentence instead of argparse's usage."""

    def error(self, message: str) -> NoReturn:
        """Write the sentence and exit with code 2."""
        sentence = re.sub(r"^argument \S+: ", "", message)
        self.exit(2, f"headlight: {sentence[:1].upper()}{sentence[1:]}; see {self.prog} --help.\n")


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text[:20]!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Open the page that shows what every attention head of a transformer looks at.",
        epilog=_COMMANDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="MODEL_OR_TRACE",
        help="a bundled model (minilm), a folder, a .gguf file, a hub id (org/name), or a saved trace (.npz, .json, "
        ".csv, .npy, .safetensors)",
    )
    parser.add_argument("--port", type=_port, help="where the page is served (default: 8501, or the next free one)")
    parser.add_argument("--address", default="localhost", help="serve others too, as with 0.0.0.0 (default: localhost)")
    parser.add_argument("--no-browser", action="store_false", dest="browser", help="print the address, open no browser")
    parser.add_argument("--version", action="version", version=f"Headlight {__version__}")
    return parser
