"""What a reader must know of weights that exist already: it is told, with numbers, and the weights stay."""

from __future__ import annotations

import re

import numpy as np
import pytest

from models import Attention
from tests.helpers.given_weights import THREE, TOKENS, spoilt

NOTICES = {
    "dropout": (
        lambda: spoilt(_122=THREE[1, 2, 2] * 0.8),
        "1 of 30 rows does not sum to 1: its sum is 0.8, in layer 1, ",
    ),
    "two": (
        lambda: spoilt(_122=THREE[1, 2, 2] * 0.8, _011=THREE[0, 1, 1] * 1.125),
        "2 of 30 rows do not sum to 1: their sums are 0.8 to 1.12, the furthest in layer 1, head 2, query 2.",
    ),
    "alike": (
        lambda: spoilt(_122=THREE[1, 2, 2] * 0.8, _011=THREE[0, 1, 1] * 0.8),
        "2 of 30 rows do not sum to 1: each sums to 0.8, the furthest in layer ",
    ),
    "NaN": (
        lambda: spoilt(_1011=np.nan, _1234=np.nan),
        "2 weights are not numbers (NaN), the most of them in layer 1, ",
    ),
    "infinite": (lambda: spoilt(_1011=-np.inf), "1 weight is infinite, in layer 1, head 0."),
    "no weight": (lambda: spoilt(_103=0), "1 of 30 rows has no weight, only zeros, in layer 1, head 0."),
    "exchanged": (
        lambda: np.swapaxes(THREE, -1, -2),
        "Columns sum to 1 instead: the order of the axes may be [head, key, query].",
    ),
    "overflow": (lambda: spoilt(_1011=1).astype(np.float64) * 1e300, "infinite"),
}


@pytest.mark.parametrize("what", NOTICES)
def test_what_is_strange_is_told_and_stays(what):
    make, sentence = NOTICES[what]
    given = make()
    with pytest.warns(UserWarning, match=re.escape(sentence)) as warned:
        found = Attention.from_weights(given, TOKENS)
    assert [str(each.message) for each in warned] == list(found.notices)
    with np.errstate(over="ignore"):
        assert found.layer(1).tobytes() == given.astype(np.float32)[1].tobytes()


def test_scores_are_told_from_weights():
    with pytest.warns(UserWarning, match="scores before the softmax are no weights|do not sum to 1"):
        notices = Attention.from_weights(np.log(THREE), TOKENS).notices
    assert notices[0].startswith("150 weights are negative, the lowest, -")
    assert len(notices) == 2
