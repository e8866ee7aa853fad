"""The heatmap as a chart that stays: what a head switch keeps, what a finger and the whole screen do."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from visitor import cell, finished, flow, grid, settled

pytestmark = pytest.mark.e2e

CHART = ".st-key-heatmap .js-plotly-plot"
RANGES = "(plot) => [plot._fullLayout.xaxis.range, plot._fullLayout.yaxis.range]"


def ranges(page: Page) -> list[list[float]]:
    return page.locator(CHART).evaluate(RANGES)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=5)
    page.mouse.up()


def button(page: Page, name: str) -> Locator:
    page.locator(CHART).hover()
    return page.locator(f'.st-key-heatmap [data-title="{name}"]')


def switch_head(page: Page) -> None:
    """Go to the next head, and wait until its heatmap is drawn."""
    page.locator(".grid-canvas").press("ArrowRight")
    expect(page.locator(f"{CHART} .gtitle")).to_contain_text("Layer 1, head 3")
    settled(page)


def test_a_head_switch_keeps_the_chart_and_what_was_zoomed_to(open_page):
    page = open_page("/?layer=1&head=2")
    page.locator(CHART).evaluate("(plot) => { plot.sameAsBefore = true; }")
    whole = ranges(page)
    button(page, "Zoom").click()
    drag(page, cell(page, query=2, key=3), cell(page, query=7, key=5))
    page.wait_for_function(
        f"(whole) => String(({RANGES})(document.querySelector('{CHART}'))) !== String(whole)", arg=whole
    )
    zoomed = ranges(page)
    assert "region=" not in page.url
    switch_head(page)
    assert ranges(page) == zoomed
    assert page.locator(CHART).evaluate("(plot) => plot.sameAsBefore === true")
    # Another text has other tokens: its chart begins whole.
    page.get_by_role("button", name="Repetition").click()
    settled(page)
    finished(page)
    assert ranges(page) != zoomed
    assert ranges(page)[0][0] == -0.5


def test_its_buttons_send_nothing_away_and_turn_nothing_upside_down(open_page):
    page = open_page()
    page.locator(CHART).hover()
    names = page.locator(".st-key-heatmap .modebar-btn").evaluate_all("(all) => all.map((one) => one.dataset.title)")
    assert set(names) == {"Download plot", "Zoom", "Pan", "Open a box", "Reset axes", "Fullscreen"}
    page.mouse.dblclick(*cell(page, query=5, key=5))
    settled(page)
    (_, (top, bottom)) = [[axis[0], axis[-1]] for axis in ranges(page)]
    assert top > bottom, "queries run down"


def test_the_whole_screen_and_back(open_page):
    page = open_page()
    small = page.locator(CHART).bounding_box()
    button(page, "Fullscreen").click()
    expect(page.locator(".st-key-heatmap .chart")).to_have_css("width", f"{page.viewport_size['width']}px")
    page.wait_for_function(f"document.querySelector('{CHART}').getBoundingClientRect().height === innerHeight")
    button(page, "Fullscreen").click()
    page.wait_for_function(
        f"(w) => Math.abs(document.querySelector('{CHART}').clientWidth - w) < 1", arg=small["width"]
    )


def test_it_follows_the_window(open_page):
    page = open_page()
    page.set_viewport_size({"width": 811, "height": 907})
    fits = f"""() => {{ const plot = document.querySelector('{CHART}'), room = plot.closest('.chart');
        return Math.abs(plot._fullLayout.width - room.clientWidth) < 1 && room.clientWidth < 811; }}"""
    page.wait_for_function(fits)
    expect(grid(page)).to_be_visible()
    expect(flow(page)).to_be_visible()


def test_without_plotly_one_sentence_and_the_rest_works(browser, app):
    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/plotly.min.js", lambda route: route.abort())
        page.goto(app)
        expect(page.get_by_text("The chart could not be loaded: reload the page.")).to_be_visible()
        expect(flow(page)).to_have_attribute("data-lines", re.compile(r"\d+"))
        expect(grid(page)).to_have_attribute("data-drawn", "5,11")
