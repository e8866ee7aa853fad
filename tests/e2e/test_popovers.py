"""The content of a popover follows its button in the tab order; Streamlit puts it at the end of the document."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.helpers.visitor import PHONE, wait_until_idle

pytestmark = pytest.mark.e2e
BODY = '[data-testid="stPopoverBody"]'
MODEL = "Model: sentence-transformers/all-MiniLM-L6-v2 · 6 layers × 12 heads"


def open_by_key(page: Page, name: str) -> Locator:
    button = page.get_by_role("button", name=name, exact=True)
    button.focus()
    button.press("Enter")
    expect(page.locator(BODY)).to_be_visible()
    return button


def is_in_popover(page: Page) -> bool:
    return page.evaluate(f"() => document.querySelector('{BODY}')?.contains(document.activeElement) ?? false")


def tab_until_left(page: Page, key: str, most: int = 60) -> int:
    """Press a key until the focus is outside of the popover; return how often."""
    for n_pressed in range(1, most):
        page.keyboard.press(key)
        if not is_in_popover(page):
            return n_pressed
    raise AssertionError(f"{key} does not leave the popover")


def go_through(page: Page) -> None:
    """Tab goes through a popover and on behind its button."""
    page.get_by_role("button", name=MODEL, exact=True).focus()
    page.keyboard.press("Tab")
    behind = page.evaluate("() => document.activeElement.outerHTML")
    button = open_by_key(page, MODEL)
    expect(page.get_by_role("textbox", name="Model: bundled name")).to_be_focused()
    # The rest of the content comes with the run, and Streamlit drops a key that is pressed while it draws.
    wait_until_idle(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("textbox", name="Revision")).to_be_focused()
    assert tab_until_left(page, "Tab") > 5
    expect(page.locator(BODY)).to_have_count(0)
    expect(button).to_have_attribute("aria-expanded", "false")
    # While the popover closes, nothing has the focus for a moment.
    page.wait_for_function("behind => document.activeElement.outerHTML === behind", arg=behind)


def go_back(page: Page) -> None:
    """Shift+Tab goes back to the button, and Escape closes the popover."""
    button = open_by_key(page, MODEL)
    expect(page.get_by_role("textbox", name="Model: bundled name")).to_be_focused()
    wait_until_idle(page)
    assert tab_until_left(page, "Shift+Tab") <= 2
    expect(button).to_be_focused()
    expect(page.locator(BODY)).to_be_visible()
    page.keyboard.press("Tab")
    assert is_in_popover(page)
    page.keyboard.press("Escape")
    expect(page.locator(BODY)).to_have_count(0)
    expect(button).to_be_focused()


def wait_for_content(page: Page) -> None:
    """A popover whose content comes later gets the focus then."""
    open_by_key(page, "Export")
    wait_until_idle(page)
    page.wait_for_function(f"() => document.querySelector('{BODY}').contains(document.activeElement)")
    tab_until_left(page, "Tab")
    expect(page.locator(BODY)).to_have_count(0)


def test_the_keyboard_goes_through_popovers_in_their_order(open_page):
    page = open_page()
    for act in (go_through, go_back, wait_for_content):
        wait_until_idle(page)
        act(page)


def test_on_a_phone_no_keyboard_covers_the_popover(open_page):
    page = open_page(viewport=PHONE)
    button = page.get_by_role("button", name=MODEL, exact=True)
    # Chromium marks the pointer of a finger.
    button.dispatch_event("pointerdown", {"pointerType": "touch", "bubbles": True})
    button.evaluate("(button) => { button.focus(); button.click(); }")
    expect(page.locator(BODY)).to_be_visible()
    page.wait_for_timeout(500)
    assert not is_in_popover(page)
