"""Weights that are not finite or all equal: named on the card, shown unchanged, and the capture is still verified."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from models import load_model
from tests.helpers.corrupt import KEY, QUERY, change
from tests.helpers.small_models import SENTENCE
from viz import heatmap


def test_nan_weights_are_named_and_shown_as_they_are(folder):
    change(folder, lambda weights: weights[f"{KEY}.weight"][3, :5].fill_(torch.nan))
    model = load_model(str(folder))
    assert model.card.notices == (
        f"1 weight tensor is damaged: {KEY}.weight (5 of 1,764 values NaN). Pictures show what the model computes with "
        "them, and mark values that are not numbers. Fetch or save the model again.",
    )
    # The capture was proven with zeros in their place: a number, and the family's own way.
    assert model.card.capture == "replayed"
    assert model.card.proof <= 2e-6
    assert int(torch.isnan(model.module.get_parameter(f"{KEY}.weight")).sum()) == 5
    found = model.trace(SENTENCE)["encoder"]
    assert np.isfinite(found.layer(0)).all()
    # Row 3 of the projection belongs to head 0 (14 wide); the others of the layer are untouched.
    assert np.isnan(found.weights(1, 0)).all()
    assert np.isfinite(found.weights(1, 1)).all()
    assert np.isnan(found.pooled(1, 0, size=3)).all()
    assert "pink: not a number" in heatmap(found, layer=1, head=0).layout.title.text


def test_infinite_weights_are_named_with_nan_ones(folder):
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights[f"{KEY}.weight"][3, :5] = torch.nan
        weights["embeddings.LayerNorm.bias"][0] = -torch.inf

    change(folder, spoil)
    told = load_model(str(folder)).card.notices[0]
    assert told.startswith(
        "2 weight tensors are damaged: embeddings.LayerNorm.bias (1 of 42 values infinite), "
        f"{KEY}.weight (5 of 1,764 values NaN). "
    )


@pytest.mark.parametrize("family", ["gpt2", "deberta-v2", "t5"])
def test_nan_weights_do_not_change_the_way_of_capture_or_the_kinds(family, folder_of, loaded, tmp_path):
    folder = Path(shutil.copytree(folder_of(family), tmp_path / "spoilt"))
    change(folder, lambda weights: weights[max(weights, key=lambda name: weights[name].numel())][5].fill_(torch.nan))
    card, expected = load_model(str(folder)).card, loaded(family).card
    assert (card.kinds, card.capture) == (expected.kinds, expected.capture)
    assert card.proof <= 2e-6
    assert card.notices[0].startswith("1 weight tensor is damaged: ")


def test_numbers_too_large_for_the_computation_are_told_by_head(folder):
    change(folder, lambda weights: weights["encoder.layer.0.output.LayerNorm.weight"].mul_(1e38))
    card = load_model(str(folder)).card
    assert card.notices == (
        "3 heads are not a number on a short text (layer 1 head 0, layer 1 head 1, layer 1 head 2): the weights are "
        "damaged or too large for this dtype.",
    )
    # Without a number in a layer there is no proof: the model's own weights are shown.
    assert card.capture == "materialised"


def test_numbers_too_large_for_the_dtype_are_told_by_name(folder):
    change(folder, lambda weights: weights[f"{KEY}.weight"][0, 0].fill_(1e5))
    assert load_model(str(folder)).card.notices == ()
    told = load_model(str(folder), dtype="float16").card.notices[0]
    assert told.startswith(f"1 weight tensor is damaged: {KEY}.weight (1 of 1,764 values infinite). ")


def test_dead_queries_are_told_and_uniform(folder):
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights[f"{QUERY}.weight"].zero_()
        weights[f"{QUERY}.bias"].zero_()

    change(folder, spoil)
    model = load_model(str(folder))
    assert model.card.notices == (
        f"1 weight matrix contains one value only: {QUERY}.weight (all 0). Such a matrix gives all its "
        "dimensions the same number: it was not trained, or it is damaged. Fetch or save the model again.",
        "3 heads attend to every token equally on a short text (layer 0 head 0, layer 0 head 1, layer 0 head 2): "
        "the queries and keys there do not distinguish tokens.",
    )
    weights = model.trace("the cat sat")["encoder"].weights(0, 2)
    assert weights.min() == weights.max()


def test_a_table_or_a_vector_of_zeros_is_nothing_to_tell(folder):
    change(folder, lambda weights: weights["embeddings.token_type_embeddings.weight"].zero_())
    change(folder, lambda weights: weights[f"{QUERY}.bias"].zero_())
    assert load_model(str(folder)).card.notices == ()


def test_one_dead_head_of_a_decoder_is_told(folder_of, tmp_path):
    folder = Path(shutil.copytree(folder_of("llama"), tmp_path / "spoilt"))
    change(folder, lambda weights: weights["layers.1.self_attn.q_proj.weight"][20:30].zero_())  # head 2, 10 wide
    assert load_model(str(folder)).card.notices == (
        "1 head attends to every token equally on a short text (layer 1 head 2): "
        "the queries and keys there do not distinguish tokens.",
    )
