"""Weights times a number for each head and key: the same by bands, blocks and block maxima, and rows of sum 1."""

import numpy as np
import torch

from models import Attention
from models.capture.masks import Spans
from models.capture.replay import Replay
from models.scaled import ScaledLayer
from tests.helpers.hand_made import attention, random_weights, source, tokens

N_HEADS, N = 3, 23


def sliding() -> Replay:
    """A layer in which each token sees itself and three tokens before it."""
    random = torch.Generator().manual_seed(5)
    order = torch.arange(N)
    mask = Spans((order - 3).clamp(min=0), order + 1)
    return Replay(*torch.randn(2, N_HEADS, N, 5, generator=random), 0.7, mask=mask)


def of_layer(layer) -> Attention:
    shown = tokens(*map(str, range(N)))
    return Attention("decoder", [layer], shown, shown, source())


def test_each_key_of_each_head_is_scaled_wherever_it_is_read():
    scale = torch.from_numpy(random_weights(N_HEADS, N, seed=6))
    plain, found = of_layer(sliding()), of_layer(ScaledLayer(sliding(), scale))
    expected = plain.layer(0) * scale.numpy()[:, None]
    assert np.abs(found.layer(0) - expected).max() < 1e-7
    for head in range(N_HEADS):
        part = found.weights(0, head, queries=[19, 4], keys=[17, 3])
        assert np.abs(part - expected[head][[19, 4]][:, [17, 3]]).max() < 1e-7
        np.testing.assert_array_equal(found.mask(0, head), plain.mask(0, head))
        blocks = [[expected[head, i : i + 6, j : j + 6].max() for j in range(0, N, 6)] for i in range(0, N, 6)]
        assert np.abs(found.pooled(0, head, 4) - blocks).max() < 1e-7
    band, low = found.layers[0].band(slice(1, 3), slice(15, 20))
    assert (low, band.shape) == (12, (2, 5, 8))
    assert np.abs(band.numpy() - expected[1:, 15:20, 12:20]).max() < 1e-7
    assert found.key_heads(0) == plain.key_heads(0)


def test_rows_are_divided_by_their_sums_after_scaling():
    scale = torch.from_numpy(random_weights(N_HEADS, N, seed=7))
    found = of_layer(ScaledLayer(sliding(), scale, normalise=True)).layer(0)
    scaled = of_layer(sliding()).layer(0) * scale.numpy()[:, None]
    assert np.abs(found - scaled / scaled.sum(-1, keepdims=True)).max() < 1e-6


def test_rows_of_zeros_and_rows_that_are_no_numbers_stay():
    weights = random_weights(1, 1, 5, 5)
    weights[0, 0, 1], weights[0, 0, 3, 2] = 0, np.nan
    plain = attention(weights)
    rows = Attention("encoder", [ScaledLayer(plain.layers[0], None, True)], *2 * (plain.query_tokens,), source())
    found = rows.weights(0, 0)
    assert not found[1].any()
    assert np.isnan(found[3]).all()
    assert np.abs(found[[0, 2, 4]].sum(-1) - 1).max() < 1e-6
