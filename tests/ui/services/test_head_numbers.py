"""Measures of all heads as jobs: they say how far they are, and stop when nobody waits for them."""

import pytest

from models import Attention
from tests.helpers.hand_made import random_weights
from ui.services.head_numbers import distances_of, numbers_of
from ui.services.jobs import Stopped


def stop(done: int, total: int) -> None:
    raise Stopped


@pytest.mark.parametrize(("make", "total"), [(numbers_of, 2), (distances_of, 7)])
def test_it_says_how_far_it_is_and_can_be_stopped(make, total):
    att = Attention.from_weights(random_weights(2, 3, 7, 7), list("abcdefg"))
    said: list[tuple[int, int]] = []
    make(att).compute(lambda done, total: said.append((done, total)))
    assert said[-1] == (total, total)
    with pytest.raises(Stopped):
        make(att).compute(stop)
