"""axe-core finds nothing on any page, light and dark, on a desktop and on a phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.accessibility import violations
from tests.helpers.visitor import DESKTOP, PHONE, wait_until_idle
from viz import browser as browser_code
from viz.wire.instrument import Opening, trace_message

pytestmark = pytest.mark.e2e
SENTENCE = "The animal did not cross the street because it was too tired. "
LONG = SENTENCE * 25


def wait_for_matrices(page: Page) -> None:
    page.wait_for_selector(".matrix td", timeout=60_000)
    wait_until_idle(page)


def wait_for_training(page: Page) -> None:
    page.wait_for_selector(".training[data-drawn]", timeout=120_000)
    wait_until_idle(page)


def expect_nothing_found(page: Page, viewports: tuple[dict, ...] = (DESKTOP,)) -> None:
    """Check the page as it is now in both themes."""
    for scheme, background in (("dark", "rgb(23, 22, 20)"), ("light", "rgb(255, 255, 255)")):
        page.emulate_media(color_scheme=scheme)
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", background)
        for viewport in viewports:
            page.set_viewport_size(viewport)
            # Colours fade over, and pictures follow in the next frames.
            page.wait_for_timeout(400)
            assert violations(page) == [], (scheme, viewport)


@pytest.mark.parametrize(
    "path",
    [
        "/?text=Nothing+is+locked+here.",
        "/?model=scratch:brackets",
        "/?model=scratch:dates",
        f"/?text={LONG}",
        "/?text=我喜欢咖啡☕，她喜欢茶😀。",
        "/?model=no-such-model",
    ],
    ids=["nothing locked", "brackets", "dates", "long", "Chinese", "unknown model"],
)
def test_the_inspect_page(open_page, path):
    expect_nothing_found(open_page(path))


@pytest.mark.parametrize(
    ("path", "ready"),
    [("/steps", wait_for_matrices), ("/steps?part=head", wait_for_matrices), ("/watch", wait_for_training)],
)
def test_the_learn_pages(open_page, path, ready):
    expect_nothing_found(open_page(path, ready=ready), (DESKTOP, PHONE))


def test_the_first_example_and_all_that_folds(open_page):
    page = open_page()
    expect_nothing_found(page, (DESKTOP, PHONE))
    page.set_viewport_size(PHONE)
    page.locator(".toolbar-fold > summary").click()
    for panel in ("Heads", "Tokens", "Look"):
        page.locator(".toolbar-look > summary", has_text=panel).click()
        expect_nothing_found(page, (PHONE,))
    page.set_viewport_size(DESKTOP)
    expect(page.get_by_role("slider", name="Threshold of the token graph")).to_be_visible()
    expect_nothing_found(page)
    page.locator(".instrument details").evaluate_all("(all) => { for (const each of all) each.open = true; }")
    expect(page.locator(".heads-table-space")).to_be_visible()
    expect_nothing_found(page)


def open_help(page: Page) -> None:
    page.get_by_role("button", name="What attention does not tell you").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def show_plotly(page: Page) -> None:
    page.get_by_role("button", name="Plotly").click()
    expect(page.locator(".heatmap-plotly .main-svg").first).to_be_visible()


def open_popover(name: str) -> Callable[[Page], None]:
    def open_it(page: Page) -> None:
        page.locator("button", has_text=name).first.click()
        expect(page.locator('[data-testid="stPopoverBody"], [role="menu"]')).to_be_visible()
        wait_until_idle(page)

    return open_it


@pytest.mark.parametrize(
    "act",
    [open_help, show_plotly, *map(open_popover, ("Model:", "More", "Examples", "Export"))],
    ids=["help", "Plotly", "Model", "More", "Examples", "Export"],
)
def test_what_opens_over_the_inspect_page(open_page, act):
    page = open_page()
    act(page)
    expect_nothing_found(page)


def test_an_exported_file(browser, tmp_path, minilm):
    page = browser.new_page()
    message = trace_message(minilm.trace(SENTENCE)["encoder"], Opening("test", "layer=3&head=1"))
    body = browser_code.standalone("instrument", "Attention in a file", message)
    file = tmp_path / "instrument.html"
    file.write_text(browser_code.build_page("Instrument", body, "{}"), encoding="utf-8")
    page.goto(file.as_uri())
    page.wait_for_selector('.instrument[data-drawn$=" exact"]')
    assert violations(page) == []
    page.close()
