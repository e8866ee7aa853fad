"""Several heads on the page: lines of each, their mean and maximum, and the same numbers in exported files."""

import io
import json
from urllib.parse import quote_plus

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

import models
from tests.helpers.read_back import read_csv
from tests.helpers.shown_view import LONG, SHORT, choose, choose_export, download, expect_numbers, expect_view, tick
from tests.helpers.visitor import head_position, heads_keys, url_with

pytestmark = pytest.mark.e2e

HEADS = [(2, 5), (3, 1)]
NAMED = "heads 2.5 and 3.1"


def address(text: str) -> str:
    return f"/?text={quote_plus(text)}&layer=3&head=1"


def add_head(page: Page, layer: int, head: int) -> None:
    heads_keys(page).click(position=head_position(page, layer, head), modifiers=["Control"])


def expect_titles(page: Page, shown: str) -> None:
    expect(page.locator(".part-heatmap h2")).to_have_text(shown)
    expect(page.locator(".part-graph h2")).to_have_text(f"Token to token: {shown[0].lower()}{shown[1:]}")


@pytest.mark.parametrize("text", [SHORT, LONG], ids=["short", "long"])
def test_chosen_heads_their_mean_and_its_files(visit, minilm: models.Model, text: str):
    words = minilm.trace(text)["encoder"].words()
    page, traffic = visit(address(text))
    add_head(page, 2, 5)
    expect(page.locator(".graph-legend:not([hidden]) .graph-head")).to_have_text(["2.5", "3.1"])
    expect(page.locator(".part-graph h2")).to_have_text(f"Token to token: {NAMED}")
    expect(page).to_have_url(url_with("heads=2.5%2C3.1"))
    page.locator(".graph-head").last.click()
    choose(page, "Tokens", "Unit", "words")
    expect_view(page, "unit=words", "3 1")
    for how in ("mean", "maximum"):
        choose(page, "Heads", "What is shown of the chosen heads", how)
        expect_view(page, "unit=words", f"{how} 2.5,3.1")
        expect_titles(page, f"{how.title()} of {NAMED}")
        expect(page.locator(".graph-legend")).to_be_hidden()
        expect_numbers(page, words.combine(HEADS, how), 0, 0)
        expect(page).to_have_url(url_with(f"combine={how}"))
        expect(page).to_have_url(url_with("unit=words"))
    if text == SHORT:
        # Must not happen: a request, although the browser has all weights.
        assert traffic.requests == []
    else:
        assert "tile/mean/2.5,3.1/0-109:0-109" in traffic.requests
    page.reload()
    expect_view(page, "unit=words", "maximum 2.5,3.1")
    expect_numbers(page, words.combine(HEADS, "maximum"), 0, 0)

    expect_files_of_the_same_view(page, minilm.trace(text)["encoder"])


def expect_files_of_the_same_view(page: Page, att: models.Attention) -> None:
    choose(page, "Heads", "What is shown of the chosen heads", "mean")
    choose(page, "Tokens", "First token (sink)", "hide")
    tick(page, "Tokens", "Renormalise rows")
    page.keyboard.press("Escape")
    expect_view(page, "unit=words&sink=hide&renormalise=True", "mean 2.5,3.1")
    view = att.words().hide(first=True, renormalise=True).combine(HEADS, "mean")
    expect_numbers(page, view, 0, 0)
    choose_export(page, "Weights of the chosen head", "CSV")
    name, data = download(page, f"Download weights of the mean of {NAMED} as CSV")
    assert name == "all-MiniLM-L6-v2-encoder-mean-heads-2.5-3.1-words-without-sink-table.csv"
    table = read_csv(data)
    weights = view.weights(0, 0)
    found = weights[table["query"].to_numpy(), table["key"].to_numpy()]
    np.testing.assert_allclose(table["weight"].to_numpy(), found, atol=1e-5)
    # Must not happen: a file without some of the pairs, or with the hidden ones.
    assert len(table) == view.mask(0, 0).sum()
    texts = [token.text for token in view.query_tokens]
    assert list(table["query_token"]) == [texts[query] for query in table["query"]]
    choose_export(page, "Heatmap of the chosen head", "PNG")
    _, data = download(page, f"Download heatmap of the mean of {NAMED} as PNG")
    with Image.open(io.BytesIO(data)) as picture:
        origin = json.loads(picture.info["headlight"])
    written = json.dumps(origin)
    for part in ('"unit": "words"', '"heads": "2.5,3.1"', '"combine": "mean"', '"sink": "hide"'):
        assert part in written, origin
