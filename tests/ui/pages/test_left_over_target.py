"""A target that a visitor typed for an encoder-decoder does not stand in the way of the next model."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.paths import APP

pytestmark = pytest.mark.slow


def test_an_encoder_opens_with_the_target_that_is_left_over():
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params["target"] = "the cat sat"
    app.run()
    assert not app.exception
    assert not app.error
    assert any("Token to token" in part.value for part in app.markdown)
