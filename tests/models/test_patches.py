"""Grids of patches among the keys: their names, where a text begins after them, and the light of several grids."""

import numpy as np
import pytest
import torch

from analysis.patches import light_of
from analysis.selection import READABLE, Region, TokenRef
from models import Attention
from models.capture.replay import MaterialisedLayer
from models.patches import Patches, move_patches, name_patches, text_start
from tests.helpers import hand_made

# Two tiles side by side, 2 x 3 patches each, and the whole picture in 1 x 2 patches.
LEFT = Patches(2, 2, 3, (0.0, 0.0, 0.5, 1.0))
RIGHT = Patches(9, 2, 3, (0.5, 0.0, 1.0, 1.0))
WHOLE = Patches(16, 1, 2)


def test_names_count_over_the_whole_picture() -> None:
    names = name_patches((LEFT, RIGHT, WHOLE))
    assert [names[position] for position in LEFT.positions] == ["0,0", "0,1", "0,2", "1,0", "1,1", "1,2"]
    assert [names[position] for position in RIGHT.positions] == ["0,3", "0,4", "0,5", "1,3", "1,4", "1,5"]
    assert [names[position] for position in WHOLE.positions] == ["whole 0,0", "whole 0,1"]
    assert name_patches((WHOLE,)) == {16: "0,0", 17: "0,1"}


def test_the_light_of_one_grid_is_its_weights() -> None:
    weights = np.random.default_rng(0).random(20).astype(np.float32)
    np.testing.assert_array_equal(light_of((Patches(4, 3, 5),), weights), weights[4:19].reshape(3, 5))


def test_the_light_of_several_grids_lies_where_their_patches_are() -> None:
    weights = np.zeros(18, np.float32)
    weights[RIGHT.first + 4] = 0.25  # row 1, column 1 of the right tile
    weights[WHOLE.first] = 0.5  # the left half of the picture: 2 x 3 places
    light = light_of((LEFT, RIGHT, WHOLE), weights)
    expected = np.zeros((2, 6), np.float32)
    expected[1, 4] = 0.25
    expected[:, :3] = 0.5 / 6
    np.testing.assert_allclose(light, expected, atol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_light_adds_up_to_the_attention_on_all_patches(seed: int) -> None:
    weights = np.random.default_rng(seed).random(18).astype(np.float32)
    light = light_of((LEFT, RIGHT, WHOLE), weights)
    assert light.sum() == pytest.approx(weights[2:8].sum() + weights[9:15].sum() + weights[16:18].sum(), rel=1e-5)
    # By brute force, at the middle of each place.
    for row in range(2):
        for column in range(6):
            own = weights[(LEFT if column < 3 else RIGHT).first + row * 3 + column % 3]
            assert light[row, column] == pytest.approx(own + weights[16 + column // 3] / 6, rel=1e-5)


def test_words_move_grids_and_drop_broken_ones() -> None:
    pieces = [(0, 1), *((position,) for position in range(2, 9)), (9, 10), *((at,) for at in range(11, 18))]
    assert move_patches((LEFT, RIGHT, WHOLE), pieces) == (Patches(1, 2, 3, LEFT.box), Patches(14, 1, 2))


def test_a_long_text_with_a_picture_is_shown_from_the_text_on() -> None:
    n, first = 360, 330
    tokens = hand_made.tokens(*(f"t{number}" for number in range(n)))
    layer = MaterialisedLayer(torch.ones(1, n, n) / n)
    grid = Patches(6, 18, 18)
    assert text_start((grid,), n) == first
    assert text_start((grid,), first) == 0
    att = Attention("decoder", [layer], tokens, tokens, hand_made.source(), key_patches=(grid,))
    whole = Region(range(n), range(n))
    text, start = range(first, n), range(READABLE)
    assert whole.readable_part(att, None) == Region(text, text)
    assert whole.readable_part(att, TokenRef("query", 340)) == Region(text, text)
    assert whole.readable_part(att, TokenRef("query", 20)) == Region(start, start)
