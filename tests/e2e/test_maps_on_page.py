"""Derived maps on the page: their numbers, the head that comes back, exports, links, and a phone."""

import re

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

import models
from analysis import derive
from models import Attention
from tests.helpers.shown_view import expect_numbers, expect_view
from tests.helpers.visitor import PHONE, expect_head, expect_locked, heads_keys, select_box, url_with, wait_until_drawn

pytestmark = pytest.mark.e2e

TEXT = "The cat sat on the mat because it was tired."
ADDRESS = "/?text=The+cat+sat+on+the+mat+because+it+was+tired.&layer=5&head=11"


def show(page: Page, title: str) -> None:
    """Choose a method: open the menu, type its name, and press Enter."""
    box = page.get_by_role("combobox", name="Show")
    box.click()  # the browser reports the selection now, and not together with the method
    box.fill(title)
    box.press("Enter")


def expect_title(page: Page, title: str) -> None:
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_attached()


@pytest.fixture(scope="module")
def traced(minilm: models.Model) -> Attention:
    return minilm.trace(TEXT)["encoder"]


def test_a_rollout_has_the_numbers_of_python_and_the_head_comes_back(visit, traced):
    page, _ = visit(f"{ADDRESS}&token=query:8&partner=key:2")
    expect_head(page, 5, 11)
    show(page, "Rollout")
    expect_view(page, "", "5 0")
    expect_title(page, "Rollout down from layer 5")
    rollout = derive("rollout", traced)
    expect(page.get_by_text(f"it (8) draws on cat (2): {rollout.weights(5, 0)[8, 2]:.4f}")).to_be_visible()
    expect_locked(page, 8, 2)
    expect(page).to_have_url(url_with("show=rollout"))
    page.get_by_role("button", name="Release", exact=True).click()
    expect_locked(page, None, None)
    expect_numbers(page, rollout, 5, 0)
    # Layer 3 by the arrow keys; the head of the attention is still the one that was left.
    heads_keys(page).focus()
    for _ in range(2):
        page.keyboard.press("ArrowUp")
    expect_title(page, "Rollout down from layer 3")
    show(page, "Attention")
    expect_head(page, 3, 11)
    expect_numbers(page, traced, 3, 11)
    page.go_back()
    expect_title(page, "Rollout down from layer 3")
    page.go_back()
    expect_head(page, 5, 11)


def test_an_export_and_a_link_have_the_map(visit, traced, minilm):
    page, _ = visit(f"{ADDRESS}&show=value-weighted")
    att = derive("value-weighted", traced, minilm, {"text": TEXT})
    expect_title(page, "Value-weighted: layer 5, head 11")
    expect_numbers(page, att, 5, 11)
    page.get_by_role("button", name="Export").click()
    page.get_by_text("Weights of the chosen head").click()
    button = page.get_by_role("button", name="Download weights of value-weighted: layer 5, head 11 as CSV")
    expect(button).to_be_visible()
    with page.expect_download() as started:
        button.click()
    assert started.value.suggested_filename == "all-MiniLM-L6-v2-encoder-value-weighted-layer5-head11-table.csv"
    table = pd.read_csv(started.value.path(), keep_default_na=False)
    # The app computes with another number of threads.
    np.testing.assert_allclose(table["weight"], att.weights(5, 11).ravel(), rtol=1e-4)
    page.keyboard.press("Escape")
    page.reload()
    wait_until_drawn(page)
    expect_title(page, "Value-weighted: layer 5, head 11")
    expect_numbers(page, att, 5, 11)


def test_a_phone_shows_a_map_and_what_it_hides(visit, traced):
    page, _ = visit(f"{ADDRESS}&show=flow", viewport=PHONE)
    expect_title(page, "Flow down from layer 5")
    expect(page.get_by_text("It leaves out the single heads and the values")).to_be_visible()
    expect_numbers(page, derive("flow", traced), 5, 0)
    wide = page.evaluate("document.scrollingElement.scrollWidth")
    assert wide <= PHONE["width"]
    page.get_by_role("button", name=re.compile("Equation")).click()
    expect(page.get_by_role("link", name="Quantifying attention flow in transformers")).to_be_visible()
    expect(select_box(page, "Layer")).to_have_value("5")


def test_cross_attention_says_why_there_is_no_rollout(visit, tiny_bart):
    page, _ = visit(f"/?model={tiny_bart}&text=the+cat&target=a+b&kind=cross&show=rollout&layer=1&head=1")
    expect(page.get_by_text("choose the attention of the encoder or of the decoder.")).to_be_visible()
    expect_head(page, 1, 1)
