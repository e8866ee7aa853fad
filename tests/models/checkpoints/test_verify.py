"""The comparison of replayed with eager weights: a difference that is not a number proves nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.capture.replay import MaterialisedLayer
from models.checkpoints.verify import _find_largest_difference


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
