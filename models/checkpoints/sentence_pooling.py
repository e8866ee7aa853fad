"""The sentence embedding that a folder of sentence-transformers describes: its pooling, and what follows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.checkpoints.limits import read_settings
from models.checkpoints.locate import ModelFolder
from models.pooling import MEAN, WAYS, Pooling

_MODULES = "modules.json"
_MAX_BYTES = 1_000_000
# How older versions name the ways of pooling in `pooling_mode_<name>`.
_OLD_NAMES = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean_tokens": "weightedmean",
    "lasttoken": "lasttoken",
}


def read_pooling(folder: ModelFolder) -> tuple[Pooling, tuple[str, ...]]:
    """Return how a folder makes sentence embeddings, and a sentence on what follows that is not computed.

    A folder that sentence-transformers did not write has the mean of the last hidden states.
    """
    top, steps = folder.path, _steps_of(folder.path)
    if not steps:  # older models keep the transformer in a folder beside its pooling
        top, steps = folder.path.parent, _steps_of(folder.path.parent)
        steps = steps if any(step.get("path") == folder.path.name for step in steps) else []
    kinds = [str(step.get("type")).rsplit(".", 1)[-1] for step in steps]
    if "Pooling" not in kinds:
        return MEAN, ()
    described = _read(top / str(steps[kinds.index("Pooling")].get("path")) / "config.json", top, folder.root)
    pooling = Pooling(_ways_of(described) or MEAN.ways, "Normalize" in kinds)
    others = [kind for kind in kinds if kind not in ("Transformer", "Pooling", "Normalize")]
    if not others:
        return pooling, ()
    return pooling, (
        f"sentence-transformers computes more after the pooling ({', '.join(others)[:80]}); the sentence embedding is "
        "the one before that.",
    )


def _steps_of(top: Path) -> list[dict[str, Any]]:
    found = _read(top / _MODULES)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _ways_of(described: Any) -> tuple[str, ...]:
    if not isinstance(described, dict):
        return ()
    given = described.get("pooling_mode")
    named = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else ()
    old = (name for key, name in _OLD_NAMES.items() if described.get(f"pooling_mode_{key}") is True)
    return tuple(way for way in WAYS if way in (*named, *old))


def _read(path: Path, *roots: Path) -> Any:
    """Return what a small plain file of settings holds, None if there is none in one of the folders `roots`."""
    try:
        inside = not roots or any(path.resolve().is_relative_to(root.resolve()) for root in roots)
        small = inside and path.is_file() and path.stat().st_size <= _MAX_BYTES
        return read_settings(path) if small else None
    except (OSError, ValueError):
        return None
