"""The models that were trained here (`python -m models.train TASK`), shipped so that there is something to see."""

from __future__ import annotations

from pathlib import Path

from models.errors import UnknownModel

PREFIX = "scratch:"
_HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the names that `load_model` knows them by: "scratch:brackets" and its siblings."""
    return tuple(f"{PREFIX}{path.parent.name}" for path in sorted(_HERE.glob("*/config.json")))


def folder(name: str) -> Path:
    """Return the folder of a model that was trained here.

    Raises:
        UnknownModel: no such task was trained.
    """
    if name not in names():
        raise UnknownModel(f"No model is called {name[:80]!r}: the ones trained here are {', '.join(names())}.")
    return _HERE / name.removeprefix(PREFIX)
