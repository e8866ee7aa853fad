"""What a language model expects next, as a visitor sees it: it follows the locked token, and is no markup."""

import pytest
from playwright.sync_api import expect

from models import load_model
from tests.helpers.accessibility import violations
from tests.helpers.visitor import DESKTOP, PHONE, strip_token, wait_until_idle

pytestmark = pytest.mark.e2e
TEXT = "the cat <b>bold</b> sat"


def test_answers_follow_the_locked_token(open_page, tiny_gpt):
    outputs = load_model(tiny_gpt).trace(TEXT).outputs
    page = open_page(f"/?model={tiny_gpt}&text={TEXT}")
    panel = page.get_by_role("group", name="What the model answers")
    last = len(outputs.tokens) - 1
    expect(panel).to_contain_text(f"(position {last}) the model expects:")
    before = page.locator(".instrument").bounding_box()
    strip_token(page, 3).click()
    expect(panel).to_contain_text("After “<b>bold</b>” (position 3) the model expects:")
    wait_until_idle(page)
    shown = panel.get_by_role("listitem").all_inner_texts()
    assert [text.split()[-1] for text in shown] == [f"{word.probability:.1%}" for word in outputs.top_words(3)]
    # The answers changed in their place: the instrument stands where it stood.
    assert page.locator(".instrument").bounding_box()["y"] == before["y"]
    assert page.evaluate("window.pwned") is None
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        for viewport in (DESKTOP, PHONE):
            page.set_viewport_size(viewport)
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
