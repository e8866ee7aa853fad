"""A student's visit to "Step by step": read, switch, edit a number, look into a real head, share the link."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.e2e_models import PAYLOADS
from tests.helpers.settled import eventually, still
from tests.helpers.visitor import PHONE, url_with, wait_until_drawn, wait_until_idle

pytestmark = pytest.mark.e2e


def drawn(page: Page) -> None:
    """Wait until the first matrices stand on the page."""
    page.wait_for_selector(".matrix td", timeout=60_000)
    wait_until_idle(page)


def weights(page: Page) -> list[list[str]]:
    """Return the numbers of the first matrix A."""
    matrix = page.locator(".matrix").filter(has=page.locator("figcaption", has_text=re.compile(r"^A ")))
    return matrix.first.locator("tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent))"
    )


def edit(page: Page, column: int, row: int, value: str) -> None:
    """Type into a cell of x, as a visitor does; its columns are the word and then the numbers from 0."""
    editor = page.get_by_test_id("stDataFrame").first
    # The word is 75 pixels wide, a number 55; the header and each row are 35 high.
    x = 35 if column < 0 else 75 + 55 * column + 25
    assert editor.bounding_box()["width"] > x
    # By way of a word: a click on a cell that is chosen already would open it, and Enter close it again.
    editor.click(position={"x": 35, "y": 122})
    editor.click(position={"x": x, "y": 35 * (row + 1) + 17})
    page.keyboard.press("Enter")
    box = page.locator("#portal input")
    box.fill(value)
    box.press("Enter")
    page.wait_for_timeout(300)
    wait_until_idle(page)


def expect_a_blank_cell_to_be_one_sentence(page: Page) -> None:
    """A cell without a number is named, and the page goes on once it has one."""
    before = weights(page)
    editor = page.get_by_test_id("stDataFrame").first
    editor.click(position={"x": 100, "y": 52})
    page.keyboard.press("Delete")
    expect(page.get_by_test_id("stAlert")).to_contain_text("x has no number in row 0, column 0")
    wait_until_idle(page)
    assert weights(page) == before
    edit(page, column=0, row=0, value="0.4")
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    eventually(page, lambda: weights(page) != before)
    wait_until_idle(page)


def test_three_words_edited(open_page):
    page = open_page()
    page.get_by_role("button", name="Learn").click()
    page.get_by_role("menuitem", name="Step by step").click()
    drawn(page)
    assert page.url.endswith("/steps")
    golden = [["0.3357", "0.3000", "0.3643"], ["0.2838", "0.3722", "0.3441"], ["0.3091", "0.3087", "0.3822"]]
    assert weights(page) == golden
    page.get_by_text("Edit the numbers").click()
    wait_until_idle(page)
    expect_a_blank_cell_to_be_one_sentence(page)
    page.get_by_role("button", name="Reset the numbers").click()
    eventually(page, lambda: weights(page) == golden)
    wait_until_idle(page)
    edit(page, column=1, row=0, value="7.5")
    expect(page.locator(".matrix").first).to_contain_text("7.5")
    eventually(page, lambda: weights(page) != golden)
    wait_until_idle(page)
    expect(page).to_have_url(url_with("x=0.2%2C7.5%2C0.1"))
    first_row = [float(weight.replace("−", "-")) for weight in weights(page)[0]]
    assert sum(first_row) == pytest.approx(1, abs=2e-4)
    edited = weights(page)
    page.goto(page.url)
    drawn(page)
    assert weights(page) == edited
    page.get_by_role("button", name="Reset the numbers").click()
    expect(page).not_to_have_url(url_with("x=0.2"))
    wait_until_idle(page)
    assert weights(page) == golden
    # The other page is as it was left.
    page.get_by_role("link", name="Inspect").click()
    wait_until_drawn(page)
    expect(page.get_by_role("combobox", name="Head")).to_have_value("1")


def test_without_scaling_the_softmax_saturates(open_page):
    page = open_page("/steps", ready=drawn)
    page.get_by_role("button", name="One to ten, unscaled").click()
    expect(page.get_by_role("switch", name="Scaling")).not_to_be_checked()
    wait_until_idle(page)
    assert [row[1] for row in weights(page)] == ["1.0000", "1.0000"]
    page = open_page("/steps?example=rows&temperature=32", ready=drawn)
    assert [row[1] for row in weights(page)] == ["0.7404", "0.9424"]
    page.get_by_text("Scaling: divide by √d").click()
    expect(page).to_have_url(url_with("scaling=off"))
    wait_until_idle(page)
    assert [float(row[1]) for row in weights(page)] == pytest.approx([0.9124, 0.9981], abs=1e-4)


def test_a_real_head_and_a_link_to_it(open_page):
    page = open_page("/steps?part=head&layer=5&head=11&query_token=8&key_token=6", ready=wait_until_idle)
    chosen = page.locator(".worked tr.chosen").last
    expect(chosen).to_contain_text("mat (6)")
    expect(page.locator(".worked tr").filter(has_text="cat (2)")).to_contain_text("0.7118")
    expect(page.locator(".matrix.bare").first.locator("tbody tr").first.locator("td")).to_have_count(32)
    box = page.get_by_role("textbox", name="Sentence")
    box.fill("Birds sing at dawn")
    box.press("Enter")
    wait_until_idle(page)
    expect(page.locator(".worked tr").filter(has_text="dawn (4)")).to_be_visible()
    expect(page).to_have_url(url_with("Birds+sing"))


def test_nothing_that_a_visitor_writes_is_markup(open_page, markup_bert):
    payload = "%3Cimg%20src%3Dx%20onerror%3Dwindow.pwned%3D1%3E|**b**|%24x%24"
    page = open_page(f"/steps?words={payload}", ready=drawn)
    expect(page.locator(".matrix th").filter(has_text="<img src=x onerror").first).to_be_visible()
    tokens = " ".join(PAYLOADS)
    page = open_page(f"/steps?part=head&model={markup_bert}&layer=1&head=2&query_token=1&key_token=2", ready=drawn)
    box = page.get_by_role("textbox", name="Sentence")
    box.fill(tokens)
    box.press("Enter")
    wait_until_idle(page)
    expect(page.locator(".worked th").filter(has_text="<b>bold</b>").first).to_be_visible()
    for opened in page.context.pages:
        opened.wait_for_timeout(300)
        assert opened.evaluate("window.pwned") is None
        assert opened.locator(".matrix img, .worked img, .matrix script, .worked b").count() == 0
        expect(opened.get_by_test_id("stException")).to_have_count(0)


def test_on_a_phone_nothing_is_wider_than_the_page(open_page):
    for path in ("/steps?heads=2&causal=on", "/steps?part=head", "/steps?example=rows"):
        page = open_page(path, viewport=PHONE, ready=drawn)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            still(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            wide = page.locator(".matrix, .worked, .katex-display").evaluate_all(
                "(parts) => parts.filter((part) => part.getBoundingClientRect().right > window.innerWidth + 1).length"
            )
            assert wide == 0
