"""Texts and links that cannot be shown as they are: half a character, too much, or partly wrong."""

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.visitor import (
    heads_keys,
    inspect_text,
    strip_token,
    text_box,
    tokens,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e


def fill(page: Page, value: str) -> None:
    """Inspect a JavaScript value: half a character, or millions of them, cannot be typed."""
    box = text_box(page)
    box.evaluate(
        f"""(box) => {{ Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(box, {value});
        box.dispatchEvent(new Event("input", {{ bubbles: true }})); }}"""
    )
    box.press("Control+Enter")


def test_half_a_character_and_texts_beyond_all_limits(open_page):
    """A lone surrogate cannot be sent: Streamlit's connection would break, and the page stand still without a word."""
    page = open_page()
    fill(page, '"Broken " + String.fromCharCode(0xd83d) + " emoji"')
    expect(strip_token(page, 1)).to_have_text("broken")
    wait_until_drawn(page)
    assert tokens(page)[-2].endswith("i")
    # Must not happen: a connection that has ended.
    expect(page.locator('[data-test-connection-state="CONNECTED"]')).to_be_attached()
    fill(page, '"the cat sat ".repeat(90_000)')
    expect(page.get_by_test_id("stAlert")).to_contain_text("The first 256 of 270,002 tokens", timeout=60_000)
    wait_until_drawn(page)
    fill(page, '"cats sleep ".repeat(500_000)')
    expect(page.get_by_text("has more than 2,000,000 characters")).to_be_visible(timeout=60_000)
    inspect_text(page, "Birds sing at dawn")
    expect(strip_token(page, 1)).to_have_text("birds")


def test_a_link_that_is_partly_wrong_says_so_until_the_next_text(open_page):
    page = open_page("/?layer=abc")
    notice = page.get_by_text("The link's layer is ignored")
    expect(notice).to_be_visible()
    heads_keys(page).press("ArrowLeft")
    wait_until_idle(page)
    expect(notice).to_be_visible()
    inspect_text(page, "Birds sing at dawn")
    expect(notice).to_have_count(0)


def test_what_is_refused_does_not_leave_another_text_in_the_address(open_page):
    page = open_page("/?text=Birds+sing")
    inspect_text(page, "   ")
    expect(page.get_by_text("There is nothing to inspect")).to_be_visible()
    wait_until_idle(page)
    expect(page).not_to_have_url(url_with("Birds"))
