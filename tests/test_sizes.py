"""Files and functions stay small enough to read in one sitting: 300 lines and 50 lines, as CONTRIBUTING.md says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

MAX_FILE, MAX_FUNCTION = 300, 50
PACKAGES = ("models", "analysis", "viz", "ui", "headlight")
# File -> the decision that explains why it is longer.
LONGER = {"models/scratch/layers.py": "0010-from-scratch-models.md"}


def long_functions(source: str) -> Iterator[str]:
    """The functions of a source that are longer than `MAX_FUNCTION` lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION:
                yield f"{node.name} has {length} lines"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_function_is_longer_than_a_screen(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    found = [f"{path.name}: {each}" for path in files for each in long_functions(path.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_longer_than_three_hundred_lines(package: str) -> None:
    for path in sorted(file for kind in ("*.py", "*.js") for file in (ROOT / package).rglob(kind)):
        name, length = str(path.relative_to(ROOT)), len(path.read_text(encoding="utf-8").splitlines())
        assert length <= MAX_FILE or name in LONGER, f"{name} has {length} lines"


def test_every_exception_is_explained_by_a_decision() -> None:
    for name, decision in LONGER.items():
        assert Path(name).name in (ROOT / "docs" / "decisions" / decision).read_text(encoding="utf-8")


def test_the_checker_sees_a_long_function() -> None:
    body = "\n".join(f"    x{number} = 1" for number in range(MAX_FUNCTION))
    assert list(long_functions(f"def f():\n{body}\n")) == ["f has 51 lines"]
    assert list(long_functions(f"def f():\n{body[:-10]}\n")) == []
