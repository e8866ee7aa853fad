"""Several heads of the instrument in a file: clicks, keys and buttons choose them, and every part shows them."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import models
from tests.helpers.accessibility import violations
from tests.helpers.instrument_file import write_instrument

pytestmark = pytest.mark.e2e

TEXT = "The cat sat on the mat because it was tired."
# Streamlit's variables on a dark page.
DARK = """:root { --st-text-color: #fafafa; --st-background-color: #0e1117; --st-primary-color: #4aa3df;
    --st-gray-text-color: #a3a8b4; --st-secondary-background-color: #262730; }
body { background: #0e1117 !important; color: #fafafa !important; }"""
TITLES = """() => ["heatmap", "graph"].map((part) => document.querySelector(`.part-${part} h2`).textContent)"""


@pytest.fixture(scope="module")
def file(minilm: models.Model, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    path = tmp_path_factory.mktemp("several") / "i.html"
    url = write_instrument(path, minilm.trace(TEXT)["encoder"], "layer=3&head=1")
    if getattr(request, "param", "light") == "dark":
        path.write_text(path.read_text("utf-8").replace("</head>", f"<style>{DARK}</style></head>"), "utf-8")
    return url


@pytest.fixture
def page(new_file_page: Callable[..., Page], file: str) -> Iterator[Page]:
    page = new_file_page()
    trouble: list[str] = []
    page.on("request", lambda sent: sent.url.startswith("file:") or trouble.append(sent.url))
    page.goto(file)
    page.wait_for_selector(".instrument[data-drawn*=exact]")
    yield page
    assert trouble == []


def expect_chosen(page: Page, heads: str) -> None:
    expect(page.locator(".heads")).to_have_attribute("data-chosen", heads)


def click_head(page: Page, layer: int, head: int, **options: Any) -> None:
    left, top, pitch, pitch_y = map(float, (page.locator(".heads").get_attribute("data-place") or "").split())
    position = {"x": left + (head + 0.5) * pitch, "y": top + (layer + 0.5) * pitch_y}
    page.locator(".heads-canvas").click(position=position, **options)  # type: ignore[arg-type]


def legend(page: Page) -> list[str]:
    return page.locator(".graph-legend:not([hidden]) .graph-head").all_inner_texts()


def test_clicks_choose_heads_and_the_graph_names_them(page: Page) -> None:
    click_head(page, 2, 5, modifiers=["Control"])
    expect(page.locator(".graph-head")).to_have_count(2)
    assert legend(page) == ["2.5", "3.1"]
    expect_chosen(page, "2.5,3.1")
    assert page.evaluate(TITLES) == ["Layer 2, head 5", "Token to token: heads 2.5 and 3.1"]
    page.locator(".graph-head").nth(1).click()
    expect(page.locator(".part-heatmap h2")).to_have_text("Layer 3, head 1")
    expect_chosen(page, "2.5,3.1")
    click_head(page, 2, 7, modifiers=["Shift"])
    expect(page.locator(".graph-head")).to_have_count(7)
    assert legend(page) == ["2.7", "2.8", "2.9", "2.10", "2.11", "3.0", "3.1"]
    click_head(page, 0, 0)
    expect(page.locator(".graph-legend")).to_be_hidden()
    expect_chosen(page, "")


def test_a_layer_number_and_the_corner_choose(page: Page) -> None:
    click_head(page, 4, -1)
    expect(page.locator(".graph-head")).to_have_count(12)
    expect_chosen(page, "4")
    click_head(page, 4, -1)
    expect(page.locator(".graph-legend")).to_be_hidden()
    page.locator(".heads-canvas").click(position={"x": 15, "y": 9})
    expect(page.locator(".graph-head")).to_have_count(24)
    expect(page.locator(".graph-caption")).to_contain_text("Only the first 24 of 72 heads")


def test_a_mean_changes_title_and_weights(page: Page) -> None:
    click_head(page, 4, -1)
    page.locator("summary", has_text=re.compile("^Heads$")).click()
    show = page.get_by_label("What is shown of the chosen heads")
    show.select_option("mean")
    expect(page.locator(".part-heatmap h2")).to_have_text("Mean of layer 4")
    expect(page.locator(".graph-legend")).to_be_hidden()
    assert page.evaluate(TITLES) == ["Mean of layer 4", "Token to token: mean of layer 4"]
    mean = page.locator(".part-pairs").inner_text()
    show.select_option("maximum")
    expect(page.locator(".part-heatmap h2")).to_have_text("Maximum of layer 4")
    assert page.locator(".part-pairs").inner_text() != mean
    expect(page.locator(".figures-title")).to_have_text("Figures: maximum of layer 4")
    # The rows of a maximum sum to more than 1.
    expect(page.locator(".figures-note")).to_contain_text("these weights are no distribution")
    expect(page.locator(".figures-value")).to_have_text(["–"] * 7)
    show.select_option("mean")
    expect(page.locator(".figures-value").first).to_contain_text(" bits")
    expect(page.locator(".figures-note")).to_be_hidden()
    show.select_option("maximum")
    page.get_by_role("button", name="Only this head").click()
    expect(page.locator(".part-heatmap h2")).to_have_text("Layer 4, head 1")


def test_the_keyboard_chooses_heads(page: Page) -> None:
    page.locator(".heads-canvas").focus()
    for key in ("Space", "ArrowRight", "Space", "ArrowDown", "Control+Enter"):
        page.keyboard.press(key)
    expect(page.locator(".graph-head")).to_have_count(3)
    expect_chosen(page, "3.1,3.2,4.2")
    page.locator(".graph-head[tabindex='0']").focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.textContent") == "3.2"
    expect(page.locator(".graph-status")).to_contain_text("Layer 3, head 2: lines from 0.05 up")
    page.keyboard.press("Enter")
    expect(page.locator(".part-heatmap h2")).to_have_text("Layer 3, head 2")
    page.locator("summary", has_text=re.compile("^Heads$")).press("Enter")
    page.get_by_role("button", name="Head 4.2 ×: remove").press("Enter")
    expect(page.locator(".graph-head")).to_have_count(2)
    page.get_by_role("button", name="Layer 3", exact=True).press("Enter")
    expect(page.locator(".graph-head")).to_have_count(12)
    page.get_by_role("button", name="Only this head").press("Enter")
    expect_chosen(page, "")


def test_sentence_and_table_name_the_heads_of_lines(page: Page) -> None:
    click_head(page, 2, 0, modifiers=["Control"])
    page.locator(".strip-token", has_text=re.compile("^it$")).click()
    expect(page.locator(".graph-status")).to_contain_text("it (8) (locked) attends to")
    expect(page.locator(".graph-status")).to_contain_text("because 0.590 in head 2.0")
    page.locator(".graph-summary").click()
    row = page.locator(".graph-table tbody tr").first
    expect(row).to_be_visible()
    weights = [float(each) for each in page.locator(".graph-table td:last-child").all_inner_texts()]
    assert weights == sorted(weights, reverse=True)
    assert set(page.locator(".graph-table td:nth-child(2)").all_inner_texts()) == {"it"}


def test_the_table_of_all_heads_and_the_ranking_choose(page: Page) -> None:
    page.locator(".heads-summary").click()
    page.get_by_label("Choose head 0.3", exact=True).check()
    expect(page.get_by_label("Choose head 3.1", exact=True)).to_be_checked()
    expect_chosen(page, "0.3,3.1")
    page.locator(".strip-token", has_text=re.compile("^it$")).click()
    page.get_by_role("button", name="Choose the first 5").click()
    expect(page.locator(".ranking-chosen")).to_have_count(5)
    expect(page.locator(".graph-head")).to_have_count(5)


@pytest.mark.parametrize("file", ["light", "dark"], indirect=True)
def test_axe_finds_nothing_with_several_heads(page: Page) -> None:
    click_head(page, 2, -1)
    page.locator(".graph-summary").click()
    page.locator("summary", has_text=re.compile("^Heads$")).click()
    # The file of this test has no heading.
    assert [each for each in violations(page) if not each.startswith("page-has-heading-one")] == []
