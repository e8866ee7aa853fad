"""`python -m viz outputs`: what a model answers, as CSV on standard output or in a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from models import Model
from viz.cli.reading import add_inputs
from viz.files.outputs import csv_outputs

NAME = "outputs"
_HELP = "what the model answers: labels, or the most probable words of each position (.csv)"


def add_command(commands: Any) -> None:
    """Add the command to the figures."""
    command = commands.add_parser(NAME, help=_HELP, description=_HELP)
    command.set_defaults(command=command)
    command.add_argument("--model", required=True, help="folder or hub id of a model with a head")
    command.add_argument("--revision", help="branch, tag or commit of a hub id")
    add_inputs(command)
    command.add_argument("--position", type=int, action="append", metavar="N", help="0-based; may be given repeatedly")
    command.add_argument("--top", type=int, default=5, metavar="N", help="answers to each question (default: 5)")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    command.add_argument("--dtype", default="float32", help="float32, float16 or bfloat16 (default: float32)")
    command.add_argument("-o", "--output", metavar="OUTPUT", help="a file (default: standard output)")


def write_outputs(arguments: argparse.Namespace, model: Model, given: dict[str, Any]) -> tuple[str, ...]:
    """Write the answers to what is given, the arguments of `Model.trace`, and return what has to be said of them.

    Raises:
        HeadlightError: the model has no answers, or cannot read what is given.
        OSError: the file cannot be written.
    """
    trace = model.trace(**given)
    source = trace.source
    text = source.text if source.text_pair is None else source.text_pair
    table = csv_outputs(trace.outputs, text, arguments.position, arguments.top)
    if arguments.output is None:
        sys.stdout.buffer.write(table.encode("utf-8", "replace"))
    else:
        # Without a byte order mark, Excel takes UTF-8 for the code page of its country.
        Path(arguments.output).write_bytes(table.encode("utf-8-sig", "replace"))
    return (*model.card.notices, *trace.notices)
