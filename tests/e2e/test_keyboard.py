"""The Inspect page without a pointer: where the Tab key goes, what shows the focus, and what the keys do."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.accessibility import focused
from tests.helpers.visitor import DESKTOP, expect_locked, graph_keys, heads_keys

pytestmark = pytest.mark.e2e
STOPS = [
    "Skip to main content",
    "Inspect",
    "Heads",
    "Learn",
    "main",
    "Model: sentence-transformers/all-MiniLM-L6-v2 · 6 layers × 12 heads",
    "Open a trace",
    "Show",
    "All heads as numbers",
    "Equation",
    "Text to inspect",
    "Inspect",
    "Examples",
    "More",
    "What if? Switch off a head, strike out a word",
    "Can I trust this? No warnings, 2 notes",
    "Export",
    "Layer",
    "Head",
    "Heads",
    "Tokens",
    "Look",
    "attends to",
    "is attended to by",
    "Release",
    "What attention does not tell you",
    "Copy link",
    "Copy as Python",
    "[CLS]: 0.205",
    "All heads, encoder attention: 6 layers, 12 heads. Arrow keys choose a head.",
    "All heads as a table",
    "Region",
    "Plotly",
    "Without sink",
    "Heatmap of layer 3, head 1: queries down, keys across.",
    "Layer 3, head 1, encoder attention.",
    "By weight",
    "By ratio",
    "layer 3, head 1: 0.49, 3.7 times the others",
    "Show all 72",
    "Choose the first 5",
    "What these figures mean",
    "0.993, [CLS] (0) attends to [CLS] (0)",
]


def tab_through(page: Page, most: int = 60) -> list[dict]:
    """Press Tab until the focus leaves the page; return what had the focus."""
    stops: list[dict] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = focused(page)
        if stop["tag"] == "BODY":
            return stops
        stops.append(stop)
    raise AssertionError([stop["name"] for stop in stops])


def test_tab_reaches_every_control_once_with_a_ring_and_targets_are_large_enough(open_page):
    page = open_page(viewport=DESKTOP)
    stops = tab_through(page)
    names = [stop["name"] for stop in stops]
    assert len(names) == len(STOPS), names
    for name, expected in zip(names, STOPS, strict=True):
        assert name.startswith(expected)
    assert [stop["name"] for stop in stops if not stop["ring"]] == []
    # Must not happen: a focus that is out of sight.
    assert [stop["name"] for stop in stops if not 0 <= stop["top"] < DESKTOP["height"]] == []

    page.locator(".instrument details").evaluate_all("(all) => { for (const each of all) each.open = true; }")
    small = page.evaluate("""() => {
        const all = document.querySelectorAll(".instrument :is(button, summary, select, input, a, [tabindex='0'])");
        const sizes = [...all].map((each) => [each, (each.closest("label") ?? each).getBoundingClientRect()]);
        return sizes.filter(([, { width, height }]) => width && height && (width < 24 || height < 24))
            .map(([each, { width, height }]) => `${each.outerHTML.slice(0, 90)} ${width} x ${height}`);
    }""")
    assert small == []


def test_keys_lock_and_release_in_every_part(open_page):
    page = open_page("/?text=The+cat+sat+on+the+mat.&layer=3&head=1")
    expect_locked(page, None, None)
    token = page.locator('.strip-token[tabindex="0"]')
    token.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect_locked(page, 1, None)
    page.keyboard.press("Escape")
    expect_locked(page, None, None)
    page.keyboard.press("Space")
    expect_locked(page, 1, None)
    page.keyboard.press("Escape")

    page.locator(".heatmap-picture").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".heatmap")).to_have_attribute("data-locked", re.compile(r"^\d+ \d+$"))
    page.keyboard.press("Escape")
    expect_locked(page, None, None)

    graph_keys(page).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".part-graph")).to_have_attribute("data-locked", "yes")
    page.keyboard.press("Escape")
    expect_locked(page, None, None)

    heads_keys(page).focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".instrument")).to_have_attribute("data-drawn", "3 2 exact")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".instrument")).to_have_attribute("data-drawn", "2 2 exact")

    page.locator('.pairs-button[tabindex="0"]').focus()
    page.keyboard.press("ArrowDown")
    chosen = page.evaluate("() => document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Enter")
    expect(page.locator('.pairs-button[aria-pressed="true"]')).to_have_attribute("aria-label", chosen)
    # A locked pair ranks the heads, and the ranking opens one.
    row = page.locator('.ranking-row[tabindex="0"]')
    row.focus()
    page.keyboard.press("ArrowDown")
    name = focused(page)["name"]
    page.keyboard.press("Enter")
    layer, head = name.split(":")[0].removeprefix("layer ").split(", head ")
    expect(page.locator(".instrument")).to_have_attribute("data-drawn", f"{layer} {head} exact")
    page.keyboard.press("Escape")
    expect_locked(page, None, None)
