"""Imports go app -> ui -> viz -> analysis -> models and never back; read from the source, without running it.

What they import from elsewhere is listed in requirements.txt.
"""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

# From the ground up: a room may import the rooms that stand before it.
ROOMS = ("models", "analysis", "viz", "ui", "app")
# Library -> the lowest room that may know it.
LOWEST = {"streamlit": "ui", "plotly": "viz", "matplotlib": "viz"}
LONGEST_APP = 80


def imported(source: str, package: str = "") -> Iterator[str]:
    """The modules that a source imports, also inside functions and by name; relative ones from `package`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            yield ".".join([*base, *([node.module] if node.module else [])])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            first = node.args[0] if node.args else None
            yield first.value if isinstance(first, ast.Constant) else "<computed>"


def violations(room: str, source: str, package: str = "") -> list[str]:
    """What a source in a room imports against the rules."""
    level = ROOMS.index(room)
    found = []
    for module in imported(source, package or room):
        top = module.split(".")[0]
        if top == "<computed>":
            found.append(f"{room} imports a module whose name is computed")
        elif top in ROOMS and ROOMS.index(top) > level:
            found.append(f"{room} imports {module}: rooms import only what is below them")
        elif top in LOWEST and level < ROOMS.index(LOWEST[top]):
            found.append(f"{room} imports {module}: nothing below {LOWEST[top]}/ knows {top}")
        elif top in ("tests", "benchmarks"):
            found.append(f"{room} imports {module}")
    return found


def files() -> list[tuple[str, Path]]:
    inside = [(room, path) for room in ROOMS[:-1] for path in sorted((ROOT / room).rglob("*.py"))]
    return [*inside, ("app", ROOT / "app.py")]


@pytest.mark.parametrize(("room", "path"), files(), ids=lambda value: str(value).removeprefix(f"{ROOT}/"))
def test_a_module_imports_only_rooms_below_its_own(room: str, path: Path) -> None:
    package = ".".join(path.relative_to(ROOT).parent.parts)
    assert violations(room, path.read_text(encoding="utf-8"), package) == []


def test_every_library_that_is_imported_is_listed_at_the_installed_version() -> None:
    listed = dict(
        re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )
    pinned = {plain(name): number for name, number in listed.items()}
    tops = {module.split(".")[0] for _, path in files() for module in imported(path.read_text(encoding="utf-8"), "-")}
    libraries = tops - {*sys.stdlib_module_names, *ROOMS, "-", ""}
    assert {"torch", "PIL", "fontTools", "sklearn"} <= libraries
    distributions = packages_distributions()
    for library in sorted(libraries):
        (name,) = distributions[library]
        assert pinned.get(plain(name)) == version(name).partition("+")[0], name


def plain(name: str) -> str:
    """The name of a distribution as indexes compare it: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_room_was_read() -> None:
    seen = [room for room, _ in files()]
    assert all(seen.count(room) >= 2 for room in ROOMS[:-1])


def test_app_is_a_table_of_contents() -> None:
    assert len((ROOT / "app.py").read_text(encoding="utf-8").splitlines()) <= LONGEST_APP


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("models", "import analysis"),
        ("models", "from viz.figures.heatmap import heatmap"),
        ("analysis", "def late():\n    from viz import heatmap"),
        ("analysis", "import plotly.graph_objects as go"),
        ("analysis", "class A:\n    def b(self):\n        import matplotlib.pyplot as plt"),
        ("viz", "import numpy, streamlit"),
        ("viz", "if True:\n    from ui.state.inspect import Choice"),
        ("viz", "from streamlit.runtime import Runtime"),
        ("ui", "import app"),
        ("viz", '__import__("streamlit")'),
        ("models", 'import importlib\nimportlib.import_module("plotly")'),
        ("models", "import importlib\nimportlib.import_module(name)"),
        ("models", "from tests.conftest import minilm"),
        ("models", "try:\n    import streamlit as st\nexcept ImportError:\n    pass"),
    ],
)
def test_the_checker_sees_a_violation(room: str, source: str) -> None:
    assert len(violations(room, source)) == 1


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("models", "import torch, modelsmith\nfrom models.trace import Attention\nfrom . import errors"),
        ("analysis", "from models import Attention"),
        ("viz", "import plotly\nfrom matplotlib.figure import Figure\nfrom analysis import measures\nimport models"),
        ("ui", "import streamlit\nimport viz, analysis, models"),
        ("app", "import streamlit\nfrom ui import state"),
        # A word in a text is no import.
        ("models", '"""Nothing here knows streamlit: import streamlit."""'),
    ],
)
def test_the_checker_lets_pass_what_is_right(room: str, source: str) -> None:
    assert violations(room, source) == []


def test_relative_imports_are_followed() -> None:
    assert list(imported("from .. import viz\nfrom ..viz import flow", "ui.pages")) == ["ui", "ui.viz"]
