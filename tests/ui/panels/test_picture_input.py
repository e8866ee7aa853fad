"""A picture for the page: a visitor's upload, or a picture whose answer is known."""

import pytest
from PIL import Image

from tests.helpers.inspect_page import message, messages, run
from tests.helpers.picture_bytes import encode
from ui.panels import picture_input


@pytest.mark.slow
def test_an_empty_file_is_refused_and_no_other_picture_is_shown_instead():
    app = run(model="scratch:digits", layer="2", head="3")
    assert messages(app) == []
    assert message(app)
    app.file_uploader(key="picture").set_value(("empty.png", b"", "image/png")).run()
    assert messages(app) == ["The file is empty, expected a picture: save it again as PNG, JPEG or WebP."]
    assert message(app) is None
    app.file_uploader(key="picture").set_value(
        ("small.png", encode(Image.new("RGB", (11, 7), "navy")), "image/png")
    ).run()
    assert messages(app) == []
    assert message(app)
    # Another page reads the same picture, until the visitor removes it there.
    app.switch_page("ui/pages/heads.py").run()
    assert any("small\\.png, which you uploaded" in each.value for each in app.caption)
    app.button(key="remove picture").click().run()
    app.switch_page("ui/pages/inspect.py").run()
    assert not any("which you uploaded" in each.value for each in app.caption)


def test_the_answer_is_known_only_without_an_upload(monkeypatch):
    for data, known in ((None, True), (b"", False), (b"x", False)):
        monkeypatch.setattr(picture_input, "uploaded_bytes", lambda key, data=data: data)
        assert (picture_input.known_answer() is not None) is known
