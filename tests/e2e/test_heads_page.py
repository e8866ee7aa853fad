"""A visit to the page "Heads": opened by a link, searched, exported, and left through a head and back."""

import csv
import io
import re
from itertools import product

import pytest
from playwright.sync_api import Page, expect

from analysis.measures import head_table
from models import load_model
from tests.helpers.accessibility import violations
from tests.helpers.settled import still
from tests.helpers.visitor import DESKTOP, PHONE, expect_head, url_with, wait_until_drawn, wait_until_idle

pytestmark = pytest.mark.e2e


def drawn(page: Page) -> None:
    """Wait until the three pictures and the table are there."""
    expect(page.locator(".chart .gtitle")).to_have_count(3, timeout=60_000)
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    wait_until_idle(page)


def choose(page: Page, box: str, option: str) -> None:
    page.get_by_role("combobox", name=re.compile(box)).click()
    page.get_by_role("option", name=option, exact=True).click()
    wait_until_idle(page)


def click_cell(page: Page, layer: int, head: int) -> None:
    """Click the middle of a head in the grid of 6 layers of 12 heads, once nothing moves it."""
    wait_until_idle(page)
    box = page.locator(".chart").first.locator(".nsewdrag").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * (head + 0.5) / 12, box["y"] + box["height"] * (layer + 0.5) / 6)


def test_searched_opened_in_inspect_and_back(open_page):
    page = open_page("/heads?measure=first", ready=drawn)
    titles = page.locator(".chart .gtitle")
    expect(titles.first).to_contain_text("First token of all heads")
    choose(page, "Colour of the grid", "Confidence")
    expect(titles.first).to_contain_text("Confidence of all heads")
    box = page.get_by_role("textbox", name="Find heads")
    box.fill("previous > 0.8")
    box.press("Enter")
    expect(page.get_by_text("1 of 72 heads")).to_be_visible()
    expect(titles.first).to_contain_text("1 of 72 found")
    expect(page).to_have_url(url_with("measure=confidence&find=previous+%3E+0.8"))
    click_cell(page, 3, 1)
    wait_until_drawn(page)
    expect_head(page, 3, 1)
    page.go_back()
    drawn(page)
    expect(page).to_have_url(url_with("head=3.1"))
    expect(page.get_by_text("Heads like layer 3, head 1")).to_be_visible()
    page.get_by_text("A click opens Inspect").click()
    expect(page).to_have_url(url_with("opens=off"))
    click_cell(page, 5, 11)
    expect(page.get_by_text("Heads like layer 5, head 11")).to_be_visible()
    page.go_back()
    # The query is a step of its own.
    expect(page.get_by_role("textbox", name="Find heads")).to_have_value("")
    expect(titles.first).not_to_contain_text("found")


def test_on_a_phone_and_for_those_who_hear_it(open_page):
    page = open_page("/heads?head=3.1&find=previous+>+0.3&colour=pattern", viewport=PHONE, ready=drawn)
    for scheme, viewport in product(("light", "dark"), (PHONE, DESKTOP)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(viewport)
        still(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        wide = page.locator(".chart, [data-testid='stDataFrame'], button").evaluate_all(
            "(parts) => parts.filter((part) => part.getBoundingClientRect().right > window.innerWidth + 1).length"
        )
        assert wide == 0
        assert violations(page) == []


def test_from_inspect_with_its_text_and_as_csv(open_page):
    page = open_page("/?text=Birds+sing+where+birds+sleep&layer=4&head=7")
    page.get_by_role("button", name="All heads as numbers").click()
    drawn(page)
    expect(page.get_by_role("textbox", name="Text to measure")).to_have_value("Birds sing where birds sleep")
    expect(page.get_by_text("Heads like layer 4, head 7")).to_be_visible()
    expect(page).to_have_url(url_with("/heads?text=Birds+sing+where+birds+sleep"))
    page.get_by_role("button", name="Export").click()
    wait_until_idle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the table as CSV").click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    table = head_table(load_model("minilm").trace("Birds sing where birds sleep")["encoder"])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(int(row["layer"]), int(row["head"])) for row in rows] == list(table.index)
    for name in ("entropy_bits", "previous", "same_token"):
        assert [float(row[name]) for row in rows] == pytest.approx(table[name].tolist(), abs=1e-6)
    assert download.value.suggested_filename == "all-MiniLM-L6-v2-encoder-heads.csv"
