"""A visitor who is quicker than the server, or goes Back: no choice is taken back."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.traffic import Traffic
from tests.helpers.visitor import (
    MessageGate,
    choose_example,
    expect_head,
    expect_locked,
    graph_keys,
    heads_keys,
    inspect_text,
    select_box,
    strip_token,
    text_box,
    tokens,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e


def record_heads(page: Page) -> None:
    """Write down every head that the instrument draws from now on."""
    page.evaluate(
        """() => { const picture = document.querySelector(".instrument");
        const seen = [picture.dataset.drawn];
        window.seen = () => seen.slice(1);
        new MutationObserver(() => { if (seen.at(-1) !== picture.dataset.drawn) seen.push(picture.dataset.drawn); })
            .observe(picture, { attributes: true, attributeFilter: ["data-drawn"] }); }"""
    )


def test_quick_arrow_keys_end_where_they_lead(open_page):
    traffic = Traffic()
    page = open_page("/?layer=0&head=0", prepare=traffic.install)
    record_heads(page)
    traffic.clear()
    for _ in range(10):
        heads_keys(page).press("ArrowRight")
        page.wait_for_timeout(90)
    expect_head(page, 0, 10)
    wait_until_idle(page)
    # Must not happen: a head that was left is drawn again, or one that is not exact.
    assert page.evaluate("window.seen()") == [f"0 {head} exact" for head in range(1, 11)]
    expect(page).to_have_url(url_with("head=10"))
    assert traffic.requests == []
    assert len(traffic.sent) <= 3 + traffic.n_pauses


def test_a_pick_and_a_slider_in_quick_succession_both_hold(open_page):
    gate = MessageGate()
    page = open_page("/?layer=0&head=5", prepare=gate.install)
    gate.close()
    n_sent = gate.sent
    heads_keys(page).press("ArrowLeft")
    gate.wait_for_answers()
    page.get_by_text("Look", exact=True).click()
    page.locator(".toolbar-range").press("ArrowRight")
    gate.wait_for_answers()
    assert gate.sent == n_sent + 2
    record_heads(page)
    gate.open()
    wait_until_idle(page)
    expect_head(page, 0, 4)
    expect(page).to_have_url(url_with("head=4&threshold=0.06"))
    select_box(page, "Head").select_option("5")
    expect_head(page, 0, 5)
    wait_until_idle(page)
    expect(page).to_have_url(url_with("head=5&threshold=0.06"))
    # Must not happen: the server's answers change the head.
    assert page.evaluate("window.seen()") == ["0 5 exact"]


def test_a_lock_and_a_head_in_quick_succession_both_hold(open_page):
    gate = MessageGate()
    page = open_page("/?layer=0&head=5&token=query:8", prepare=gate.install)
    gate.close()
    strip_token(page, 8).click()
    strip_token(page, 3).click()
    gate.wait_for_answers()
    heads_keys(page).press("ArrowRight")
    gate.wait_for_answers()
    record_heads(page)
    gate.open()
    wait_until_idle(page)
    expect_head(page, 0, 6)
    expect_locked(page, 3, None)
    expect(page).to_have_url(url_with("head=6&token=query%3A3"))
    # Must not happen: the server's answers draw another head.
    assert page.evaluate("window.seen()") == []


def test_a_head_that_is_chosen_while_an_example_arrives_is_kept(open_page):
    gate = MessageGate()
    page = open_page("/?text=Birds+sing&layer=0&head=5", prepare=gate.install)
    gate.close()
    choose_example(page, "Two banks")
    gate.wait_for_answers()
    heads_keys(page).press("ArrowRight")
    expect_head(page, 0, 6)
    gate.wait_for_answers()
    gate.open()
    expect(page).to_have_url(url_with("She+sat"))
    wait_until_drawn(page)
    assert "river" in tokens(page)
    # Must not happen: the example's head, which is older than the visitor's choice.
    expect_head(page, 0, 6)
    expect(page).to_have_url(url_with("layer=0&head=6"))


def test_two_examples_in_quick_succession_show_the_second(open_page):
    gate = MessageGate()
    page = open_page("/?text=Birds+sing&layer=0&head=5", prepare=gate.install)
    gate.close()
    choose_example(page, "Two banks")
    gate.wait_for_answers()
    n_waiting = len(gate.waiting)
    choose_example(page, "Repetition")
    gate.wait_for_answers()
    assert len(gate.waiting) > n_waiting > 0
    gate.release(n_waiting)
    page.wait_for_timeout(300)
    gate.open()
    expect(page).to_have_url(url_with("To+be"))
    wait_until_drawn(page)
    expect_head(page, 1, 1)
    expect_locked(page, 7, 2)
    # Must not happen: the first example's text stays in the box or in the pictures.
    expect(text_box(page)).to_have_value(re.compile("To be"))
    assert "river" not in tokens(page)


def test_a_theme_change_takes_nothing_back(open_page):
    gate = MessageGate()
    page = open_page("/?layer=2&head=9", prepare=gate.install)
    gate.close()
    heads_keys(page).press("ArrowLeft")
    strip_token(page, 8).click()
    page.emulate_media(color_scheme="dark")
    gate.wait_for_answers()
    heads_keys(page).press("ArrowLeft")
    gate.wait_for_answers()
    record_heads(page)
    gate.open()
    wait_until_idle(page)
    expect_head(page, 2, 7)
    expect_locked(page, 8, None)
    # Must not happen: an answer draws a head that was left.
    assert page.evaluate("window.seen()") == []


def test_back_twice_before_the_page_answers_keeps_what_lies_ahead(open_page):
    gate = MessageGate()
    page = open_page("/?text=Alpha", prepare=gate.install)
    inspect_text(page, "Bravo")
    expect(page).to_have_url(url_with("text=Bravo"))
    inspect_text(page, "Charlie")
    expect(page).to_have_url(url_with("text=Charlie"))
    gate.close()
    page.evaluate("history.back()")
    gate.wait_for_answers()
    n_waiting = len(gate.waiting)
    page.evaluate("history.back()")
    gate.wait_for_answers()
    gate.release(n_waiting)
    page.wait_for_timeout(300)
    gate.open()
    box = text_box(page)
    expect(box).to_have_value("Alpha")
    wait_until_idle(page)
    for text in ("Bravo", "Charlie"):
        page.evaluate("history.forward()")
        expect(box).to_have_value(text)
        wait_until_idle(page)
        # Must not happen: an entry that lay ahead has another text.
        expect(page).to_have_url(url_with(f"text={text}"))


def test_back_and_forward_go_from_text_to_text(open_page):
    traffic = Traffic()
    page = open_page(prepare=traffic.install)
    length = page.evaluate("history.length")
    inspect_text(page, "Birds sing at dawn")
    expect(page).to_have_url(url_with("text=Birds"))
    wait_until_drawn(page)
    heads_keys(page).press("ArrowLeft")
    heads_keys(page).press("ArrowDown")
    expect_head(page, 4, 0)
    strip_token(page, 2).click()
    expect_locked(page, 2, None)
    inspect_text(page, "Dogs bark at night")
    expect(page).to_have_url(url_with("text=Dogs"))
    # One step for each text, none for a head or a token.
    assert page.evaluate("history.length") == length + 2
    wait_until_drawn(page)
    heads_keys(page).press("ArrowDown")
    expect_head(page, 5, 0)
    page.go_back()
    expect(text_box(page)).to_have_value("Birds sing at dawn")
    wait_until_drawn(page)
    assert "birds" in tokens(page)
    expect_head(page, 4, 0)
    expect_locked(page, 2, None)
    expect(page).to_have_url(url_with("layer=4&head=0&token=query%3A2"))
    page.go_back()
    expect(text_box(page)).to_have_value(re.compile("The cat sat"))
    wait_until_drawn(page)
    expect_head(page, 3, 1)
    expect_locked(page, 8, 2)
    page.go_forward()
    expect(text_box(page)).to_have_value("Birds sing at dawn")
    wait_until_drawn(page)
    expect_head(page, 4, 0)
    page.go_forward()
    expect(text_box(page)).to_have_value("Dogs bark at night")
    wait_until_drawn(page)
    expect_head(page, 5, 0)
    # Must not happen: Back or Forward adds an entry, or requests what a message has.
    assert page.evaluate("history.length") == length + 2
    assert traffic.requests == []


def test_a_text_that_arrives_after_back_leaves_the_head_and_the_token(open_page):
    gate = MessageGate()
    page = open_page("/?text=Birds+sing&layer=4&head=2&token=query:2", prepare=gate.install)
    gate.close()
    inspect_text(page, "Dogs bark at night")
    gate.wait_for_answers()
    while "Dogs" not in page.url:  # the address comes before the trace
        gate.release(1)
        page.wait_for_timeout(20)
    assert "birds" in tokens(page)
    heads_keys(page).press("ArrowRight")
    expect_head(page, 4, 3)
    page.go_back()
    gate.wait_for_answers()
    # What is left of the selection in the other text is no choice of the visitor.
    gate.open()
    expect(text_box(page)).to_have_value("Birds sing")
    expect_head(page, 4, 2)
    expect_locked(page, 2, None)
    expect(page).to_have_url(url_with("text=Birds+sing&layer=4&head=2&token=query%3A2"))
    wait_until_idle(page)
    # The server has the selection that the browser shows.
    page.get_by_role("button", name="Learn").click()
    page.get_by_role("menuitem", name="Step by step").click()
    expect(page.get_by_role("heading", name="Attention, step by step")).to_be_visible()
    wait_until_idle(page)
    page.get_by_role("link", name="Inspect").click()
    wait_until_drawn(page)
    expect_head(page, 4, 2)
    expect_locked(page, 2, None)


def test_back_from_another_page_finds_what_was_left(open_page):
    page = open_page("/?layer=1&head=3")
    inspect_text(page, "Birds sing at dawn")
    expect(page).to_have_url(url_with("text=Birds"))
    wait_until_drawn(page)
    heads_keys(page).press("ArrowRight")
    strip_token(page, 2).click()
    page.get_by_role("button", name="Learn").click()
    page.get_by_role("menuitem", name="Step by step").click()
    expect(page.get_by_role("heading", name="Attention, step by step")).to_be_visible()
    wait_until_idle(page)
    # Must not happen: the selection of one page in the address of another.
    expect(page).not_to_have_url(url_with("token="))
    page.go_back()
    expect(text_box(page)).to_have_value("Birds sing at dawn")
    wait_until_drawn(page)
    expect_head(page, 1, 4)
    expect_locked(page, 2, None)
    expect(page).to_have_url(url_with("Birds"))
    expect(page).to_have_url(url_with("layer=1&head=4&token=query%3A2"))


def test_a_key_in_the_graph_locks_at_once(open_page):
    gate = MessageGate()
    page = open_page("/?layer=5&head=11", prepare=gate.install)
    gate.close()
    strip_token(page, 8).click()
    expect(page.locator(".graph-status")).to_contain_text("it (8) (locked) attends to cat 0.7")
    graph_keys(page).press("ArrowDown")
    expect(page.locator(".graph-status")).to_contain_text("was (9) attends to")
    graph_keys(page).press("Enter")
    gate.wait_for_answers()
    gate.open()
    wait_until_idle(page)
    # Must not happen: the server's answer to the first lock takes the second one back.
    expect_locked(page, 9, None)
    expect(page).to_have_url(url_with("token=query%3A9"))
