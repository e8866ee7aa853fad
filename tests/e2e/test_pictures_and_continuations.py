"""A model that reads pictures, and one that goes on writing, as a visitor uses them."""

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.helpers.settled import eventually
from tests.helpers.traffic import Traffic
from tests.helpers.visitor import (
    expect_locked,
    graph_keys,
    strip_token,
    text_box,
    tokens,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e


def patches(page: Page) -> dict:
    page.wait_for_function(
        "() => document.querySelector('.st-key-patches .js-plotly-plot')?._fullData?.length"  # drawn
    )
    return page.locator(".st-key-patches .js-plotly-plot").evaluate(
        """(plot) => ({ title: plot._fullLayout.title.text, rows: plot._fullData[0].z.length,
        columns: plot._fullData[0].z[0].length, source: plot.layout.images[0].source }) """
    )


def test_a_picture_is_shown_in_the_light_of_its_attention(open_page, tiny_vit):
    page = open_page(f"/?model={tiny_vit}&layer=1&head=2")
    expect(text_box(page)).to_have_count(0)
    shown = patches(page)
    assert (shown["rows"], shown["columns"]) == (8, 12)
    assert "Layer 1, head 2, encoder attention: [CLS]" in shown["title"]
    expect(page.get_by_test_id("stException")).to_have_count(0)
    # A token of the graph is a patch; locked, its own attention lights the picture.
    graph_keys(page).press("ArrowDown")
    graph_keys(page).press("ArrowDown")
    graph_keys(page).press("Enter")
    expect_locked(page, 1, None)
    page.wait_for_function(
        "() => document.querySelector('.st-key-patches .js-plotly-plot')._fullLayout.title.text.includes('patch 0,0')"
    )


def test_a_picture_of_ones_own_and_a_file_that_is_none(open_page, tiny_vit):
    page = open_page(f"/?model={tiny_vit}")
    before = patches(page)["source"]
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120, 3)).astype(np.uint8)).save(file, "PNG")
    upload = page.locator("input[type=file]")
    upload.set_input_files({"name": "own.png", "mimeType": "image/png", "buffer": file.getvalue()})
    expect(page.get_by_text("own.png")).to_be_visible()
    wait_until_drawn(page)
    eventually(page, lambda: patches(page)["source"] != before)
    upload.set_input_files({"name": "bad.png", "mimeType": "image/png", "buffer": b"<script>window.pwned=1</script>"})
    expect(page.get_by_test_id("stAlert")).to_contain_text("This file is no picture that can be read")
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_decoder_goes_on_writing(open_page, tiny_gpt):
    traffic = Traffic()
    page = open_page(f"/?model={tiny_gpt}&text=the+cat+sat&layer=1&head=0&token=query:2", prepare=traffic.install)
    assert len(tokens(page)) == 5
    page.get_by_role("button", name="More").click()
    box = page.get_by_role("spinbutton", name="Continue with tokens")
    box.fill("6")
    box.press("Enter")
    expect(page.locator(".trust")).to_contain_text("The last 6 of 11 tokens are the model's own continuation")
    expect(page.locator(".part-strip")).to_have_attribute("data-tokens", "11")
    # A line stands before the first token of its own.
    expect(page.locator(".strip-cut + button")).to_have_attribute("data-position", "5")
    expect(page).to_have_url(url_with("generate=6"))
    # Must not happen: the locked token is released though it is the same, or a request for what the message has.
    expect_locked(page, 2, None)
    assert traffic.requests == []


def test_a_text_is_read_with_a_picture(open_page, tiny_llava):
    page = open_page(f"/?model={tiny_llava}&text=the+cat+sat&layer=1&head=2")
    # Each: the text box and the picture, whose light is that of the last token.
    expect(text_box(page)).to_have_count(1)
    expect(page.locator("input[type=file]")).to_have_count(1)
    shown = patches(page)
    assert (shown["rows"], shown["columns"]) == (5, 5)
    expect(page.get_by_text("Layer 1, head 2, decoder attention: “:” at")).to_be_visible()
    read = tokens(page)
    assert read[6:8] == ["0,0", "0,1"]
    page.get_by_role("button", name="More").click()
    box = page.get_by_role("spinbutton", name="Continue with tokens")
    box.fill("2")
    box.press("Enter")
    expect(page.locator(".part-strip")).to_have_attribute("data-tokens", str(len(read) + 2))
    # The light follows a locked token, also one that the model wrote.
    wait_until_idle(page)
    strip_token(page, len(read) + 1).click()
    expect_locked(page, len(read) + 1, None)
    expect(page.get_by_text(f"” at {len(read) + 1}")).to_be_visible()
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120, 3)).astype(np.uint8)).save(file, "PNG")
    page.locator("input[type=file]").set_input_files(
        {"name": "own.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    page.wait_for_function(
        "(before) => document.querySelector('.st-key-patches .js-plotly-plot').layout.images[0].source !== before",
        arg=shown["source"],
    )
    expect(page.get_by_test_id("stException")).to_have_count(0)
