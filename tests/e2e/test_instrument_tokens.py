"""The tokens of the instrument in a file: one choice shows in the strip, the graph and the pairs in the same frame."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

import models
from tests.helpers.instrument_file import write_instrument

pytestmark = pytest.mark.e2e

TEXT = "The cat sat on the mat because it was tired."
# In one and the same frame after an event: the strip's label, and the focus that strip, graph and pairs have drawn.
LATER = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done({
    label: document.querySelector(".strip-label").textContent,
    strip: document.querySelector(".part-strip").dataset.focus,
    graph: document.querySelector(".part-graph").dataset.drawn,
    chosen: [...document.querySelectorAll(".pairs-chosen")].map((row) => row.innerText.split(/\\s+/).join(" ").trim()),
    locked: [...document.querySelectorAll(".strip-token[aria-pressed=true]")].map((token) => token.textContent),
    title: document.querySelector(".pairs-title").textContent,
}))))"""


@pytest.fixture(scope="module")
def file(minilm: models.Model, tmp_path_factory: pytest.TempPathFactory) -> str:
    att = minilm.trace(TEXT)["encoder"]
    return write_instrument(tmp_path_factory.mktemp("instrument") / "i.html", att, "layer=3&head=1")


@pytest.fixture(params=[False, True], ids=["pointer", "touch"])
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    size = {"width": 390, "height": 844} if request.param else {"width": 1400, "height": 1000}
    made = browser.new_context(viewport=size, has_touch=request.param, is_mobile=request.param)
    yield made
    made.close()


def opened(context: BrowserContext, file: str) -> tuple[Page, list[str]]:
    page, troubles = context.new_page(), []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(file)
    page.wait_for_selector(".part-graph[data-drawn]")
    return page, troubles


def state(page: Page) -> dict:
    return page.evaluate(LATER)


def token(page: Page, position: int):
    return page.locator(f".strip-token[data-position='{position}']")


def nothing(shown: dict) -> bool:
    return (shown["strip"], shown["graph"], shown["chosen"], shown["locked"]) == (":", "", [], [])


@pytest.mark.parametrize("context", [False], indirect=True)
def test_hovering_shows_everywhere_in_the_same_frame(context: BrowserContext, file: str) -> None:
    page, troubles = opened(context, file)
    assert nothing(state(page))
    token(page, 8).hover()
    shown = state(page)
    assert (shown["label"], shown["strip"], shown["graph"]) == ("'it' attends to:", "8:", "query:8")
    assert token(page, 2).get_attribute("aria-label") == "cat: 0.492"
    assert page.locator(".graph-status").inner_text().startswith("it (8) attends to cat 0.492")
    # A row of the table is a pair.
    page.locator(".pairs-table tbody tr", has_text="0.492").hover()
    shown = state(page)
    assert (shown["strip"], shown["graph"], shown["chosen"]) == ("8:2", "query:8 key:2", ["8 it 2 cat 0.492"])
    assert page.locator(".graph-status").inner_text() == "it (8) attends to cat (2): 0.492"
    # A line of the graph is a pair too: that of "mat" to "[CLS]", in the middle between both rows.
    left, right, top, row = map(float, str(page.locator(".part-graph").get_attribute("data-place")).split())
    box = page.locator(".graph-scroll").bounding_box()
    assert box
    page.mouse.move(box["x"] + (left + right) / 2, box["y"] + top + 3.5 * row)
    assert state(page)["graph"] == "query:6 key:0"
    # Must not happen: something stays when the pointer has left.
    page.mouse.move(2, 2)
    assert nothing(state(page))
    assert troubles == []


def test_a_locked_token_stays_and_two_are_a_pair(
    context: BrowserContext, file: str, request: pytest.FixtureRequest
) -> None:
    page, troubles = opened(context, file)
    touch = "touch" in request.node.name
    press = (
        (lambda position: token(page, position).tap()) if touch else (lambda position: token(page, position).click())
    )
    press(8)
    if not touch:
        page.mouse.move(2, 2)
    shown = state(page)
    assert (shown["label"], shown["graph"], shown["locked"]) == ("'it' attends to:", "query:8", ["it"])
    assert shown["title"] == "Strongest pairs of 'it' (8)"
    press(2)
    shown = state(page)
    assert (shown["graph"], shown["locked"], shown["chosen"]) == ("query:8 key:2", ["cat", "it"], ["8 it 2 cat 0.492"])
    # A second press releases it.
    press(2)
    if not touch:
        page.mouse.move(2, 2)
    assert state(page)["graph"] == "query:8"
    press(8)
    if not touch:
        page.mouse.move(2, 2)
    assert nothing(state(page))
    assert troubles == []


@pytest.mark.parametrize("context", [False], indirect=True)
def test_by_keyboard_alone(context: BrowserContext, file: str) -> None:
    page, troubles = opened(context, file)
    token(page, 0).focus()
    page.keyboard.press("ArrowRight")
    assert state(page)["graph"] == "query:1"
    page.keyboard.press("End")
    assert state(page)["graph"] == "query:12"
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert state(page)["locked"] == ["it"]
    page.keyboard.press("Home")
    shown = state(page)
    assert (shown["graph"], shown["locked"]) == ("query:8 key:0", ["it"])
    page.keyboard.press("Escape")
    assert nothing(state(page))
    # The graph is one tab stop; its arrow keys go from token to token.
    page.locator(".graph-scroll").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert state(page)["graph"] == "key:1"
    page.keyboard.press("Space")
    shown = state(page)
    assert (shown["label"], shown["locked"]) == ("'the' is attended to by:", ["the"])
    page.keyboard.press("Escape")
    assert nothing(state(page))  # also waits until the table has its new rows
    # So are the rows of the table.
    page.locator(".pairs-button[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    shown = state(page)
    assert re.fullmatch(r"2 cat 0 \[CLS\] 0\.905", shown["chosen"][0])
    page.keyboard.press("Enter")
    assert state(page)["graph"] == "query:2 key:0"
    assert page.locator(".pairs-button[aria-pressed='true']").count() == 1
    # Must not happen: several tab stops in one row of tokens, or in one table.
    assert page.locator(".strip-token[tabindex='0']").count() == 1
    assert page.locator(".pairs-button[tabindex='0']").count() == 1
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert nothing(state(page))
    assert troubles == []
