"""A model whose right attention is known, as a visitor meets it."""

import pytest
from playwright.sync_api import expect

from tests.helpers.traffic import Traffic
from tests.helpers.visitor import (
    MessageGate,
    expect_head,
    head_position,
    heads_keys,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e
TASK = "Matching brackets"


def truth_switch(page):
    """The check box in the opened look of the toolbar."""
    switch = page.get_by_label("Right answers")
    if not switch.is_visible():
        page.get_by_text("Look", exact=True).click()
    return switch


def test_a_task_is_opened_and_the_head_that_solves_it_found(open_page):
    traffic = Traffic()
    page = open_page("/?layer=0&head=0", prepare=traffic.install)
    heads = page.locator(".heads")
    expect(heads).to_have_attribute("data-scores", "")
    page.get_by_role("button", name="Model:").click()
    page.get_by_role("button", name=TASK).click()
    expect(page.get_by_text("The model answers (8 of 8 right):")).to_be_visible(timeout=40_000)
    wait_until_drawn(page)
    page.keyboard.press("Escape")
    # Who opens a task sees it solved.
    expect_head(page, 2, 1)
    scores = [float(score) for score in heads.get_attribute("data-scores").split()]
    assert len(scores) == 3 * 4
    assert scores[2 * 4 + 1] == max(scores) == 1
    legend = page.locator(".heatmap-legend").get_by_text("right answer")
    expect(legend).to_be_visible()
    traffic.clear()
    truth_switch(page).uncheck()
    expect(legend).to_be_hidden()
    expect(heads).to_have_attribute("data-scores", "")
    traffic.expect_one_report()
    truth_switch(page).check()
    expect(legend).to_be_visible()
    expect(heads).not_to_have_attribute("data-scores", "")
    # Must not happen: the browser sends the name of the model before, and the server opens that one.
    expect(page).to_have_url(url_with("model=scratch%3Abrackets"))
    # The panel would cover the heads.
    page.keyboard.press("Escape")
    # The scores make the maps' rows taller: a click still finds the head below the pointer.
    heads_keys(page).click(position=head_position(page, 0, 3))
    expect_head(page, 0, 3)
    heads_keys(page).click(position=head_position(page, 2, 1))
    expect_head(page, 2, 1)
    expect(page.locator(".heads-name")).to_contain_text("Layer 2, head 1")
    chosen = page.locator(".truth tr.chosen")
    expect(chosen).to_have_count(1)
    expect(chosen).to_contain_text("layer 2, head 1")
    expect(chosen).to_contain_text("solves the task")
    # Must not happen: a message, an error, a request, or a page that is wider than the window.
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert traffic.requests == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_choice_made_while_the_page_arrives_stays(open_page):
    gate = MessageGate()
    page = open_page("/?model=scratch:brackets", prepare=gate.install)
    heads = page.locator(".heads")
    expect(heads).not_to_have_attribute("data-scores", "")
    gate.close()
    page.get_by_role("button", name="Inspect", exact=True).click()
    gate.wait_for_answers()  # now the gate holds all messages of the page
    n_waiting = len(gate.waiting)
    truth_switch(page).uncheck()
    expect(heads).to_have_attribute("data-scores", "")
    gate.wait_for_answers()  # and its answer to the click
    assert len(gate.waiting) > n_waiting > 0
    gate.release(n_waiting)
    page.wait_for_timeout(300)
    gate.open()
    wait_until_idle(page)
    # Must not happen: the page that was asked for before brings the right answers back.
    expect(heads).to_have_attribute("data-scores", "")
    expect(truth_switch(page)).not_to_be_checked()
