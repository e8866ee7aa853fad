"""How `pip install .` makes the wheel: all our packages inside `headlight`, with imports to match (decision 25).

hatchling loads this file by its path; nothing else imports it, and it is not in the wheel.
"""

from __future__ import annotations

import ast
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

PACKAGE = "headlight"
ROOMS = ("models", "analysis", "viz", "ui")
# Streamlit puts the folder of its script on the path of imports, so that folder contains nothing else to import.
MOVED = {"app.py": "page/app.py", ".streamlit/config.toml": "page/.streamlit/config.toml"}
ONLY_FOR_BUILDING = "build_wheel.py"


def wheel_files(root: Path) -> dict[str, Path]:
    """Return the files of the wheel: name in the wheel -> file in the repository."""
    inside = {path.relative_to(root).as_posix(): path for room in ROOMS for path in _files_in(root / room)}
    front = {path.relative_to(root / PACKAGE).as_posix(): path for path in _files_in(root / PACKAGE)}
    del front[ONLY_FOR_BUILDING]
    moved = {place: root / name for name, place in MOVED.items()}
    return {f"{PACKAGE}/{name}": path for name, path in (front | inside | moved).items()}


def _files_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def rewrite_imports(source: str) -> str:
    """Return a source in which the imports of our packages begin with `headlight.`; everything else stays as it is.

    Raises:
        ValueError: `import viz.html`, which would bind the name `viz`, in a form that cannot be rewritten.
    """
    lines = source.encode().splitlines(keepends=True)
    for line, column, pattern, replacement in sorted(_edits(ast.parse(source)), reverse=True):
        before, after = lines[line - 1][:column], lines[line - 1][column:]
        lines[line - 1] = before + re.sub(pattern, replacement, after, count=1)
    return b"".join(lines).decode()


def _edits(tree: ast.Module) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Yield the line, the column in bytes, and what to replace there by what."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _is_ours(str(node.module)):
            yield node.lineno, node.col_offset, rb"\Afrom\s+", rb"\g<0>" + f"{PACKAGE}.".encode()
        if not isinstance(node, ast.Import):
            continue
        for alias in node.names:
            if not _is_ours(alias.name):
                continue
            if alias.asname is None and "." in alias.name:
                raise ValueError(f"line {node.lineno}: write `import {alias.name} as name`, or `from ... import`")
            named = "" if alias.asname else f" as {alias.name}"
            yield alias.lineno, alias.col_offset, rb"\A[\w.]+", f"{PACKAGE}.{alias.name}{named}".encode()


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in ROOMS


def requirements(root: Path) -> list[str]:
    """Return the requirements of `make run`, with their exact versions."""
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


class Requirements(MetadataHookInterface):
    """Fills in the requirements of the package."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the dependencies."""
        metadata["dependencies"] = requirements(Path(self.root))


class Wheel(BuildHookInterface):
    """Puts the files into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the rewritten sources into a temporary folder, and name what goes into the wheel.

        Raises:
            SystemExit: an editable installation was asked for.
        """
        if version == "editable":
            raise SystemExit(
                "Headlight cannot be installed with -e, since its packages have other names when they are installed: "
                "leave out -e, or run it in its folder (make run; python -m headlight)."
            )
        self._written = Path(tempfile.mkdtemp(prefix="headlight-wheel-"))
        for name, path in wheel_files(Path(self.root)).items():
            if path.suffix == ".py":
                written = self._written / name
                written.parent.mkdir(parents=True, exist_ok=True)
                written.write_text(rewrite_imports(path.read_text(encoding="utf-8")), encoding="utf-8")
                path = written
            build_data["force_include"][str(path)] = name

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Delete the temporary folder."""
        shutil.rmtree(self._written)
