"""All that changes weights, each seen at work in families that have it, and the weights equal to eager ones with it."""

from __future__ import annotations

import pytest
import torch

from tests.helpers.rounding import OF_PASSES
from tests.zoo.compare import ALL, captured, pair_of, plain_weights
from tests.zoo.features import FEATURES
from tests.zoo.inputs import N_TOKENS, ids

pytestmark = pytest.mark.slow

N_PADDED = 4
WINDOW = 5


def of(feature: str):
    return pytest.mark.parametrize("family", FEATURES[feature])


def equal_layers(family, real=ALL, **changed):
    """Capture with changed inputs, compare with eager in the real rows, and return our layers of every kind.

    Measured: 0 with AVX-512, equal to the bit; 1.6e-6 with AVX2 (BART, padded on the left).
    """
    pair = pair_of(family)
    inputs = {name: value for name, value in {**pair.inputs, **changed}.items() if value is not None}
    ours, theirs = captured(pair, inputs), plain_weights(pair.plain, inputs)
    assert {kind: len(layers) for kind, layers in ours.items()} == {kind: len(found) for kind, found in theirs.items()}
    for kind, layers in ours.items():
        rows = real if kind in ("self", "encoder") else ALL
        for layer, expected in zip(layers, theirs[kind], strict=True):
            difference = float((layer.rows(ALL, ALL) - expected)[:, rows].abs().max())
            assert difference <= (OF_PASSES if hasattr(layer, "query") else 0)
    return ours


def weights_of(layers, *kinds):
    return [layer.rows(ALL, ALL) for kind in kinds or layers for layer in layers.get(kind, ())]


@pytest.mark.parametrize("side", ["left", "right"])
@of("padding")
def test_padding(family, side):
    real = slice(N_PADDED, None) if side == "left" else slice(None, N_TOKENS - N_PADDED)
    mask = torch.zeros(2, N_TOKENS, dtype=torch.long)
    mask[0, real] = mask[1] = 1
    changed = {"input_ids": torch.cat([ids(N_TOKENS, 1), ids(N_TOKENS, 2)]), "attention_mask": mask}
    target = pair_of(family).inputs.get("decoder_input_ids")
    if target is not None:
        changed["decoder_input_ids"] = target.repeat(2, 1)
    layers = equal_layers(family, real, **changed)
    padding = mask[0] == 0
    for weights in weights_of(layers, "self", "encoder"):
        assert not weights[:, real][..., padding].any()
    for weights in weights_of(layers, "cross"):
        assert not weights[..., padding].any()


@of("causal mask")
def test_causal_mask(family):
    for weights in weights_of(equal_layers(family)):
        assert not weights.triu(1).any()
        assert (weights.diagonal(dim1=1, dim2=2) > 0).all()


@of("sliding window")
def test_sliding_window(family):
    found = weights_of(equal_layers(family))
    windowed = [weights for weights in found if not weights[:, -1, : N_TOKENS - WINDOW].any()]
    assert windowed
    assert all((weights[:, -1, -3:] > 0).all() for weights in windowed)


@of("packed texts")
def test_packed_texts(family):
    first = 5
    positions = torch.cat([torch.arange(first), torch.arange(N_TOKENS - first)])[None]
    for weights in weights_of(equal_layers(family, attention_mask=None, position_ids=positions)):
        assert not weights[:, first:, :first].any()
        assert not weights[:, :first, first:].any()


@of("grouped heads")
def test_grouped_heads(family):
    layers = equal_layers(family)["self"]
    assert all(len(layer.key) < len(layer.query) for layer in layers)


@of("scaling of the scores")
def test_scaling_of_the_scores(family):
    layers = [layer for found in equal_layers(family).values() for layer in found]
    assert all(abs(layer.scaling - layer.query.shape[-1] ** -0.5) > 0.01 for layer in layers)


@of("softcap")
def test_softcap(family):
    layers = [layer for found in equal_layers(family).values() for layer in found]
    assert all(layer.softcap is not None for layer in layers)


@of("attention sinks")
def test_attention_sinks(family):
    layers = [layer for layer in equal_layers(family)["self"] if layer.sinks is not None]
    assert layers
    assert all(layer.rows(ALL, ALL).sum(-1).mean() < 0.99 for layer in layers)


@of("position bias")
def test_position_bias(family):
    layers = [layer for kind, found in equal_layers(family).items() if kind != "cross" for layer in found]
    # Conformers add theirs to the mask, T5 gives it by name.
    biases = [layer.bias if layer.bias is not None else layer.mask for layer in layers]
    assert all(bias is not None and len(bias.unique()) > 4 for bias in biases)


@of("rotary positions")
def test_rotary_positions(family):
    near, far = torch.arange(N_TOKENS)[None], 3 * torch.arange(N_TOKENS)[None]
    pairs = [weights_of(equal_layers(family, attention_mask=None, position_ids=order)) for order in (near, far)]
    shifted = weights_of(equal_layers(family, attention_mask=None, position_ids=near + 7))
    assert max(float((one - other).abs().max()) for one, other in zip(*pairs, strict=True)) > 0.1
    # Only distances matter. Measured: 1.1e-5, since far angles round more coarsely.
    assert max(float((one - other).abs().max()) for one, other in zip(pairs[0], shifted, strict=True)) < 1e-4


@of("ALiBi")
def test_alibi(family):
    same = torch.full((1, N_TOKENS), 7)
    weights = weights_of(equal_layers(family, input_ids=same))[0]
    # Equal tokens have equal scores: what is left is the slope, which favours what is near.
    assert (weights[:, -1].diff(dim=-1) > 0).all()
    # Each head has a slope of its own.
    assert len(weights[:, -1, -1].unique()) == len(weights)


@of("keys chosen by an index")
def test_keys_chosen_by_an_index(family):
    for weights in weights_of(equal_layers(family)):
        assert (weights > 0).sum(-1).max() <= 4
