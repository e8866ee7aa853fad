"""The colours of the lines of several heads: readable on their ground, different for every kind of sight."""

from itertools import combinations, product

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from viz import colours

GROUNDS = {"light": "#ffffff", "dark": "#0e1117"}
# How a screen's linear red, green and blue look without one kind of cones (Machado, Oliveira and Fernandes 2009).
SIGHTS = {
    "normal": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])


def linear(colour: str) -> np.ndarray:
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    x, y, z = np.cbrt(TO_XYZ @ np.clip(rgb, 0, 1) / TO_XYZ.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("ground", GROUNDS)
def test_lines_stand_out_from_their_ground(ground: str) -> None:
    own, *others = (TO_XYZ[1] @ linear(each) + 0.05 for each in (GROUNDS[ground], *colours.HEAD_COLOURS[ground]))
    assert all(max(own, other) / min(own, other) >= 3 for other in others)


@pytest.mark.parametrize(("ground", "sight"), list(product(GROUNDS, SIGHTS)))
def test_heads_differ_for_every_kind_of_sight(ground: str, sight: str) -> None:
    seen = [lab(np.array(SIGHTS[sight]) @ linear(each)) for each in colours.HEAD_COLOURS[ground]]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 15


def test_at_least_24_heads_have_looks_of_their_own() -> None:
    for dark in (False, True):
        looks = {colours.head_look(number, dark) for number in range(colours.MOST_HEADS)}
        assert len(looks) == colours.MOST_HEADS >= 24
