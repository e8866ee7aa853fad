"""A model whose right attention is known, as a visitor meets it."""

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.visitor import MessageGate, grid, head_position, wait_until_idle

pytestmark = pytest.mark.e2e
TASK = "Matching brackets"


def outlined_cells(page: Page) -> int:
    """Return how many cells the heatmap outlines."""
    return page.locator(".st-key-heatmap .js-plotly-plot").evaluate(
        """(plot) => (plot.layout.shapes ?? []).filter((shape) => shape.type === "path")
        .map((shape) => shape.path.split("M").length - 1).reduce((sum, cells) => sum + cells, 0)"""
    )


def test_a_task_is_opened_and_the_head_that_solves_it_found(open_page):
    page = open_page("/?layer=0&head=0")
    assert not grid(page).get_attribute("data-scores")
    page.get_by_role("button", name="Model").click()
    page.get_by_role("button", name=TASK).click()
    expect(page.get_by_text("The model answers (8 of 8 right):")).to_be_visible(timeout=40_000)
    wait_until_idle(page)
    page.keyboard.press("Escape")
    # Who opens a task sees it solved.
    expect(grid(page)).to_have_attribute("data-drawn", "2,1")
    scores = [float(score) for score in grid(page).get_attribute("data-scores").split()]
    assert len(scores) == 3 * 4
    assert scores[2 * 4 + 1] == max(scores) == 1
    assert outlined_cells(page) == 8
    page.get_by_text("Truth", exact=True).click()
    wait_until_idle(page)
    assert outlined_cells(page) == 0
    expect(grid(page)).to_have_attribute("data-scores", "")
    page.get_by_text("Truth", exact=True).click()
    expect(grid(page)).not_to_have_attribute("data-scores", "")
    wait_until_idle(page)
    assert outlined_cells(page) == 8
    # The scores make the maps' rows taller: a click still finds the head below the pointer.
    page.locator(".grid-canvas").click(position=head_position(page, 0, 3))
    expect(page.get_by_role("heading", name="Figures of layer 0, head 3")).to_be_visible()
    page.locator(".grid-canvas").click(position=head_position(page, 2, 1))
    expect(page.get_by_role("heading", name="Figures of layer 2, head 1")).to_be_visible()
    expect(page.locator(".grid-name")).to_contain_text("Layer 2, head 1")
    chosen = page.locator(".truth tr.chosen")
    expect(chosen).to_have_count(1)
    expect(chosen).to_contain_text("layer 2, head 1")
    expect(chosen).to_contain_text("solves the task")
    # Must not happen: a message, an error, or a page that is wider than the window.
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_choice_made_while_the_page_arrives_stays(open_page):
    gate = MessageGate()
    page = open_page("/?model=scratch:brackets", prepare=gate.install)
    assert outlined_cells(page) == 8
    gate.close()
    page.get_by_role("button", name="Inspect", exact=True).click()
    page.wait_for_timeout(1500)  # by now the gate holds all messages of the page
    n_waiting = len(gate.waiting)
    page.get_by_text("Truth", exact=True).click()
    page.wait_for_timeout(1500)  # and its answer to the click
    assert len(gate.waiting) > n_waiting > 0
    gate.release(n_waiting)
    page.wait_for_timeout(300)
    gate.open()
    expect(grid(page)).to_have_attribute("data-scores", "")
    wait_until_idle(page)
    assert outlined_cells(page) == 0
    expect(page.get_by_role("switch", name="Truth")).not_to_be_checked()
