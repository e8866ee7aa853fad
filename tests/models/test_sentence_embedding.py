"""The sentence embedding: pooled as the folder says, kept by files, and refused where there is none."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import AttentionTrace, errors
from models.checkpoints.locate import ModelFolder
from models.checkpoints.sentence_pooling import read_pooling
from models.outputs import Outputs
from models.pooling import MEAN, Pooling

HIDDEN = torch.tensor([[1.0, -4.0], [3.0, 0.0], [5.0, 2.0]])


@pytest.mark.parametrize(
    ("ways", "masked", "expected"),
    [
        (("mean",), (), [3, -2 / 3]),
        (("mean",), (0,), [4, 1]),
        (("max",), (2,), [3, 0]),
        (("cls",), (0,), [1, -4]),
        (("lasttoken",), (), [5, 2]),
        (("mean_sqrt_len",), (0,), [8 / 2**0.5, 2 / 2**0.5]),
        (("weightedmean",), (1,), [(1 + 15) / 4, (-4 + 6) / 4]),
        (("cls", "mean"), (), [1, -4, 3, -2 / 3]),
    ],
)
def test_ways_of_pooling(ways, masked, expected):
    np.testing.assert_allclose(Pooling(ways).pool(HIDDEN, masked), expected, rtol=1e-6)
    unit = Pooling(ways, normalise=True).pool(HIDDEN, masked)
    np.testing.assert_allclose(unit, np.array(expected) / np.linalg.norm(expected), rtol=1e-6)


def write(top: Path, kinds: list[str], pooling: Any = None, inner: str = "") -> ModelFolder:
    """Write what sentence-transformers writes beside a model."""
    paths = {"Transformer": inner, "Pooling": "1_Pooling"}
    steps = [{"type": f"sentence_transformers.models.{kind}", "path": paths.get(kind, kind)} for kind in kinds]
    (top / "modules.json").write_text(json.dumps(steps))
    (top / "1_Pooling").mkdir(exist_ok=True)
    if pooling is not None:
        (top / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (top / inner).mkdir(exist_ok=True)
    return ModelFolder(top / inner if inner else top, "sentences", "")


@pytest.mark.parametrize("inner", ["", "0_Transformer"])
def test_the_folder_says_how_to_pool(inner, tmp_path):
    old = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": False}
    assert read_pooling(write(tmp_path, ["Transformer", "Pooling"], old, inner)) == (Pooling(("cls",)), ())
    new = {"pooling_mode": "lasttoken"}
    found = read_pooling(write(tmp_path, ["Transformer", "Pooling", "Normalize"], new, inner))
    assert found == (Pooling(("lasttoken",), normalise=True), ())
    pooling, (notice,) = read_pooling(
        write(tmp_path, ["Transformer", "Pooling", "Dense"], {"pooling_mode": "max"}, inner)
    )
    assert pooling == Pooling(("max",))
    assert "computes more after the pooling (Dense)" in notice
    assert read_pooling(write(tmp_path, ["Transformer"], new, inner)) == (MEAN, ())


@pytest.mark.parametrize("spoilt", [3, [], {"pooling_mode": 7}, {"pooling_mode_cls_token": "yes"}])
def test_a_folder_that_does_not_say_how_has_the_mean(spoilt, tmp_path):
    assert read_pooling(write(tmp_path, ["Transformer", "Pooling"], spoilt)) == (MEAN, ())
    (tmp_path / "modules.json").write_text('[{"type": "x.Pooling", "path": "../../elsewhere"}, 5]')
    assert read_pooling(ModelFolder(tmp_path, "sentences", "")) == (MEAN, ())
    (tmp_path / "modules.json").write_text("{")
    assert read_pooling(ModelFolder(tmp_path, "sentences", "")) == (MEAN, ())


def test_no_embedding_and_numbers_that_are_none_are_refused():
    with pytest.raises(errors.NoAnswer, match="has no sentence embedding"):
        Outputs().embedding()
    with pytest.raises(errors.NoAnswer, match="not a number"):
        Outputs(pooled=torch.tensor([1.0, float("nan")])).embedding()


@pytest.mark.slow
def test_the_embedding_of_the_bundled_model_is_its_normalised_mean(minilm, tmp_path):
    trace = minilm.trace("The cat sat on the mat.")
    with torch.inference_mode():
        hidden = minilm.module(**minilm.tokenizer("The cat sat on the mat.", return_tensors="pt")).last_hidden_state
    mean = hidden[0].mean(0).numpy()
    found = trace.outputs.embedding()
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), rtol=0, atol=1e-6)
    assert found.dtype == np.float32
    assert not found.flags.writeable
    trace.save(tmp_path / "trace.npz")
    for kept in (AttentionTrace.load(tmp_path / "trace.npz"), pickle.loads(pickle.dumps(trace))):
        np.testing.assert_array_equal(kept.outputs.embedding(), found)
