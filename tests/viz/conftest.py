"""The real encoder's attention, and each of its exported files, made once for all tests of this room."""

from collections.abc import Callable
from functools import cache

import pytest

import models
import viz
from tests.helpers.cat_sentence import CAT, HEAD, LAYER
from viz import Export


@pytest.fixture(scope="session")
def cat(minilm: models.Model) -> models.Attention:
    """13 tokens, 6 layers x 12 heads."""
    return minilm.trace(CAT)["encoder"]


@pytest.fixture(scope="session")
def exported(cat: models.Attention) -> Callable[[str, str], Export]:
    """The file of a figure in a format: one head of `cat`, or all heads with that one outlined."""
    return cache(lambda figure, file_format: viz.export(cat, figure, file_format, layer=LAYER, head=HEAD))
