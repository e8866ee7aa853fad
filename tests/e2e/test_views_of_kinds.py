"""Views of a sentence pair, of a decoder and of cross attention, and links to views that there are not."""

from urllib.parse import quote_plus

import pytest
from playwright.sync_api import Page, expect

import models
from tests.helpers.read_back import read_csv
from tests.helpers.settled import eventually
from tests.helpers.shown_view import (
    SHORT,
    choose,
    choose_export,
    download,
    expect_numbers,
    expect_view,
    shown_pairs,
    tick,
)
from tests.helpers.visitor import tokens, url_with, wait_until_drawn

pytestmark = pytest.mark.e2e

PAIR = ("The unbelievably tired cat slept.", "It was overtired, and reparametrized itself.")
HOSTILE = {
    "unit": "letters",
    "heads": "1e9",
    "combine": "%00",
    "special": "<script>window.pwned=1</script>",
    "sink": "../../etc/passwd",
    "renormalise": "[]",
    "scale": "constructor",
}


def test_one_sentence_to_the_other_in_words(visit, minilm: models.Model):
    words = minilm.trace(PAIR[0], text_pair=PAIR[1])["encoder"].words()
    page, traffic = visit(f"/?text={quote_plus(PAIR[0])}&pair={quote_plus(PAIR[1])}&layer=3&head=1")
    choose(page, "Tokens", "Unit", "words")
    expect_view(page, "unit=words", "3 1")
    n_first = words.query_tokens.index(next(token for token in words.query_tokens if token.text == "[SEP]")) + 1
    last = words.n_query - 1
    for name, region in (
        ("A to B", (0, n_first - 1, n_first, last)),
        ("B to A", (n_first, last, 0, n_first - 1)),
    ):
        page.get_by_label("Texts of the pair").select_option(name)
        expect(page.locator(".heatmap")).to_have_attribute("data-region", " ".join(map(str, region)))
        part = words.weights(3, 1, slice(region[0], region[1] + 1), slice(region[2], region[3] + 1))
        strongest = sorted(part.ravel(), reverse=True)[:40]
        right = pytest.approx(strongest, abs=0.0006)
        eventually(page, lambda right=right: [weight for *_, weight in shown_pairs(page)] == right)
    expect(page).to_have_url(url_with(f"region={n_first}-{last}%3A0-{n_first - 1}"))
    assert traffic.requests == []


@pytest.mark.parametrize(("family", "kind"), [("bart", "cross"), ("bart", "decoder"), ("gpt2", "decoder")])
def test_words_and_hidden_tokens_of_other_kinds(open_page, folder_of, loaded, family: str, kind: str):
    text, target = "The lazy dog sat on the mat.", "A quick fox jumps."
    trace = loaded(family).trace(text, target=target) if family == "bart" else loaded(family).trace(text)
    att = trace[kind]
    assert att.words().n_query < att.n_query
    more = f"&target={quote_plus(target)}&kind={kind}" if family == "bart" else ""
    page = open_page(f"/?model={folder_of(family)}&text={quote_plus(text)}&layer=1&head=1{more}")
    choose(page, "Tokens", "Unit", "words")
    expect_view(page, "unit=words", "1 1")
    expect_numbers(page, att.words(), 1, 1)
    choose(page, "Tokens", "First token (sink)", "hide")
    tick(page, "Tokens", "Renormalise rows")
    expect_view(page, "unit=words&sink=hide&renormalise=True", "1 1")
    expect_numbers(page, att.words().hide(first=True, renormalise=True), 1, 1)
    # Must not happen: the first query of another text is hidden with the first key.
    assert any(query == 0 for query, *_ in shown_pairs(page)) == (kind == "cross")


@pytest.mark.parametrize("names", [list(HOSTILE)], ids=["all"])
def test_links_to_views_that_there_are_not(open_page, names: list[str]):
    asked = "&".join(f"{name}={quote_plus(HOSTILE[name], safe='%')}" for name in names)
    page = open_page(f"/?text={quote_plus(SHORT)}&layer=3&head=1&{asked}")
    for name in names:
        expect(page.get_by_text(f"The link's {name} is ignored")).to_be_visible()
    works(page)


def works(page: Page) -> None:
    expect_view(page, "", "3 1")
    choose(page, "Tokens", "Unit", "words")
    expect_view(page, "unit=words", "3 1")
    assert "unbelievably" in tokens(page)
    assert page.evaluate("window.pwned") is None
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_link_with_very_many_heads(open_page):
    # More than a server takes in one address, but not more than a page can write in its own.
    page = open_page(f"/?text={quote_plus(SHORT)}&layer=3&head=1")
    many = ",".join(f"{number % 7}.{number % 13}" for number in range(25_000))
    assert len(many) > 90_000
    page.evaluate(
        """(many) => {
            history.pushState({}, "", `${location.pathname}${location.search}&heads=${many}&combine=mean`);
            window.dispatchEvent(new PopStateEvent("popstate"));
        }""",
        many,
    )
    wait_until_drawn(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    choose(page, "Tokens", "Unit", "words")
    expect(page.locator(".instrument")).to_have_attribute("data-view", "unit=words")


def test_what_a_view_lacks_is_left_out_everywhere(open_page, minilm: models.Model):
    words = minilm.trace(SHORT)["encoder"].words()
    # The text has 21 pieces, but 15 words: the region and the token are in the pieces alone.
    page = open_page(f"/?text={quote_plus(SHORT)}&layer=3&head=1&unit=words&region=10-18:0-3&token=query:17")
    expect_view(page, "unit=words", "3 1")
    expect(page.locator(".heatmap")).to_have_attribute("data-region", "10 14 0 3")
    choose_export(page, "Weights of the chosen head", "CSV")
    _, data = download(page, "Download weights of layer 3, head 1 as CSV")
    table = read_csv(data)
    assert len(table) == 5 * 4
    weights = words.weights(3, 1)[table["query"].to_numpy(), table["key"].to_numpy()]
    assert list(table["weight"]) == pytest.approx(list(weights), abs=1e-5)
    expect(page.get_by_test_id("stException")).to_have_count(0)
