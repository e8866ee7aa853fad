"""A module of ours that a text names has its name after installation too: models/package.py knows it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

ROOMS = "models|analysis|viz|ui"
# A name of a module, and code or a command that a visitor copies. Paths of files and names in prose are neither.
MODULE = re.compile(rf"({ROOMS})(\.\w+)+(:\w+)?")
COMMAND = re.compile(rf"-m ({ROOMS})\b")
IMPORT = re.compile(rf"^\s*(>>> )?(from|import) ({ROOMS})\b", re.MULTILINE)


def names_in_python(source: str) -> Iterator[str]:
    """The texts of a source that name a module of ours by its name in a checkout."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    asked = {id(node.args[0]) for node in ast.walk(tree) if isinstance(node, ast.Call) and _names_a_module(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in asked:
            continue
        text = node.value
        # The docstring of a module says to a developer how it is run.
        is_command = COMMAND.search(text) and id(node) not in docstrings
        if MODULE.fullmatch(text) or IMPORT.search(text) or is_command:
            yield text


def _names_a_module(call: ast.Call) -> bool:
    return bool(call.args) and ast.unparse(call.func) in ("module_name", "__name__.removesuffix")


def sources(*suffixes: str) -> list[Path]:
    rooms = [*ROOMS.split("|"), "headlight"]
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*")) if path.suffix in suffixes]


def test_no_text_names_a_module_by_its_name_in_a_checkout() -> None:
    found = {path.name: list(names_in_python(path.read_text(encoding="utf-8"))) for path in sources(".py")}
    assert {name: texts for name, texts in found.items() if texts} == {}


def test_no_line_of_python_that_javascript_writes_does() -> None:
    written = re.compile(rf"[\"'`](from|import) ({ROOMS})\b|python -m")
    found = [path.name for path in sources(".js") if written.search(path.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'resolve_name("viz.notebook:as_html")',
        'command = [sys.executable, "-m", "analysis.recording"]',
        'sentence = f"write it with python -m viz {figure}"',
        '"""What it does.\n\nfrom models import load_model\n"""',
        'code = "import viz"',
    ],
)
def test_the_checker_sees_a_name(source: str) -> None:
    assert len(list(names_in_python(source))) == 1


def test_the_checker_lets_pass_what_is_right() -> None:
    source = '"""`python -m viz`: see viz/cli/main.py."""\nresolve_name(module_name("viz.notebook:as_html"))'
    assert list(names_in_python(f'{source}\nlog = "headlight.ui"\ntext = "models and views, viz"')) == []
