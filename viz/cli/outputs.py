"""`python -m viz outputs`: what a model answers, as CSV on standard output or in a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from models import AttentionTrace
from viz.cli.reading import TRACE, add_inputs
from viz.files.outputs import csv_outputs

NAME = "outputs"
_HELP = "what the model answers: labels, or the most probable words of each position (.csv)"


def add_command(commands: Any) -> None:
    """Add the command to the figures."""
    command = commands.add_parser(NAME, help=_HELP, description=_HELP)
    command.set_defaults(command=command)
    command.add_argument("--model", help="folder or hub id of a model with a head")
    command.add_argument("--revision", help="branch, tag or commit of a hub id")
    add_inputs(command)
    command.add_argument(
        "--position", type=int, action="append", metavar="N", help="a position, from 0; repeat the option for several"
    )
    command.add_argument(
        "--top", type=int, default=5, metavar="N", help="how many answers at each position (default: 5)"
    )
    command.add_argument("--device", help="auto, cpu, cuda or mps (default: auto)")
    command.add_argument("--dtype", help="float32, float16 or bfloat16 (default: float32)")
    command.add_argument("-o", "--output", metavar="OUTPUT", help="a file (default: standard output)")


def check_model(arguments: argparse.Namespace) -> None:
    """Let arguments through that name a model or a trace: the bundled model has no answers.

    Raises:
        SystemExit: they name neither.
    """
    if arguments.model is None and arguments.trace is None:
        arguments.command.error(f"--model or {TRACE} must be given")


def write_outputs(arguments: argparse.Namespace, trace: AttentionTrace) -> None:
    """Write the answers of a trace.

    Raises:
        HeadlightError: the trace has no answers.
        OSError: the file cannot be written.
    """
    source = trace.source
    text = source.text if source.text_pair is None else source.text_pair
    table = csv_outputs(trace.outputs, text, arguments.position, arguments.top)
    if arguments.output is None:
        sys.stdout.buffer.write(table.encode("utf-8", "replace"))
    else:
        # Without a byte order mark, Excel takes UTF-8 for the code page of its country.
        Path(arguments.output).write_bytes(table.encode("utf-8-sig", "replace"))
