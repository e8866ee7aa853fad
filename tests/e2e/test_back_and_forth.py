"""A visitor who is quicker than the page, goes Back, locks tokens by keyboard, or pastes half a character."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.visitor import (
    MessageGate,
    flow,
    grid,
    inspect_text,
    token_position,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e


def tokens(page: Page) -> list[str]:
    return page.locator(".st-key-heatmap .js-plotly-plot").evaluate(
        "(plot) => plot._fullLayout.yaxis.ticktext.map(String)"
    )


def test_quick_arrow_keys_end_where_they_lead(open_page):
    page = open_page("/?layer=0&head=0")
    page.evaluate(
        """() => { window.seen = []; const look = (root) => [...root.querySelectorAll("*")].flatMap((one) =>
            [...(one.matches(".grid") ? [one] : []), ...(one.shadowRoot ? look(one.shadowRoot) : [])]);
        const [picture] = look(document);
        new MutationObserver(() => window.seen.push(Number(picture.dataset.selected.split(",")[1])))
            .observe(picture, { attributes: true, attributeFilter: ["data-selected"] }); }"""
    )
    canvas = page.locator(".grid-canvas")
    for _ in range(10):
        canvas.press("ArrowRight")
        page.wait_for_timeout(90)
    expect(page.get_by_role("heading", name="Token to token: layer 0, head 10")).to_be_visible()
    wait_until_idle(page)
    expect(grid(page)).to_have_attribute("data-selected", "0,10")
    # Must not happen: an outline that jumps back to a head that was left.
    seen = page.evaluate("window.seen")
    assert seen == sorted(seen)
    expect(page).to_have_url(url_with("head=10"))


def test_a_pick_and_a_slider_in_quick_succession_both_hold(open_page):
    gate = MessageGate()
    page = open_page("/?layer=0&head=5", prepare=gate.install)
    # The widgets have not heard of the pick when the slider's message takes their values along.
    gate.close()
    page.locator(".grid-canvas").press("ArrowLeft")
    page.wait_for_timeout(1500)
    page.get_by_role("slider", name="Flow threshold").press("ArrowRight")
    page.wait_for_timeout(1500)
    gate.open()
    expect(page.get_by_role("heading", name="Token to token: layer 0, head 4")).to_be_visible()
    wait_until_idle(page)
    expect(page.get_by_role("combobox", name="Head", exact=True)).to_have_value("4")
    expect(page).to_have_url(url_with("head=4&threshold=0.06"))
    # Must not happen: a head that only its own widget can leave, or that it cannot go back to.
    page.get_by_role("combobox", name="Head", exact=True).click()
    page.get_by_role("option", name="5", exact=True).click()
    expect(page.get_by_role("heading", name="Token to token: layer 0, head 5")).to_be_visible()
    wait_until_idle(page)
    expect(page).to_have_url(url_with("head=5&threshold=0.06"))


def test_a_lock_and_a_head_in_quick_succession_both_hold(open_page):
    gate = MessageGate()
    page = open_page("/?layer=0&head=5&token=query:8", prepare=gate.install)
    gate.close()
    page.mouse.click(*token_position(page, "query", 3))
    page.wait_for_timeout(1500)
    page.locator(".grid-canvas").press("ArrowRight")
    page.wait_for_timeout(1500)
    gate.open()
    expect(page.get_by_role("heading", name="Token to token: layer 0, head 6")).to_be_visible()
    wait_until_idle(page)
    expect(page).to_have_url(url_with("head=6&token=query%3A3"))
    expect(page.get_by_role("combobox", name="Isolate", exact=True)).to_have_value(re.compile("sat"))


def test_back_twice_before_the_page_answers_keeps_what_lies_ahead(open_page):
    gate = MessageGate()
    page = open_page("/?text=Alpha", prepare=gate.install)
    inspect_text(page, "Bravo")
    inspect_text(page, "Charlie")
    gate.close()
    page.evaluate("history.back()")
    page.wait_for_timeout(1500)
    n_waiting = len(gate.waiting)
    page.evaluate("history.back()")
    page.wait_for_timeout(1500)
    gate.release(n_waiting)
    page.wait_for_timeout(300)
    gate.open()
    box = page.get_by_role("textbox", name="Text to inspect")
    expect(box).to_have_value("Alpha")
    wait_until_idle(page)
    for text in ("Bravo", "Charlie"):
        page.evaluate("history.forward()")
        expect(box).to_have_value(text)
        wait_until_idle(page)
        expect(page).to_have_url(url_with(f"text={text}"))


def test_back_and_forward_go_from_text_to_text(open_page):
    page = open_page()
    length = page.evaluate("history.length")
    inspect_text(page, "Birds sing at dawn")
    page.locator(".grid-canvas").press("ArrowLeft")
    wait_until_idle(page)
    page.locator(".grid-canvas").press("ArrowLeft")
    expect(page.get_by_role("heading", name="Token to token: layer 5, head 9")).to_be_visible()
    wait_until_idle(page)
    inspect_text(page, "Dogs bark at night")
    # One step for each text, none for a head.
    assert page.evaluate("history.length") == length + 2
    page.go_back()
    expect(page.get_by_role("textbox", name="Text to inspect")).to_have_value("Birds sing at dawn")
    wait_until_idle(page)
    assert "birds" in tokens(page)
    expect(page).to_have_url(url_with("head=9"))
    page.go_back()
    expect(page.get_by_role("textbox", name="Text to inspect")).to_have_value(re.compile("The cat sat"))
    wait_until_idle(page)
    page.go_forward()
    expect(page.get_by_role("textbox", name="Text to inspect")).to_have_value("Birds sing at dawn")
    wait_until_idle(page)
    assert page.evaluate("history.length") == length + 2


def test_back_from_another_page_finds_what_was_left(open_page):
    page = open_page("/?layer=1&head=3")
    inspect_text(page, "Birds sing at dawn")
    page.get_by_role("button", name="Learn").click()
    page.get_by_role("menuitem", name="Step by step").click()
    expect(page.get_by_role("heading", name="Attention, step by step")).to_be_visible()
    wait_until_idle(page)
    page.go_back()
    expect(page.get_by_role("textbox", name="Text to inspect")).to_have_value("Birds sing at dawn")
    wait_until_drawn(page)
    expect(page).to_have_url(url_with("Birds"))


def test_a_lock_is_told_at_once_and_what_the_keys_pass_is_let_go(open_page):
    page = open_page()
    status = page.locator(".flow-status")
    page.mouse.click(*token_position(page, "query", 8))
    expect(status).to_contain_text("it (8) (locked) attends to cat 0.7")
    wait_until_idle(page)
    scroll = page.locator(".flow-scroll")
    scroll.press("ArrowDown")
    expect(status).to_contain_text("was (9) attends to")
    scroll.press("Tab")
    expect(flow(page)).to_have_attribute("data-focus", "query:8")
    expect(status).to_contain_text("it (8) (locked)")
    expect(page).to_have_url(url_with("token=query%3A8"))


def test_repeated_tokens_are_told_apart_in_words(open_page):
    page = open_page("/?layer=5&head=10&token=key:2&threshold=0")
    expect(page.locator(".flow-status")).to_contain_text(re.compile(r"is attended to by .*the \(5\) 0\.\d+"))


def test_half_a_character_becomes_a_picture(open_page):
    """A lone surrogate cannot be sent: Streamlit's connection would break, and the page stand still without a word."""
    page = open_page()
    box = page.get_by_role("textbox", name="Text to inspect")
    box.evaluate(
        """(box) => { Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set
            .call(box, "Broken " + String.fromCharCode(0xd83d) + " emoji");
        box.dispatchEvent(new Event("input", { bubbles: true })); }"""
    )
    box.press("Control+Enter")
    wait_until_idle(page)
    assert tokens(page)[1] == "broken"
    assert tokens(page)[-2].endswith("i")


def test_more_than_a_message_holds_is_refused_in_a_sentence(open_page):
    page = open_page()
    box = page.get_by_role("textbox", name="Text to inspect")
    box.evaluate(
        """(box) => { Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set
            .call(box, "cats sleep ".repeat(3_000_000));
        box.dispatchEvent(new Event("input", { bubbles: true })); }"""
    )
    box.press("Control+Enter")
    expect(page.get_by_text("has more than 2,000,000 characters")).to_be_visible(timeout=60_000)
    inspect_text(page, "Birds sing at dawn")
    assert "birds" in tokens(page)


def test_a_link_that_is_partly_wrong_says_so_until_the_next_text(open_page):
    page = open_page("/?layer=abc")
    notice = page.get_by_text("The link's layer is ignored")
    expect(notice).to_be_visible()
    page.locator(".grid-canvas").press("ArrowLeft")
    wait_until_idle(page)
    inspect_text(page, "Birds sing at dawn")
    expect(notice).to_have_count(0)


def test_what_is_refused_does_not_leave_another_text_in_the_address(open_page):
    page = open_page("/?text=Birds+sing")
    inspect_text(page, "   ")
    expect(page.get_by_text("There is nothing to inspect")).to_be_visible()
    wait_until_idle(page)
    expect(page).not_to_have_url(url_with("Birds"))
