"""The heatmap as a chart that stays: what a head switch keeps, what a finger and the whole screen do."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.helpers.visitor import (
    PHONE,
    cell_position,
    flow,
    grid,
    inspect_text,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

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
    wait_until_idle(page)


def test_a_head_switch_keeps_the_chart_and_what_was_zoomed_to(open_page):
    page = open_page("/?layer=1&head=2")
    page.locator(CHART).evaluate("(plot) => { plot.sameAsBefore = true; }")
    whole = ranges(page)
    button(page, "Zoom").click()
    drag(page, cell_position(page, query=2, key=3), cell_position(page, query=7, key=5))
    page.wait_for_function(
        f"(whole) => String(({RANGES})(document.querySelector('{CHART}'))) !== String(whole)", arg=whole
    )
    zoomed = ranges(page)
    expect(page).not_to_have_url(url_with("region="))
    switch_head(page)
    assert ranges(page) == zoomed
    assert page.locator(CHART).evaluate("(plot) => plot.sameAsBefore === true")
    # Another text has other tokens: its chart begins whole.
    page.get_by_role("button", name="Repetition").click()
    wait_until_idle(page)
    wait_until_drawn(page)
    assert ranges(page) != zoomed
    assert ranges(page)[0][0] == -0.5


def test_its_buttons_send_nothing_away_and_turn_nothing_upside_down(open_page):
    page = open_page()
    page.locator(CHART).hover()
    names = page.locator(".st-key-heatmap .modebar-btn").evaluate_all("(all) => all.map((one) => one.dataset.title)")
    assert set(names) == {"Zoom", "Pan", "Open a box", "Reset axes", "Fullscreen"}
    page.mouse.dblclick(*cell_position(page, query=5, key=5))
    wait_until_idle(page)
    (_, (top, bottom)) = [[axis[0], axis[-1]] for axis in ranges(page)]
    assert top > bottom, "queries run down"


def test_labels_that_would_meet_stand_upright_or_scroll(open_page):
    """At 390 px thirteen tokens stand upright; more than fit are reached by scrolling the chart, not squeezed."""
    page = open_page(viewport=PHONE)
    angle = "(plot) => [plot._fullLayout.xaxis.tickangle, plot._fullLayout.width, plot.closest('.chart').clientWidth]"
    turned, width, room = page.locator(CHART).evaluate(angle)
    assert turned == -90
    assert width == room
    inspect_text(page, " ".join(["one two three four five"] * 7))
    wait_until_drawn(page)
    turned, width, room = page.locator(CHART).evaluate(angle)
    assert width > room
    overlap = page.locator(CHART).evaluate(
        """(plot) => { const boxes = [...plot.querySelectorAll(".xtick text, .x2tick text")]
            .map((label) => label.getBoundingClientRect()).sort((one, other) => one.left - other.left);
        return Math.max(...boxes.slice(1).map((box, place) => boxes[place].right - box.left)); }"""
    )
    assert overlap < 2


def test_the_names_of_the_axes_stand_beyond_the_longest_label(open_page):
    page = open_page()
    inspect_text(page, "one two three four five six seven misdiagnosed 我 喜 欢 constantinople")
    wait_until_drawn(page)
    gaps = page.locator(CHART).evaluate(
        """(plot) => { const ends = (labels, side) => [...plot.querySelectorAll(labels)]
            .map((label) => label.getBoundingClientRect()[side]);
        const box = (title) => plot.querySelector(title).getBoundingClientRect();
        return [box(".xtitle").top - Math.max(...ends(".xtick text", "bottom")),
            Math.min(...ends(".ytick text", "left")) - box(".ytitle").right]; }"""
    )
    assert min(gaps) > 0


def test_a_finger_scrolls_the_page_past_the_chart(browser, app):
    with browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        page.goto(app)
        wait_until_drawn(page)
        page.locator(CHART).scroll_into_view_if_needed()
        box = page.locator(CHART).bounding_box()
        place = {"x": box["x"] + box["width"] / 2, "y": min(box["y"] + box["height"] / 2, 600)}
        top = "document.querySelector('[data-testid=stMain]').scrollTop"
        before, touch = page.evaluate(top), context.new_cdp_session(page)
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [place]})
        for step in range(1, 10):
            moved = {**place, "y": place["y"] - 20 * step}
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [moved]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_function(f"(before) => {top} > before + 50", arg=before)
        wait_until_idle(page)
        expect(page).not_to_have_url(url_with("region="))


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
        page.route("**/plotly-*.min.js", lambda route: route.abort())
        page.goto(app)
        expect(page.get_by_text("The chart could not be loaded: reload the page.")).to_be_visible()
        expect(flow(page)).to_have_attribute("data-lines", re.compile(r"\d+"))
        expect(grid(page)).to_have_attribute("data-drawn", "5,11")
