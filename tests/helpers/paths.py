"""Paths of the repository and the app, and the golden values."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
APP = ROOT / "app.py"


def golden(name: str) -> Any:
    """Return the values in a file of tests/golden, which were computed without our code."""
    return json.loads((ROOT / "tests" / "golden" / f"{name}.json").read_text(encoding="utf-8"))
