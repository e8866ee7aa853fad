"""Two outputs of a notebook in one page with hostile styles: both work, and neither knows of the other."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

import models
import viz

pytestmark = pytest.mark.e2e
HOSTILE = """<!doctype html><meta charset="utf-8"><style>
* { color: red !important; font-size: 40px; border: 3px solid lime !important; background: yellow !important; }
.instrument, button, canvas { display: none !important; }</style><body SCHEME><h1>A notebook</h1>OUTPUTS</body>"""


@pytest.fixture(scope="module")
def trace(minilm: models.Model) -> models.AttentionTrace:
    return minilm.trace("The cat sat on the mat because it was tired.")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    # Playwright would else tell every frame that the visitor prefers light colours.
    context = browser.new_context(viewport={"width": 1000, "height": 900}, color_scheme="null")
    troubles: list[str] = []
    context.on("weberror", lambda error: troubles.append(str(error.error)))
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield page
    assert troubles == []
    assert [url for url in asked if not url.startswith(("file:", "about:", "data:", "blob:"))] == []
    context.close()


def frames(page: Page, path: Path, *outputs: str, scheme: str = "") -> list[Frame]:
    path.write_text(HOSTILE.replace("SCHEME", scheme).replace("OUTPUTS", "".join(outputs)), encoding="utf-8")
    page.goto(path.as_uri())
    found = [each.content_frame() for each in page.locator("iframe").element_handles()]
    for frame in found:
        frame.wait_for_selector('.instrument[data-drawn$="exact"]')
    return found


def wait_until(frame: Frame, condition: str) -> None:
    """Wait for a condition in a frame whose policy forbids Playwright's own way of waiting, which is `eval`."""
    for _ in range(50):
        if frame.evaluate(condition):
            return
        time.sleep(0.1)
    raise AssertionError(condition)


def test_two_outputs_work_and_do_not_know_of_each_other(
    page: Page, tmp_path: Path, trace: models.AttentionTrace
) -> None:
    outputs = trace._repr_html_(), viz.show(trace, layer=3, head=1, token="query:8")._repr_html_()
    one, other = frames(page, tmp_path / "n.html", *outputs)
    one.get_by_label("Head", exact=True).select_option("7")
    one.wait_for_selector('.instrument[data-drawn="0 7 exact"]')
    assert other.locator(".instrument").get_attribute("data-drawn") == "3 1 exact"
    other.locator(".strip-token").nth(2).click()
    other.wait_for_selector('.part-graph[data-focus*=":2"]')
    assert one.locator(".part-graph").get_attribute("data-focus") == ""
    for frame in (one, other):
        assert frame.locator(".heads-title").evaluate("(title) => getComputedStyle(title).color") == "rgb(31, 36, 48)"
        assert frame.locator(".heads-canvas").is_visible()
        assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # Must not happen: a frame reaches the page that contains it.
    reached = one.evaluate("(() => { try { return parent.document.title; } catch { return 'refused'; } })()")
    assert reached == "refused"
    one.get_by_label("Head", exact=True).focus()
    page.keyboard.press("Escape")
    assert other.locator(".part-graph").get_attribute("data-focus") != ""


def test_the_frame_follows_the_width_and_the_theme(page: Page, tmp_path: Path, trace: models.AttentionTrace) -> None:
    (frame,) = frames(page, tmp_path / "n.html", trace._repr_html_(), scheme='data-jp-theme-light="false"')
    assert frame.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 17, 17)"
    assert frame.locator(".heads-title").evaluate("(title) => getComputedStyle(title).color") == "rgb(230, 232, 235)"
    page.set_viewport_size({"width": 500, "height": 900})
    wait_until(frame, "innerWidth < 500 && document.documentElement.scrollWidth <= innerWidth")
    # The theme of the notebook changes while it is open.
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    wait_until(frame, "getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'")
    expect(frame.locator(".instrument")).to_be_visible()
