"""Plotly in the heatmap's place: what a head switch keeps, what a finger and the whole screen do."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.helpers.settled import follow_runs, still
from tests.helpers.traffic import Traffic
from tests.helpers.visitor import (
    PHONE,
    choose_example,
    expect_head,
    heads_keys,
    inspect_text,
    strip_token,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e

CHART = ".heatmap-plotly .js-plotly-plot"
RANGES = "(plot) => [plot._fullLayout.xaxis.range, plot._fullLayout.yaxis.range]"


def show_plotly(page: Page) -> None:
    page.get_by_role("button", name="Plotly").click()
    page.wait_for_selector(f"{CHART} .heatmaplayer image", timeout=60_000)


def plotly_cell(page: Page, query: int, key: int) -> tuple[float, float]:
    """Scroll the chart into view, and return the position of a pair, in pixels of the page."""
    plot = page.locator(CHART)
    plot.scroll_into_view_if_needed()
    x, y = plot.evaluate(
        """(plot, [query, key]) => {
        const { xaxis, yaxis } = plot._fullLayout, box = plot.getBoundingClientRect();
        return [box.left + xaxis._offset + xaxis.d2p(key), box.top + yaxis._offset + yaxis.d2p(query)]; }""",
        [query, key],
    )
    return x, y


def ranges(page: Page) -> list[list[float]]:
    return page.locator(CHART).evaluate(RANGES)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=5)
    page.mouse.up()


def button(page: Page, name: str) -> Locator:
    page.locator(CHART).hover()
    return page.locator(f'.heatmap-plotly [data-title="{name}"]')


def switch_head(page: Page) -> None:
    """Go to the next head, and wait until its heatmap is drawn."""
    heads_keys(page).press("ArrowRight")
    expect(page.locator(f"{CHART} .gtitle")).to_contain_text("Layer 1, head 3")
    wait_until_idle(page)


def test_a_head_switch_keeps_the_chart_and_what_was_zoomed_to(open_page):
    page = open_page("/?layer=1&head=2")
    show_plotly(page)
    page.locator(CHART).evaluate("(plot) => { plot.sameAsBefore = true; }")
    whole = ranges(page)
    button(page, "Zoom").click()
    drag(page, plotly_cell(page, query=2, key=3), plotly_cell(page, query=7, key=5))
    page.wait_for_function(
        f"(whole) => String(({RANGES})(document.querySelector('{CHART}'))) !== String(whole)", arg=whole
    )
    zoomed = ranges(page)
    expect(page).not_to_have_url(url_with("region="))
    switch_head(page)
    assert ranges(page) == zoomed
    assert page.locator(CHART).evaluate("(plot) => plot.sameAsBefore === true")
    # Another text has other tokens: its chart begins whole.
    choose_example(page, "Repetition")
    expect(page.locator(f"{CHART} .ytick").filter(has_text="question")).to_be_attached()
    assert ranges(page) != zoomed
    assert ranges(page)[0][0] == -0.5


def test_its_buttons_the_whole_screen_other_labels_and_another_window(open_page):
    page = open_page()
    show_plotly(page)
    page.locator(CHART).hover()
    names = page.locator(".heatmap-plotly .modebar-btn").evaluate_all("(all) => all.map((one) => one.dataset.title)")
    assert set(names) == {"Download plot", "Zoom", "Pan", "Reset axes", "Fullscreen"}
    page.mouse.dblclick(*plotly_cell(page, query=5, key=5))
    wait_until_idle(page)
    (_, (top, bottom)) = [[axis[0], axis[-1]] for axis in ranges(page)]
    assert top > bottom, "queries run down"

    small = page.locator(CHART).bounding_box()
    button(page, "Fullscreen").click()
    expect(page.locator(".heatmap-plotly .chart")).to_have_css("width", f"{page.viewport_size['width']}px")
    page.wait_for_function(f"() => document.querySelector('{CHART}').getBoundingClientRect().height === innerHeight")
    button(page, "Fullscreen").click()
    page.wait_for_function(
        f"(w) => Math.abs(document.querySelector('{CHART}').clientWidth - w) < 1", arg=small["width"]
    )

    # The names of the axes stand beyond the longest label.
    inspect_text(page, "one two three four five six seven disease 我 喜 欢 constantinople")
    expect(page.locator(f"{CHART} .ytick").filter(has_text="disease")).to_be_attached()
    still(page)
    gaps = page.locator(CHART).evaluate(
        """(plot) => { const ends = (labels, side) => [...plot.querySelectorAll(labels)]
            .map((label) => label.getBoundingClientRect()[side]);
        const box = (title) => plot.querySelector(title).getBoundingClientRect();
        return [box(".xtitle").top - Math.max(...ends(".xtick text", "bottom")),
            Math.min(...ends(".ytick text", "left")) - box(".ytitle").right]; }"""
    )
    assert min(gaps) > 0

    page.set_viewport_size({"width": 811, "height": 907})
    fits = f"""() => {{ const plot = document.querySelector('{CHART}'), room = plot.closest('.chart');
        return Math.abs(plot._fullLayout.width - room.clientWidth) < 1 && room.clientWidth < 811; }}"""
    page.wait_for_function(fits)
    for part in (".strip", ".heads-canvas", ".part-graph canvas"):
        expect(page.locator(part)).to_be_visible()


def test_labels_that_would_meet_stand_upright_or_scroll(open_page):
    """At 390 px thirteen tokens stand upright; more than fit are reached by scrolling the chart, not squeezed."""
    page = open_page(viewport=PHONE)
    show_plotly(page)
    angle = "(plot) => [plot._fullLayout.xaxis.tickangle, plot._fullLayout.width, plot.closest('.chart').clientWidth]"
    turned, width, room = page.locator(CHART).evaluate(angle)
    assert turned == -90
    assert width == room
    inspect_text(page, " ".join(["one two three four five"] * 7))
    expect(page.locator(".part-strip")).to_have_attribute("data-tokens", "37")
    page.wait_for_function(f"() => document.querySelector('{CHART}')._fullData[0].z.length === 37")
    still(page)
    turned, width, room = page.locator(CHART).evaluate(angle)
    assert width > room
    overlap = page.locator(CHART).evaluate(
        """(plot) => { const boxes = [...plot.querySelectorAll(".xtick text, .x2tick text")]
            .map((label) => label.getBoundingClientRect()).sort((one, other) => one.left - other.left);
        return Math.max(...boxes.slice(1).map((box, place) => boxes[place].right - box.left)); }"""
    )
    assert overlap < 3


def test_a_finger_scrolls_the_page_past_the_chart(browser, app):
    with browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        follow_runs(page)
        page.goto(app)
        wait_until_drawn(page)
        show_plotly(page)
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


def test_without_plotly_one_sentence_and_the_rest_works(browser, app):
    traffic = Traffic()
    with browser.new_context() as context:
        page = context.new_page()
        follow_runs(page)
        traffic.install(page)
        page.route("**/plotly-*.min.js", lambda route: route.abort())
        page.goto(app)
        wait_until_drawn(page)
        page.get_by_role("button", name="Plotly").click()
        expect(page.get_by_text("The chart could not be loaded: reload the page.")).to_be_visible()
        heads_keys(page).press("ArrowRight")
        expect_head(page, 3, 2)
        page.get_by_role("button", name="Plotly").click()
        # Must not happen: the instrument's own heatmap is gone.
        expect(page.locator(".heatmap-picture")).to_be_visible()
        strip_token(page, 4).click()
        assert [path for path in traffic.requests if not path.startswith("plotly/")] == []
