"""One text per line: the switch, the selector, and what the page says of it."""

import re
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import expect

from models import load_model
from tests.helpers.traffic import Traffic
from tests.helpers.visitor import (
    expect_head,
    expect_locked,
    inspect_text,
    strip_token,
    tokens,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e
LINES = "The cat sat here.\nThe cat ran home.\nThe dog ran home."


def test_lines_are_read_as_one_sequence_until_the_switch_is_on(open_page):
    traffic = Traffic()
    page = open_page("/?layer=2&head=9", prepare=traffic.install)
    inspect_text(page, LINES)
    expect(page.get_by_text("The model reads these 3 lines as one sequence.")).to_be_visible()
    assert len(tokens(page)) == 17
    page.get_by_role("button", name="More").click()
    page.get_by_text("One text per line", exact=True).click()
    expect(page.get_by_text("The model reads 3 texts, one per line, each by itself.")).to_be_visible()
    wait_until_drawn(page)
    page.keyboard.press("Escape")
    assert tokens(page)[1:-1] == ["the", "cat", "sat", "here", "."]
    expect_head(page, 2, 9)
    expect(page).to_have_url(url_with("lines="))
    strip_token(page, 2).click()
    expect_locked(page, 2, None)
    page.locator(".st-key-sentence-row").get_by_role("combobox").click()
    page.get_by_role("option", name="2. The cat ran home.", exact=True).click()
    expect(strip_token(page, 3)).to_have_text("ran")
    wait_until_idle(page)
    # The same token at the same position stays locked.
    expect_head(page, 2, 9)
    expect_locked(page, 2, None)
    expect(page).to_have_url(url_with("sentence=1"))
    # Must not happen: a request for what the messages have, or an error.
    assert traffic.requests == []
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_a_link_opens_a_line(open_page):
    page = open_page("/?text=The+cat+sat%0AA+dog+ran&lines=on&sentence=1&layer=1&head=2&token=query:2")
    assert tokens(page)[1:-1] == ["a", "dog", "ran"]
    expect_head(page, 1, 2)
    expect_locked(page, 2, None)
    # Must not happen: a sentence about the link.
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_heads_are_ranked_over_the_texts_in_which_a_pair_is_locked(open_page):
    pairs = {
        "The cat sat on the mat because it was tired.": (8, 2),
        "The trophy does not fit in the suitcase because it is too big.": (10, 2),
    }
    page = open_page(f"/?text={quote(chr(10).join(pairs))}&lines=on&layer=3&head=1")
    over = page.get_by_role("button", name="Over all texts", include_hidden=True)
    for number, (text, (query, key)) in enumerate(pairs.items()):
        if number:
            # Must not happen: a ranking over one text alone.
            expect(over).to_be_disabled()
            page.locator(".st-key-sentence-row").get_by_role("combobox").click()
            page.get_by_role("option", name=f"{number + 1}. {text}", exact=True).click()
            expect(strip_token(page, 2)).to_have_text("trophy")
            page.keyboard.press("Escape")
            wait_until_idle(page)
        strip_token(page, query).click()
        strip_token(page, key).click()
        expect_locked(page, query, key)
    over.click()
    expect(page.locator(".ranking-title")).to_have_text("Heads over 2 of 2 texts")
    model = load_model("minilm")
    weights = [model.trace(text)["encoder"].weights(3, 1)[query, key] for text, (query, key) in pairs.items()]
    says = f"In this head: {np.mean(weights):.2f}, at least {min(weights):.2f}; "
    expect(page.locator(".ranking-sentence")).to_contain_text(says)
    first = page.locator(".ranking-row").first
    name = first.inner_text().split(":")[0]
    first.click()
    layer, head = (int(number) for number in re.findall(r"\d+", name))
    expect_head(page, layer, head)
