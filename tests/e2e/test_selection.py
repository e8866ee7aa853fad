"""One selection in all pictures: heads, tokens, pairs, regions and looks, without the server until a pause."""

import re

import pytest
from playwright.sync_api import expect

from tests.helpers.settled import next_frame
from tests.helpers.visitor import (
    cell_position,
    expect_focus,
    expect_head,
    expect_locked,
    graph,
    graph_keys,
    head_position,
    heads_keys,
    heatmap,
    select_box,
    strip_token,
    token_position,
    url_with,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e


def test_clicks_keys_and_select_boxes_choose_a_head_in_all_pictures(visit):
    page, traffic = visit()
    # Layer 0, head 2 is the head of MiniLM that looks at the previous token.
    heads_keys(page).hover(position=head_position(page, 0, 2))
    expect(page.locator(".heads-name")).to_contain_text("Layer 0, head 2")
    wait_until_idle(page)
    # Must not happen: a hover that talks to the server.
    assert traffic.silent, traffic
    heads_keys(page).click(position=head_position(page, 0, 2))
    expect_head(page, 0, 2)
    expect(page.locator(".figures-entry", has_text="Previous token")).to_contain_text("100.0%")
    expect(page).to_have_url(url_with("layer=0&head=2"))
    traffic.expect_one_report()

    traffic.clear()
    heads_keys(page).focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown"):  # within the 300 ms that the browser waits
        page.keyboard.press(key)
    expect_head(page, 2, 4)
    expect(page).to_have_url(url_with("layer=2&head=4"))
    # Must not happen: a message for each head that was passed.
    traffic.expect_one_report()

    traffic.clear()
    select_box(page, "Layer").select_option("3")
    expect_head(page, 3, 4)
    select_box(page, "Head").select_option("1")
    expect_head(page, 3, 1)
    wait_until_idle(page)
    # Must not happen: a request, or more messages than changes.
    assert traffic.requests == []
    assert 1 <= len(traffic.sent) <= 2


def test_a_hover_in_one_picture_shows_in_all(visit):
    page, traffic = visit()
    # "it" (8) attends to "cat" (2) with 0.4915 in layer 3, head 1.
    page.mouse.move(*cell_position(page, query=8, key=2))
    expect_focus(page, 8, 2)
    expect(page.locator(".heatmap-status")).to_have_text("it (8) attends to cat (2): 0.4915")
    expect(page.locator(".graph-status")).to_contain_text("it (8) attends to cat (2): 0.492")
    expect(page.get_by_role("heading", name="All heads: weight of 'it' → 'cat'")).to_be_visible()
    strip_token(page, 6).hover()
    expect_focus(page, 6, None)
    page.mouse.move(*token_position(page, "key", 2))
    expect_focus(page, None, 2)
    page.mouse.move(*token_position(page, "query", 4))
    expect_focus(page, 4, None)
    page.locator(".pairs-query").first.hover()
    expect(page.locator(".pairs-chosen")).to_have_count(1)
    expect(page.locator(".part-strip")).not_to_have_attribute("data-focus", "4:")
    page.mouse.move(5, 5)
    expect_focus(page, None, None)
    wait_until_idle(page)
    # Must not happen: a hover that locks something, or talks to the server.
    expect_locked(page, None, None)
    assert traffic.silent, traffic


def test_a_lock_stays_until_it_is_released_and_keys_pass_over_tokens(visit):
    page, traffic = visit()
    page.mouse.click(*token_position(page, "query", 8))
    page.mouse.move(5, 5)
    expect_locked(page, 8, None)
    expect_focus(page, 8, None)
    expect(page).to_have_url(url_with("token=query%3A8"))
    traffic.expect_one_report()
    heads_keys(page).press("ArrowLeft")
    expect_head(page, 3, 0)
    expect_locked(page, 8, None)
    # A second click releases, in whatever picture.
    strip_token(page, 8).click()
    expect_locked(page, None, None)
    strip_token(page, 8).click()
    expect_locked(page, 8, None)
    graph_keys(page).press("Escape")
    expect_locked(page, None, None)
    strip_token(page, 4).click()
    page.get_by_role("button", name="Release", exact=True).click()
    expect_locked(page, None, None)
    # Must not happen: a link that names what was released.
    expect(page).not_to_have_url(url_with("token="))

    wait_until_idle(page)
    traffic.clear()
    keys = graph_keys(page)
    keys.press("ArrowDown")
    expect_focus(page, 0, None)
    keys.press("ArrowDown")
    keys.press("Enter")
    expect_locked(page, 1, None)
    keys.press("ArrowDown")
    expect_focus(page, 2, None)
    # What the keys pass is let go when they leave.
    keys.press("Tab")
    expect_focus(page, 1, None)
    expect_locked(page, 1, None)
    wait_until_idle(page)
    # Must not happen: a message for a token that the keys pass.
    assert len(traffic.sent) == 1
    assert traffic.requests == []


def test_two_locked_tokens_rank_heads_and_a_row_of_pairs_locks_both(visit):
    page, traffic = visit()
    strip_token(page, 8).click()
    expect(page.get_by_role("heading", name="Heads in which 'it' attends to few")).to_be_visible()
    strip_token(page, 2).click()
    expect_locked(page, 8, 2)
    expect(page.get_by_role("heading", name="Heads for 'it' → 'cat'")).to_be_visible()
    expect(page.locator(".heads")).to_have_attribute("data-pair", "8 2")
    rows = page.locator(".ranking-row")
    expect(rows.first).to_have_text("layer 5, head 11: 0.71, 1.1 times the others")
    page.get_by_role("button", name="By ratio").click()
    expect(rows.first).to_have_text("layer 4, head 11: 0.06, 7.4 times the others")
    page.get_by_role("button", name="By weight").click()
    rows.filter(has_text="layer 5, head 4").click()
    expect_head(page, 5, 4)
    expect_locked(page, 8, 2)
    expect(page).to_have_url(url_with("layer=5&head=4&token=query%3A8&partner=key%3A2"))
    # A row of pairs locks its pair, and releases it.
    page.get_by_role("button", name="Release", exact=True).click()
    expect_locked(page, None, None)
    next_frame(page)
    page.locator(".pairs-button").nth(3).click()
    expect(page.locator(".heatmap")).to_have_attribute("data-locked", re.compile(r"^\d+ \d+$"))
    page.locator(".pairs-locked .pairs-button").click()
    # Must not happen: the second click leaves one of the tokens locked.
    expect_locked(page, None, None)
    # Must not happen: a request, since the browser has all weights.
    assert traffic.requests == []


def test_threshold_palette_and_scale_change_without_the_server(visit):
    page, traffic = visit("/?layer=5&head=11")
    before = int(graph(page).get_attribute("data-lines"))
    page.get_by_text("Look", exact=True).click()
    page.locator(".toolbar-range").fill("0.5")
    expect(page.locator(".graph-status")).to_contain_text("Lines from 0.50 up hold")
    assert 0 < int(graph(page).get_attribute("data-lines")) < before
    page.locator(".toolbar-range").fill("0")
    expect(graph(page)).to_have_attribute("data-lines", str(13 * 13))
    expect(page.locator(".graph-status")).to_contain_text("hold 100% of the attention")
    expect(page).to_have_url(url_with("threshold=0"))
    wait_until_idle(page)
    # Must not happen: a request for another picture.
    assert traffic.requests == []
    traffic.clear()
    # The panel would cover the tokens.
    page.keyboard.press("Escape")
    expect(select_box(page, "Colours")).to_be_hidden()
    strip_token(page, 8).click()
    expect_locked(page, 8, None)
    cat = strip_token(page, 2)
    colour = "(token) => token.style.backgroundColor"
    next_frame(page)
    blue = cat.evaluate(colour)
    page.get_by_text("Look", exact=True).click()
    select_box(page, "Colours").select_option("viridis")
    expect(page).to_have_url(url_with("palette=viridis"))
    next_frame(page)
    green = cat.evaluate(colour)
    select_box(page, "Scale").select_option("root")
    expect(page).to_have_url(url_with("scale=root"))
    expect(page.locator(".heatmap-scale")).to_have_accessible_name(re.compile("^Colours of the weight, square root: "))
    next_frame(page)
    assert len({blue, green, cat.evaluate(colour)}) == 3
    wait_until_idle(page)
    # Must not happen: a request, or more messages than changes.
    assert traffic.requests == []
    assert len(traffic.sent) <= 3


def test_a_box_and_numbers_open_a_region(visit):
    page, traffic = visit("/?layer=3&head=1&token=query:8")
    heatmap(page).drag((7, 1), (9, 6))
    expect(page.locator(".heatmap")).to_have_attribute("data-region", "7 9 1 6")
    expect(page.locator(".graph-status")).to_contain_text("it (8)")
    expect(page.get_by_role("heading", name="Strongest pairs")).to_be_attached()
    expect(page).to_have_url(url_with("region=7-9%3A1-6"))
    page.get_by_text("Region", exact=True).click()
    box = page.get_by_label("Last query", exact=True)
    box.fill("10")
    box.press("Tab")
    expect(page.locator(".heatmap")).to_have_attribute("data-region", "7 10 1 6")
    page.get_by_role("button", name="Whole head").click()
    expect(page.locator(".heatmap")).to_have_attribute("data-region", "0 12 0 12")
    expect(page).not_to_have_url(url_with("region="))
    # Must not happen: the end of the box locks a pair.
    expect_locked(page, 8, None)
    assert traffic.requests == []


def test_plotly_comes_only_when_it_is_wanted(visit):
    page, traffic = visit(cold=True)
    assert page.evaluate("window.Plotly === undefined")
    page.get_by_role("button", name="Plotly").click()
    page.wait_for_selector(".heatmap-plotly .js-plotly-plot .heatmaplayer image", timeout=60_000)
    assert sum("plotly" in name for name in traffic.scripts) == 1
    assert traffic.requests == ["plotly/3/1"]
    title = "(plot) => plot._fullLayout.title.text"
    assert "Layer 3, head 1" in page.locator(".js-plotly-plot").evaluate(title)
    # It follows the selection.
    heads_keys(page).press("ArrowRight")
    page.wait_for_function(f"() => ({title})(document.querySelector('.js-plotly-plot')).includes('head 2')")
    page.get_by_role("button", name="Plotly").click()
    expect(page.locator(".heatmap-picture")).to_be_visible()
    traffic.clear()
    heads_keys(page).press("ArrowRight")
    expect_head(page, 3, 3)
    wait_until_idle(page)
    # Must not happen: a figure that nobody sees is asked for.
    assert traffic.requests == []


def test_repeated_tokens_are_told_apart_in_words(visit):
    page, traffic = visit("/?layer=5&head=10&token=key:2&threshold=0")
    expect(page.locator(".graph-status")).to_contain_text("cat (2) (locked) is attended to by")
    expect(page.locator(".graph-status")).to_contain_text("the (5) 0.")
    # Must not happen: a request for the words.
    assert traffic.silent, traffic
