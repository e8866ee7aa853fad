"""A target that a visitor typed for an encoder-decoder does not stand in the way of the next model."""

import pytest

from tests.helpers.inspect_page import run, tokens

pytestmark = pytest.mark.slow


def test_an_encoder_opens_with_the_target_that_is_left_over():
    app = run(target="the cat sat")
    assert not app.error
    assert tokens(app)[1:4] == ["the", "cat", "sat"]
    assert "on" in tokens(app)
