"""Damage the folder of a model, and check the refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from models import HeadlightError, load_model

WEIGHTS = "model.safetensors"
KEY = "encoder.layer.1.attention.self.key"
QUERY = "encoder.layer.0.attention.self.query"


def configure(folder: Path, **changes: Any) -> None:
    """Change values in config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change(folder: Path, changes: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the weights with a function that modifies the dictionary of all tensors."""
    weights = load_file(folder / WEIGHTS)
    changes(weights)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def refused(kind: type[HeadlightError], sentence: str, name: str | Path, **options: Any) -> None:
    """Check that loading fails with one sentence on one line that starts like this and contains no path."""
    with pytest.raises(kind) as caught:
        load_model(str(name), **options)
    said = str(caught.value)
    assert said.startswith(sentence), said
    assert said.endswith((".", "`."))
    assert "\n" not in said
    assert "/tmp" not in said
    assert len(said) < 400
