"""axe-core finds nothing on any page, light and dark, on a desktop and on a phone."""

import pytest
from playwright.sync_api import Page, expect

from models import Attention, AttentionTrace
from tests.helpers.accessibility import violations
from tests.helpers.hand_made import random_weights
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


def test_traces_from_files(open_page, tmp_path):
    with pytest.warns(UserWarning, match="do not sum to 1"):
        att = Attention.from_weights(0.5 * random_weights(2, 3, 5, 5), list("abcde"))
    AttentionTrace.of(att).save(tmp_path / "head.npz")
    page = open_page()
    page.get_by_role("button", name="Open a trace").click()
    expect(page.get_by_text("Save this trace")).to_be_visible()
    expect_nothing_found(page)
    page.locator('input[type="file"]').set_input_files(tmp_path / "head.npz")
    expect(page.get_by_test_id("stAlert").get_by_text("do not sum to 1")).to_be_visible()
    wait_until_idle(page)
    expect_nothing_found(page, (DESKTOP, PHONE))


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


def test_what_opens_over_the_inspect_page(open_page):
    page = open_page()
    opened = page.locator('[data-testid="stPopoverBody"], [role="menu"]')
    for name in ("Model:", "More", "Examples", "Export"):
        page.locator("button", has_text=name).first.click()
        expect(opened).to_be_visible()
        expect_nothing_found(page)
        page.keyboard.press("Escape")
        expect(opened).to_have_count(0)
    page.get_by_role("button", name="What attention does not tell you").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect_nothing_found(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Plotly").click()
    expect(page.locator(".heatmap-plotly .main-svg").first).to_be_visible()
    expect_nothing_found(page)


def test_an_exported_file(new_file_page, tmp_path, minilm):
    page = new_file_page()
    message = trace_message(minilm.trace(SENTENCE)["encoder"], Opening("test", "layer=3&head=1"))
    body = browser_code.standalone("instrument", "Attention in a file", message)
    file = tmp_path / "instrument.html"
    file.write_text(browser_code.build_page("Instrument", body, "{}"), encoding="utf-8")
    page.goto(file.as_uri())
    page.wait_for_selector('.instrument[data-drawn$=" exact"]')
    assert violations(page) == []
