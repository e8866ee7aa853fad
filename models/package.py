"""The names of our modules: `models` in a checkout, `headlight.models` where Headlight is installed (decision 25)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PREFIX = __name__.removesuffix("models.package")
# What starts Headlight, for the sentences that name it.
COMMAND = "headlight" if PREFIX else "python -m headlight"


def module_name(name: str) -> str:
    """Return the full name of one of our modules: "viz.notebook" is "headlight.viz.notebook" after installation."""
    return PREFIX + name


def run_module(module: str) -> list[str]:
    """Return the command that runs a module, given by its full name, in another process of this Python.

    The process must find our modules (`path_variables`), and nothing in the folder where it starts.
    """
    return [sys.executable, "-P", "-m", module]


def path_variables() -> dict[str, str]:
    """Return the environment variables with which another process of this Python finds our modules.

    Only a checkout needs one. The rest of `sys.path` is left out: Streamlit puts folders of scripts into it, and
    ui/pages/inspect.py would hide Python's own `inspect`.
    """
    if PREFIX:
        return {}
    checkout = str(Path(__file__).parents[1])
    return {"PYTHONPATH": os.pathsep.join(filter(None, (checkout, os.environ.get("PYTHONPATH"))))}
