"""The main job, as a visitor does it: paste a sentence, see all heads and the pictures of one, share what is found."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.settled import follow_runs, still
from tests.helpers.traffic import Traffic
from tests.helpers.visitor import (
    PHONE,
    choose_example,
    expect_focus,
    expect_head,
    expect_locked,
    graph,
    graph_keys,
    heads_keys,
    inspect_text,
    select_box,
    strip_token,
    text_box,
    tokens,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)
from ui.panels.examples import OF_MINILM

pytestmark = pytest.mark.e2e
PICTURES = (".strip", ".heads-canvas", ".heatmap-picture", ".part-graph canvas")


def is_in_view(page: Page, part: str) -> bool:
    """Whether a part is on the screen, without scrolling and without anything above it."""
    return page.locator(part).evaluate(
        """(part) => { const { left, top, right, bottom } = part.getBoundingClientRect();
        const shown = (x, y) => { const found = document.elementFromPoint(x, y);
            return found !== null && (part.contains(found) || found.contains(part)); };
        return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight
            && shown(left + 3, top + 3) && shown(right - 3, bottom - 3); }"""
    )


def test_opens_already_inspected(open_page):
    traffic = Traffic()
    page = open_page(prepare=traffic.install)
    expect(text_box(page)).to_have_value("The cat sat on the mat because it was tired.")
    expect(page.get_by_role("button", name="Model: sentence-transformers/all-MiniLM-L6-v2")).to_contain_text(
        "6 layers × 12 heads"
    )
    assert "because" in tokens(page)
    # The first text is an example: it opens at a head that shows its point, with the pair.
    expect_head(page, 3, 1)
    expect_locked(page, 8, 2)
    expect(
        page.get_by_text("In this head, 'it' gives 'cat' 0.49; the other tokens give it 0.13 on average.")
    ).to_be_visible()
    expect(page.get_by_text("Click a head. Hover over a word.")).to_be_visible()
    # Must not happen: a message about an error, a traceback, Plotly, or a request for what the message had.
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    assert traffic.requests == []
    assert [name for name in traffic.scripts if "plotly" in name] == []
    assert sum(traffic.received) < 500_000
    assert len(traffic.sent) <= 2
    # The first screen has the pictures, on a smaller screen all but the graph.
    for width, height, n_visible in ((1400, 1000, 4), (1280, 720, 3)):
        page.set_viewport_size({"width": width, "height": height})
        still(page)
        for part in PICTURES[:n_visible]:
            assert is_in_view(page, part), (part, width)
        # Must not happen: a page that is wider than the window.
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_phone_shows_everything_in_order(open_page):
    page = open_page("/", viewport=PHONE)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        still(page)
        tops = []
        for part in (*PICTURES, ".ranking", ".figures", ".part-pairs"):
            box = page.locator(part).bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= PHONE["width"], part
            tops.append(box["y"])
        assert tops == sorted(tops)
        # The controls fold away, and unfold.
        expect(select_box(page, "Layer")).to_be_hidden()
        page.get_by_text("Controls", exact=True).click()
        expect(select_box(page, "Layer")).to_be_visible()
        # Must not happen: a page that is wider than the window. Streamlit scrolls the main part, not the document.
        for scrolled in ("html", "[data-testid=stMain]"):
            assert page.locator(scrolled).evaluate("part => part.scrollWidth") <= PHONE["width"]
        page.get_by_text("Controls", exact=True).click()


def test_touch_locks_a_token(app, browser):
    traffic = Traffic()
    with browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        follow_runs(page)
        traffic.install(page)
        page.goto(f"{app}/?layer=3&head=1")
        wait_until_drawn(page)
        traffic.clear()
        strip_token(page, 8).tap()
        expect_locked(page, 8, None)
        expect(page).to_have_url(url_with("token=query%3A8"))
        strip_token(page, 2).tap()
        expect_locked(page, 8, 2)
        expect_focus(page, 8, 2)
        strip_token(page, 8).tap()
        strip_token(page, 2).tap()
        expect_locked(page, None, None)
        # Must not happen: a request, or a message for every tap.
        assert traffic.requests == []
        wait_until_idle(page)
        assert len(traffic.sent) <= 4


def test_texts_of_ones_own(open_page):
    page = open_page()
    alert = page.get_by_test_id("stAlert")
    inspect_text(page, "   ")
    expect(alert).to_contain_text("There is nothing to inspect")
    expect(page.get_by_test_id("stException")).to_have_count(0)
    inspect_text(page, "Ada wrote the first program.")
    expect(page).to_have_url(url_with("Ada+wrote"))
    wait_until_drawn(page)
    assert tokens(page)[1:4] == ["ada", "wrote", "the"]
    expect(graph(page)).not_to_have_attribute("data-lines", "0")
    expect_head(page, 3, 1)
    # Must not happen: the position of "cat" is locked in this text, or a sentence about a token of the link.
    expect_locked(page, None, None)
    expect(alert).to_have_count(0)

    page.locator(".instrument").evaluate("(root) => { root.sameAsBefore = true; }")
    inspect_text(page, "今天天气很好 and the cat sat")
    expect(alert).to_contain_text("tokens are [UNK]")
    wait_until_drawn(page)
    # Must not happen: a sentence above the instrument makes Streamlit draw it anew.
    assert page.locator(".instrument").evaluate("(root) => root.sameAsBefore === true")
    inspect_text(page, "the cat sat on the mat and " * 100)
    expect(alert).to_contain_text("The first 256 of 702 tokens are shown")
    expect(page.get_by_text("too long for a link")).to_be_visible()


def test_every_example_opens_at_its_head_with_its_pair(open_page):
    traffic = Traffic()
    page = open_page("/?text=Birds+sing&layer=0&head=0", prepare=traffic.install)
    for example in (*OF_MINILM[1:], OF_MINILM[0]):
        traffic.clear()
        choose_example(page, example.name)
        expect(text_box(page)).to_have_value(example.text)
        expect_head(page, example.layer, example.head)
        expect_locked(page, example.query, example.key)
        said = page.locator(".ranking-sentence")
        query, key = (tokens(page)[position] for position in (example.query, example.key))
        says = rf"'{query}'[ ()\d]* gives '{key}'[ ()\d]* 0\.\d\d; the other tokens give it 0\.\d\d on average\."
        expect(said).to_have_text(re.compile(says))
        expect(page).to_have_url(url_with(f"layer={example.layer}&head={example.head}&token=query%3A{example.query}"))
        # Must not happen: a report of what the server chose itself, or a request for what its message had.
        wait_until_idle(page)
        assert len(traffic.sent) == 1, example.name
        assert traffic.requests == []


def test_a_new_text_keeps_head_token_and_region_of_the_same_tokens(open_page):
    page = open_page("/?text=The+cat+sat+there&layer=2&head=9&token=query:2&region=1-2:0-2")
    region = page.locator(".heatmap")
    expect(region).to_have_attribute("data-region", "1 2 0 2")
    inspect_text(page, "The cat ran home")
    expect(page).to_have_url(url_with("ran+home"))
    wait_until_drawn(page)
    expect_head(page, 2, 9)
    expect_locked(page, 2, None)
    expect(region).to_have_attribute("data-region", "1 2 0 2")
    inspect_text(page, "The dog ran home")
    expect(page).to_have_url(url_with("The+dog"))
    wait_until_drawn(page)
    expect_head(page, 2, 9)
    # Must not happen: another token is locked in place of "cat", or a region of other tokens, or a link with either.
    expect_locked(page, None, None)
    expect(region).to_have_attribute("data-region", "0 5 0 5")
    expect(page).not_to_have_url(url_with("token="))
    expect(page).not_to_have_url(url_with("region="))


def test_the_link_restores_the_view(open_page):
    page = open_page("/?text=Birds+sing+at+dawn&layer=2&head=7&threshold=0.2&palette=viridis&scale=root")
    assert tokens(page) == ["[CLS]", "birds", "sing", "at", "dawn", "[SEP]"]
    expect_head(page, 2, 7)
    expect(page.locator(".graph-status")).to_contain_text("Lines from 0.20 up")
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    inspect_text(page, "Birds sing at night")
    expect(page).to_have_url(url_with("night"))
    wait_until_drawn(page)
    again = open_page(page.url[page.url.index("/?") :])
    assert "night" in tokens(again)
    expect_head(again, 2, 7)
    expect(again.locator(".graph-status")).to_contain_text("Lines from 0.20 up")
    # Must not happen: a lock of the first example.
    expect_locked(again, None, None)


def test_bad_parameters_are_ignored_with_a_notice(open_page):
    page = open_page("/?layer=-3&head=99&palette=%3Cscript%3E&threshold=nan&other=1")
    alerts = page.get_by_test_id("stAlert")
    expect(alerts.filter(has_text="The link's layer is ignored")).to_be_visible()
    expect(alerts.filter(has_text="The link's palette is ignored")).to_be_visible()
    expect(alerts.filter(has_text="The link's threshold is ignored")).to_be_visible()
    expect(alerts.filter(has_text="There is no layer 5, head 99")).to_be_visible()
    expect_head(page, 5, 11)
    # Must not happen: what was ignored stays in the link.
    expect(page).not_to_have_url(url_with("head=99"))


def test_the_model_is_described_and_an_unknown_one_is_one_sentence(open_page):
    page = open_page()
    page.get_by_role("button", name="Model:").click()
    described = page.get_by_test_id("stPopoverBody").get_by_text("22.7 M parameters")
    expect(described).to_contain_text("sha256:53aa51172d14")
    expect(described).to_contain_text("cpu")
    box = page.get_by_role("textbox", name="Model: bundled name, hub id, or folder")
    box.fill("no/such-model![x](http://127.0.0.1:9/a.png)")
    box.press("Enter")
    wait_until_idle(page)
    # Beside the name, where the open popover hides nothing of it.
    expect(page.get_by_test_id("stPopoverBody").get_by_test_id("stAlert")).to_contain_text("No model is called")
    expect(box).to_have_value("no/such-model![x](http://127.0.0.1:9/a.png)")
    expect(page.get_by_text("6 layers × 12 heads")).to_be_visible()
    expect(page.locator("img[src*='127.0.0.1:9']")).to_have_count(0)
    expect_head(page, 3, 1)


def test_an_encoder_decoder_shows_three_kinds(open_page, tiny_bart):
    page = open_page(f"/?model={tiny_bart}&text=she+likes+coffee&target=the+cat+sat&kind=cross&layer=2&head=1")
    assert len(tokens(page)) == 5
    expect(page.locator(".strip-tokens")).to_have_count(2)
    expect(graph_keys(page)).to_have_attribute("aria-label", re.compile("cross attention"))
    expect(page.locator(".figures-entry", has_text="Previous token")).to_contain_text("–")
    expect(page.get_by_role("button", name="Model:")).to_contain_text(
        "encoder 2 layers × 5 heads, decoder 3 layers × 3 heads, cross 3 layers × 3 heads"
    )
    page.get_by_role("radio", name="encoder").or_(page.get_by_role("button", name="encoder", exact=True)).first.click()
    expect(graph_keys(page)).to_have_attribute("aria-label", re.compile("encoder attention"))
    # Must not happen: the tokens of the other kind stay.
    expect(page.locator(".strip-tokens")).to_have_count(1)
    assert "likes" in tokens(page)


def test_the_pictures_follow_the_theme_while_the_page_is_open(open_page):
    traffic = Traffic()
    page = open_page("/?layer=2&head=9&token=query:8", prepare=traffic.install)
    masked = "() => document.querySelector('.strip-token').style.backgroundColor"
    light = page.evaluate(masked)
    heads_keys(page).press("ArrowLeft")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"(light) => ({masked})() !== light", arg=light)
    wait_until_idle(page)
    page.emulate_media(color_scheme="light")
    page.wait_for_function("() => matchMedia('(prefers-color-scheme: light)').matches")
    wait_until_idle(page)
    # Must not happen: the head and the token that were chosen are taken back.
    expect_head(page, 2, 8)
    expect_locked(page, 8, None)
    assert traffic.requests == []
