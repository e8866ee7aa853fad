"""What goes to special tokens and to the first one, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import shares
from tests.helpers.hand_made import attention, random_weights, tokens

WEIGHTS = random_weights(2, 3, 7, 7)
ATT = attention(WEIGHTS, tokens(*"abcdefg", special=(0, 4, 6)))


@pytest.mark.parametrize("rows", [2, 256])
def test_shares_are_means_over_queries(rows):
    found = shares(ATT, 1, 2, rows=rows)
    assert found.special == pytest.approx(WEIGHTS[1, 2][:, [0, 4, 6]].sum(1).mean(), abs=1e-6)
    assert found.first == pytest.approx(WEIGHTS[1, 2][:, 0].mean(), abs=1e-6)


def test_hidden_queries_do_not_count():
    found = shares(ATT, 1, 2, without=(0, 3))
    shown = np.delete(WEIGHTS[1, 2], (0, 3), axis=0)
    assert found.special == pytest.approx(shown[:, [0, 4, 6]].sum(1).mean(), abs=1e-6)
    assert found.first == pytest.approx(shown[:, 0].mean(), abs=1e-6)
    left = WEIGHTS[1, 2][1:, 1:]
    found = shares(ATT.hide(first=True), 1, 2)
    assert found.special == pytest.approx((left[:, [3, 5]].sum(1) / left.sum(1)).mean(), abs=1e-6)
    assert found.first == 0


def test_shares_are_of_what_goes_to_keys():
    rows = np.array([[0.3, 0.1, 0.1], [0.0, 0.2, 0.2], [0.0, 0.0, 0.0]])
    found = shares(attention(rows, tokens(*"abc", special=(0,))), 0, 0)
    assert found == pytest.approx((0.3, 0.3), abs=1e-6)


def test_a_bad_weight_makes_shares_unknown():
    spoilt = WEIGHTS.copy()
    spoilt[1, 2, 5, 3] = np.nan
    assert np.isnan(shares(attention(spoilt), 1, 2)).all()
    assert not np.isnan(shares(attention(spoilt), 1, 1)).any()
    alone = attention(WEIGHTS[..., :1, :1], tokens("a", special=(0,))).hide(special=True)
    assert np.isnan(shares(alone, 0, 0)).all()
