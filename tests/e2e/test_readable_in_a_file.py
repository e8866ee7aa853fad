"""What makes a head readable in a file: hidden tokens, shares, the map without its sink, pairs, the map, the scales."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import models
from tests.helpers.accessibility import violations
from tests.helpers.instrument_file import write_instrument

pytestmark = pytest.mark.e2e

TEXT = "The cat sat on the mat because it was tired."
PAIR = ("The cat sat on the mat.", "It was tired, so it slept.")
Open = Callable[..., Page]


@pytest.fixture
def opened(new_file_page: Callable[..., Page], minilm: models.Model, tmp_path: Path) -> Open:
    def opens(selection: str = "layer=3&head=1", texts: tuple[str, ...] = (TEXT,), width: int = 1400) -> Page:
        att = minilm.trace(texts[0], text_pair=texts[1] if len(texts) > 1 else None)["encoder"]
        url = write_instrument(tmp_path / "i.html", att, selection)
        page = new_file_page({"width": width, "height": 1000})
        page.goto(url)
        page.wait_for_selector(".heatmap[data-looks]", state="attached")
        return page

    return opens


def fact(page: Page, name: str) -> str:
    # Two frames: what an event changed is drawn then.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.locator(".heatmap").get_attribute(f"data-{name}") or ""


def choose(page: Page, panel: str, control: str, value: str) -> None:
    page.locator("summary", has_text=panel).first.click()
    page.get_by_label(control, exact=True).select_option(value)
    page.keyboard.press("Escape")


def test_hidden_tokens_have_their_own_look(opened: Open) -> None:
    page = opened()
    assert fact(page, "looks") == ""
    choose(page, "Tokens", "Special tokens", "hide")
    assert fact(page, "looks") == "hidden", "a hidden cell is not called masked"
    expect(page.locator(".heatmap-entry:visible")).to_have_text(["hidden"])
    expect(page.locator(".strip-hidden")).to_have_text(["[CLS]", "[SEP]"])
    choose(page, "Tokens", "Special tokens", "dim")
    assert fact(page, "looks") == "dimmed"
    expect(page.locator(".strip-dimmed")).to_have_text(["[CLS]", "[SEP]"])
    expect(page.locator(".strip-hidden")).to_have_count(0)
    # Must not happen: hidden tokens in the table. Dimmed ones are in it, and marked.
    # The table follows in the next frame.
    expect(page.locator(".pairs-dimmed").first).to_be_visible()
    choose(page, "Tokens", "Special tokens", "hide")
    expect(page.locator(".pairs-scroll")).not_to_contain_text("[CLS]")


def test_shares_are_those_of_the_model(opened: Open, minilm: models.Model) -> None:
    att = minilm.trace(TEXT)["encoder"]
    weights = np.asarray(att.weights(3, 1), np.float64)
    special = [token.special for token in att.key_tokens]
    page = opened()
    sentence = page.locator(".heatmap-shares")
    expect(sentence).to_have_text(
        f"Special tokens get {weights[:, special].sum(1).mean():.1%} of this head's attention, "
        f"the first token gets {weights[:, 0].mean():.1%}."
    )
    # The rows of hidden queries are not shown.
    choose(page, "Tokens", "Special tokens", "hide")
    shown = weights[np.logical_not(special)]
    expect(sentence).to_have_text(
        f"Special tokens get {shown[:, special].sum(1).mean():.1%} of this head's attention, "
        f"the first token gets {shown[:, 0].mean():.1%}. Rows are not renormalised: they sum to less than 1."
    )


def test_the_map_without_its_sink_is_one_click(opened: Open, minilm: models.Model) -> None:
    weights = np.asarray(minilm.trace(TEXT)["encoder"].weights(3, 1), np.float64)
    page = opened("layer=3&head=1&token=query:8&partner=key:2")
    status, button = page.locator(".heatmap-status"), page.get_by_role("button", name="Without sink")
    expect(status).to_have_text(f"it (8) attends to cat (2): {weights[8, 2]:.4f}")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(status).to_have_text(f"it (8) attends to cat (2): {weights[8, 2] / (1 - weights[8, 0]):.4f}")
    expect(page.locator(".heatmap-shares")).to_contain_text("Each row is divided by what is left of it.")
    assert fact(page, "looks") == "hidden"
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(status).to_have_text(f"it (8) attends to cat (2): {weights[8, 2]:.4f}")
    assert fact(page, "looks") == ""


def test_one_text_of_a_pair_to_the_other(opened: Open) -> None:
    page = opened(texts=PAIR)
    texts = page.get_by_label("Texts of the pair")
    texts.select_option("A to B")
    assert fact(page, "region") == "0 8 9 17"
    # The text strip follows: the tokens of the other text, as queries, are outside.
    expect(page.locator(".strip-outside")).to_have_count(9)
    texts.select_option("B to A")
    assert fact(page, "region") == "9 17 0 8"
    page.get_by_role("button", name="Whole head").click()
    expect(texts).to_have_value("All")
    assert fact(page, "region") == "0 17 0 17"
    assert not opened().get_by_label("Texts of the pair").is_visible(), "one text has no other"


def test_the_region_moves_on_the_map(opened: Open) -> None:
    page = opened("layer=3&head=1&region=2-5:3-6")
    mapped = page.locator(".heatmap-map")
    box = mapped.bounding_box()
    assert box
    cell = box["width"] / 13

    def at(query: float, key: float) -> tuple[float, float]:
        return box["x"] + key * cell, box["y"] + query * cell

    # A drag of the box moves the region by as much, also beyond the edge of the map.
    page.mouse.move(*at(3.5, 4.5))
    page.mouse.down()
    page.mouse.move(*at(5.5, 5.5), steps=4)
    page.mouse.up()
    assert fact(page, "region") == "4 7 4 7"
    page.mouse.click(*at(12.5, 0.5))
    assert fact(page, "region") == "9 12 0 3"
    mapped.focus()
    for key, region in {
        "ArrowUp": "8 11 0 3",
        "ArrowRight": "8 11 1 4",
        "ArrowLeft": "8 11 0 3",
        "+": "8 12 0 4",
        "-": "8 11 0 3",
    }.items():
        page.keyboard.press(key)
        assert fact(page, "region") == region, key
    page.get_by_role("button", name="Whole head").click()
    expect(mapped).to_be_hidden()


def test_the_bar_of_colours_has_numbers_that_fit_its_scale(opened: Open) -> None:
    page = opened()
    bar = page.locator(".heatmap-scale")
    for scale, ticks, places in (
        ("root", "0 0.1 0.25 0.5 1", "0.000 0.316 0.500 0.707 1.000"),
        ("log", "≤0.0001 0.001 0.01 0.1 1", "0.000 0.250 0.500 0.750 1.000"),
        ("linear", "0 0.25 0.5 0.75 1", "0.000 0.250 0.500 0.750 1.000"),
    ):
        choose(page, "Look", "Scale", scale)
        expect(bar).to_have_attribute("data-ticks", ticks)
        expect(bar).to_have_attribute("data-places", places)


@pytest.mark.parametrize("width", [1400, 390])
def test_nothing_is_out_of_reach(opened: Open, width: int) -> None:
    page = opened("layer=3&head=1&special=hide&sink=dim&scale=log&region=0-8:9-17&token=query:2", PAIR, width)
    if width < 640:
        page.get_by_text("Controls", exact=True).click()
    page.locator("summary", has_text="Tokens").first.click()
    # In this file, the page around the instrument has no heading.
    assert [each for each in violations(page) if not each.startswith("page-has-heading-one")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_file_says_which_view_it_does_not_have(opened: Open) -> None:
    page = opened(texts=(" ".join([TEXT] * 8),))
    choose(page, "Tokens", "Special tokens", "hide")
    said = page.locator(".toolbar-view")
    expect(said).to_contain_text("This file does not have the weights for a map without hidden tokens:")
    choose(page, "Tokens", "Special tokens", "show")
    expect(said).to_be_hidden()
