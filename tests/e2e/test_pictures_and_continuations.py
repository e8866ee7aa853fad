"""A model that reads pictures, and one that goes on writing, as a visitor uses them."""

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.helpers.visitor import flow, url_with, wait_until_drawn, wait_until_idle

pytestmark = pytest.mark.e2e


def patches(page: Page) -> dict:
    return page.locator(".st-key-patches .js-plotly-plot").evaluate(
        """(plot) => ({ title: plot._fullLayout.title.text, rows: plot._fullData[0].z.length,
        columns: plot._fullData[0].z[0].length, source: plot.layout.images[0].source }) """
    )


def test_a_picture_is_shown_in_the_light_of_its_attention(open_page, tiny_vit):
    page = open_page(f"/?model={tiny_vit}&layer=1&head=2")
    expect(page.get_by_role("textbox", name="Text to inspect")).to_have_count(0)
    shown = patches(page)
    assert (shown["rows"], shown["columns"]) == (8, 12)
    assert "Layer 1, head 2, encoder attention: [CLS]" in shown["title"]
    expect(page.get_by_test_id("stException")).to_have_count(0)
    # A token of the flow is a patch; isolated, its own attention lights the picture.
    page.locator(".flow-scroll").press("ArrowDown")
    page.locator(".flow-scroll").press("ArrowDown")
    page.locator(".flow-scroll").press("Enter")
    wait_until_idle(page)
    expect(flow(page)).to_have_attribute("data-locked", "yes")
    assert "patch 0,0" in patches(page)["title"]


def test_a_picture_of_ones_own_and_a_file_that_is_none(open_page, tiny_vit):
    page = open_page(f"/?model={tiny_vit}")
    before = patches(page)["source"]
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120, 3)).astype(np.uint8)).save(file, "PNG")
    upload = page.locator("input[type=file]")
    upload.set_input_files({"name": "own.png", "mimeType": "image/png", "buffer": file.getvalue()})
    expect(page.get_by_text("own.png")).to_be_visible()
    wait_until_idle(page)
    wait_until_drawn(page)
    assert patches(page)["source"] != before
    upload.set_input_files({"name": "bad.png", "mimeType": "image/png", "buffer": b"<script>window.pwned=1</script>"})
    expect(page.get_by_test_id("stAlert")).to_contain_text("This file is no picture that can be read")
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_decoder_goes_on_writing(open_page, tiny_gpt):
    page = open_page(f"/?model={tiny_gpt}&text=the+cat+sat&layer=1&head=0")
    plot = page.locator(".js-plotly-plot").first
    n_tokens = plot.evaluate("(plot) => plot._fullLayout.yaxis.ticktext.length")
    box = page.get_by_role("spinbutton", name="Continue with tokens")
    box.fill("6")
    box.press("Enter")
    expect(page.get_by_test_id("stAlert")).to_contain_text("The last 6 of 11 tokens are the model's own continuation")
    wait_until_idle(page)
    assert n_tokens == 5
    assert plot.evaluate("(plot) => plot._fullLayout.yaxis.ticktext.length") == 11
    # A line stands before the first token of its own, on both sides.
    assert plot.evaluate("(plot) => plot.layout.shapes.map((line) => line.x0 === line.x1 ? line.x0 : line.y0)") == [
        4.5,
        4.5,
    ]
    expect(page).to_have_url(url_with("generate=6"))
