"""A trace that the page saved, opened again in place of the model; and a file that is refused, or is another's."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from models import Attention, AttentionTrace
from tests.helpers.hand_made import random_weights
from tests.helpers.shown_view import choose_export, download, expect_numbers
from tests.helpers.traffic import Traffic
from tests.helpers.visitor import (
    PHONE,
    expect_head,
    expect_locked,
    heads_keys,
    text_box,
    tokens,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e
TEXT = "The cat sat on the mat because it was tired."
OPENED = "This trace was loaded from a file: another text needs its model."


def open_files(page: Page) -> None:
    """Open the popover of traces."""
    page.locator(".st-key-trace-file button").first.click()
    expect(page.locator('input[type="file"]')).to_be_attached()


def give(page: Page, file: Path) -> None:
    """Give the open popover a file, and wait until the page has read it."""
    page.locator('input[type="file"]').set_input_files(file)
    expect(page.get_by_text(OPENED)).to_be_visible()
    wait_until_drawn(page)


@pytest.mark.parametrize("file_format", ["NPZ", "JSON"])
def test_a_saved_trace_is_opened_again_and_closed(open_page, minilm, tmp_path, file_format):
    traffic = Traffic()
    page = open_page("/?layer=3&head=1&token=query:8&partner=key:2", prepare=traffic.install)
    page.evaluate("document.querySelector('.instrument').dataset.mine = 'yes'")
    open_files(page)
    name, data = download(page, f"Save as {file_format}")
    assert name == f"all-MiniLM-L6-v2-trace.{file_format.lower()}"
    (tmp_path / name).write_bytes(data)
    give(page, tmp_path / name)
    # The same weights, without the model's text box, and the popover has closed.
    expect(text_box(page)).to_have_count(0)
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    expect(page.get_by_text("The trace is in no link")).to_be_visible()
    expect(page).to_have_url(url_with("trace=1"))
    att = minilm.trace(TEXT)["encoder"]
    expect_head(page, 3, 1)
    expect_numbers(page, att, 3, 1)
    wait_until_idle(page)
    traffic.clear()
    heads_keys(page).press("ArrowRight")
    expect_head(page, 3, 2)
    expect_numbers(page, att, 3, 2)
    traffic.expect_one_report()
    # Exports say where the weights come from.
    choose_export(page, "Heatmap of the chosen head", "PNG")
    _, picture = download(page, "Download heatmap of layer 3, head 2 as PNG")
    with Image.open(io.BytesIO(picture)) as drawn:
        origin = json.loads(drawn.info["headlight"])
    assert (origin["source"]["text"], origin["layer"], origin["head"]) == (TEXT, 3, 2)
    page.get_by_role("button", name="Export").click()
    page.get_by_role("button", name="Close", exact=True).click()
    expect(text_box(page)).to_have_value(TEXT)
    expect_head(page, 3, 1)
    expect_locked(page, 8, 2)
    page.go_back()
    expect(page.get_by_text(OPENED)).to_be_visible()
    expect_head(page, 3, 2)
    page.get_by_role("button", name="Open its model with this text").click()
    expect(text_box(page)).to_have_value(TEXT)
    expect_head(page, 3, 2)
    # Must not happen: Streamlit has drawn the instrument anew.
    assert page.evaluate("document.querySelector('.instrument').dataset.mine") == "yes"


def test_a_file_that_is_no_trace_leaves_the_page_as_it_was(open_page, tmp_path):
    (tmp_path / "head.npz").write_bytes(b"PK\3\4 this is no archive")
    page = open_page("/?layer=3&head=1", viewport=PHONE)
    before = tokens(page)
    open_files(page)
    page.locator('input[type="file"]').set_input_files(tmp_path / "head.npz")
    refusal = page.get_by_test_id("stPopoverBody").get_by_role("alert")
    expect(refusal).to_contain_text("head.npz")
    assert (tokens(page), text_box(page).input_value()) == (before, TEXT)
    assert "trace=" not in page.url
    page.keyboard.press("Escape")
    wait_until_idle(page)
    expect(page.get_by_role("alert").filter(has_text="head.npz")).to_have_count(0)
    expect_head(page, 3, 1)


def test_the_trace_of_one_visitor_is_no_others(open_page, tmp_path):
    # Long enough that the browser asks for the heads.
    words = [f"<b>w{number}</b>" for number in range(90)]
    AttentionTrace.of(Attention.from_weights(random_weights(2, 2, 90, 90), words)).save(tmp_path / "long.npz")
    page = open_page()
    open_files(page)
    with page.expect_response("**/tile/**") as answered:
        give(page, tmp_path / "long.npz")
    assert tokens(page)[:2] == words[:2]
    tile = answered.value
    assert tile.ok
    name = tile.url.split("/instrument/")[1].split("/")[0]
    assert len(name) == 22
    # The address leads others to a sentence and to the model, and nothing can be asked by the trace's number.
    others: list[str] = []
    address = page.url[page.url.index("/?") :]
    other = open_page(address, prepare=lambda each: each.on("request", lambda request: others.append(request.url)))
    expect(other.get_by_role("alert").filter(has_text="open its file again")).to_be_visible()
    expect(text_box(other)).to_have_value(TEXT)
    assert not any(name in url for url in others)
    for guess in ("1", name[:-1], name.lower()):
        assert other.request.get(tile.url.replace(name, guess)).status == 404
    # A second visitor with the same file has another name for it.
    open_files(other)
    with other.expect_response("**/tile/**") as answered:
        give(other, tmp_path / "long.npz")
    assert answered.value.ok
    assert name not in answered.value.url
