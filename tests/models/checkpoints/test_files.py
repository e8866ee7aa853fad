"""Sharded checkpoints: the index, every shard, and a revision that covers all of them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from models import errors, load_model
from tests.helpers.corrupt import WEIGHTS, refused
from tests.helpers.small_models import SENTENCE

pytestmark = pytest.mark.slow


def sharded(folder: Path) -> dict[str, Any]:
    """Split the weights into two files, and return the index."""
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(weights)
    files = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, held in files.items():
        save_file({name: weights[name] for name in held}, folder / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, held in files.items() for name in held}}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    return index


def test_a_sharded_checkpoint_is_the_same_model(folder, loaded):
    sharded(folder)
    model = load_model(str(folder))
    assert model.card.notices == ()
    expected = loaded("bert").trace(SENTENCE)["encoder"].layer(1)
    np.testing.assert_array_equal(model.trace(SENTENCE)["encoder"].layer(1), expected)


def test_the_revision_of_a_checkpoint_covers_every_shard(folder, tmp_path):
    whole = load_model(str(folder)).card.revision
    assert whole == "sha256:" + hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:12]
    sharded(folder)
    revisions = [load_model(str(folder)).card.revision]
    for name in ("model-1.safetensors", "model-2.safetensors"):
        other = Path(shutil.copytree(folder, tmp_path / name))
        weights = load_file(other / name)
        weights[min(weights)] += 1
        save_file(weights, other / name, metadata={"format": "pt"})
        revisions.append(load_model(str(other)).card.revision)
    # What the docstring promises: the listing of sha256sum, hashed again.
    shards = sorted(folder.glob("*.safetensors"))
    listing = "".join(f"{hashlib.sha256(shard.read_bytes()).hexdigest()}  {shard.name}\n" for shard in shards)
    assert revisions[0] == "sha256:" + hashlib.sha256(listing.encode()).hexdigest()[:12]
    assert len({whole, *revisions}) == 4


def test_a_missing_or_damaged_shard_is_named(folder):
    sharded(folder)
    second = folder / "model-2.safetensors"
    whole = second.read_bytes()
    second.write_bytes(whole[:-9])
    refused(errors.BrokenModel, "model-2.safetensors of spoilt is not a whole safetensors file (", folder)
    second.unlink()
    refused(errors.BrokenModel, "model-2.safetensors of spoilt is missing: fetch the model again.", folder)


def test_an_index_that_names_a_weight_which_its_file_lacks(folder):
    index = sharded(folder)
    index["weight_map"]["encoder.layer.7.weight"] = "model-1.safetensors"
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    refused(
        errors.BrokenModel,
        "model-1.safetensors of spoilt lacks encoder.layer.7.weight, which the weight index expects in it: fetch or",
        folder,
    )
