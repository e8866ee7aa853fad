"""Words, hidden tokens and several heads on the page: few requests, the numbers of Python, and the same in exports."""

from urllib.parse import quote_plus

import pytest
from playwright.sync_api import expect

import models
from tests.helpers.settled import answered, eventually
from tests.helpers.shown_view import LONG, SHORT, HeldAnswers, choose, expect_numbers, expect_view, tick
from tests.helpers.visitor import (
    expect_head,
    heads_keys,
    inspect_text,
    strip_token,
    text_box,
    tokens,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e


def address(text: str, more: str = "layer=3&head=1") -> str:
    return f"/?text={quote_plus(text)}&{more}"


@pytest.fixture(scope="module")
def short(minilm: models.Model) -> models.Attention:
    return minilm.trace(SHORT)["encoder"]


@pytest.fixture(scope="module")
def long(minilm: models.Model) -> models.Attention:
    att = minilm.trace(LONG)["encoder"]
    assert att.n_query > 128
    assert 64 < att.words().n_query <= 128
    return att


def test_words_of_a_short_text_need_no_server(visit, short):
    page, traffic = visit(address(SHORT))
    choose(page, "Tokens", "Unit", "words")
    expect_view(page, "unit=words", "3 1")
    expect(page).to_have_url(url_with("unit=words"))
    traffic.expect_one_report()
    words = short.words()
    assert tokens(page) == [token.text for token in words.query_tokens]
    expect_numbers(page, words, 3, 1)
    page.reload()
    wait_until_drawn(page)
    expect_view(page, "unit=words", "3 1")
    expect_numbers(page, words, 3, 1)
    # Must not happen: the pieces.
    assert "##" not in page.locator(".part-strip").inner_text()


def test_back_returns_to_the_words(visit, short):
    page, _ = visit(address(SHORT))
    choose(page, "Tokens", "Unit", "words")
    expect(page).to_have_url(url_with("unit=words"))
    wait_until_idle(page)
    inspect_text(page, "The overtired cat slept.")
    wait_until_drawn(page)
    # Another text is shown as words, too.
    expect_view(page, "unit=words", "3 1")
    assert "overtired" in tokens(page)
    page.go_back()
    expect(strip_token(page, 6)).to_have_text("unbelievably")
    wait_until_drawn(page)
    expect(text_box(page)).to_have_value(SHORT)
    expect_view(page, "unit=words", "3 1")
    assert tokens(page) == [token.text for token in short.words().query_tokens]
    expect_numbers(page, short.words(), 3, 1)


def test_views_of_a_long_text_come_from_the_server(visit, long):
    page, traffic = visit(address(LONG))
    answered(page)
    traffic.clear()
    for control, value, query, view in (
        ("Unit", "words", "unit=words", long.words()),
        ("Special tokens", "hide", "unit=words&special=hide", long.words().hide(special=True)),
        (
            "First token (sink)",
            "hide",
            "unit=words&special=hide&sink=hide",
            long.words().hide(special=True, first=True),
        ),
    ):
        choose(page, "Tokens", control, value)
        expect_view(page, query, "3 1")
        expect_numbers(page, view, 3, 1)
        answered(page)
        # Must not happen: a tile of the pieces or of the view before, or the same one twice.
        assert set(traffic.views) == {query}
        assert traffic.requests[0] == "view"
        last = view.n_query - 1
        assert f"tile/3/1/0-{last}:0-{last}" in traffic.requests
        once = [path for path in traffic.requests if not path.startswith("maps/")]
        assert len(once) == len(set(once))
        traffic.clear()
    tick(page, "Tokens", "Renormalise rows")
    expect_view(page, "unit=words&special=hide&sink=hide&renormalise=True", "3 1")
    renormalised = long.words().hide(special=True, first=True, renormalise=True)
    expect_numbers(page, renormalised, 3, 1)
    page.keyboard.press("Escape")
    answered(page)
    traffic.clear()
    # The neighbours' tiles have come: another head requests only its neighbours.
    heads_keys(page).press("ArrowRight")
    expect_head(page, 3, 2)
    expect_numbers(page, renormalised, 3, 2)
    answered(page)
    assert set(traffic.views) <= {"unit=words&special=hide&sink=hide&renormalise=True"}
    assert f"tile/3/2/0-{renormalised.n_query - 1}:0-{renormalised.n_query - 1}" not in traffic.requests


def test_late_answers_of_an_older_view_change_nothing(visit, long):
    page, _ = visit(address(LONG))
    answered(page)
    words, hidden = HeldAnswers("unit=words"), HeldAnswers("sink=hide")
    words.install(page)
    choose(page, "Tokens", "Unit", "words")
    expect(page.locator(".toolbar-view")).to_contain_text("The server computes this view.")
    # The last picture stays until the view is there.
    expect(page.locator(".instrument")).to_have_attribute("data-view", "")
    eventually(page, lambda: words.n_held)
    assert words.n_held == 1
    choose(page, "Tokens", "Unit", "pieces")
    choose(page, "Tokens", "Special tokens", "hide")
    expect_view(page, "special=hide", "3 1")
    expected = long.hide(special=True)
    expect_numbers(page, expected, 3, 1)
    with page.expect_response("**unit=words**"):
        words.release()
    answered(page)
    # Must not happen: the words that were asked for first.
    expect_view(page, "special=hide", "3 1")
    expect_numbers(page, expected, 3, 1)
    assert tokens(page)[1] == expected.query_tokens[1].text
    expect(page).to_have_url(url_with("special=hide"))
    assert "unit=" not in page.url
    # Tiles that are late belong to their own view as well.
    page.unroute_all()
    hidden.install(page)
    choose(page, "Tokens", "First token (sink)", "hide")
    eventually(page, lambda: hidden.n_held)
    choose(page, "Tokens", "First token (sink)", "show")
    with page.expect_response("**sink=hide**"):
        hidden.release()
    answered(page)
    expect_view(page, "special=hide", "3 1")
    expect_numbers(page, expected, 3, 1)
