"""The comparison of replayed with eager weights: a difference that is not a number proves nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.capture.replay import MaterialisedLayer, Replay
from models.checkpoints.verify import _find_largest_difference, tolerance


@pytest.mark.parametrize(
    ("ours", "theirs", "difference"),
    [
        ([[0.25, 0.75]], [[0.5, 0.5]], 0.25),
        ([[0.5, 0.5], [np.nan, np.nan]], [[0.5, 0.5], [np.nan, np.nan]], 0.0),
        ([[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [np.nan, np.nan]], None),
        ([[0.5, 0.5], [np.nan, np.nan]], [[0.5, 0.5], [0.5, 0.5]], None),
        ([[np.nan, np.nan]], [[np.nan, np.nan]], None),
        ([[0.5, 0.5]], [[0.5, 0.5, 0.0]], None),
    ],
)
def test_a_difference_that_is_no_number_proves_nothing(ours, theirs, difference):
    layers = [{"self": [MaterialisedLayer(torch.tensor([weights]))]} for weights in (ours, theirs)]
    assert _find_largest_difference(*layers) == difference


def layers_of_length(length: float) -> dict[str, list[Replay]]:
    """Two layers whose queries are 1 long; the longest key of the second is `length` long before the scaling."""
    query, key = torch.eye(3, 5)[None], torch.eye(4, 5)[None]
    return {"self": [Replay(query, key, 0.5), Replay(query, torch.cat([key, length * key[:, :1]], dim=1), 0.5)]}


@pytest.mark.parametrize(
    ("device", "dtype", "length", "bound"),
    [
        ("cpu", torch.float32, 1024.0, 2e-6),
        ("cuda", torch.float32, 1.0, 2e-6),
        ("cuda:1", torch.float32, 1024.0, 2.0**-24 * 512),
        ("mps", torch.float32, 1024.0, 2.0**-24 * 512),
        ("cuda", torch.bfloat16, 1024.0, 4e-2),
    ],
)
def test_large_scores_may_round_otherwise_on_an_accelerator(device, dtype, length, bound):
    """Measured on CUDA: 8.2e-6 where the product of lengths is 512 (embedding_gemma2); with TF32, 2e-3."""
    assert tolerance(dtype, torch.device(device), layers_of_length(length)) == pytest.approx(bound)


def test_without_replayed_layers_the_bound_is_the_least():
    assert tolerance(torch.float32, torch.device("cuda"), {}) == 2e-6
