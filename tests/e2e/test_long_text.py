"""Texts of hundreds and thousands of tokens: block maxima, any window of them exactly, and little on the wire."""

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.e2e_models import WORDS
from tests.helpers.settled import answered
from tests.helpers.traffic import MOST_FOR_A_REPORT, Traffic
from tests.helpers.visitor import (
    MessageGate,
    cell_position,
    expect_focus,
    expect_head,
    expect_locked,
    graph,
    graph_keys,
    heads_keys,
    heatmap,
    inspect_text,
    select_box,
    text_box,
    url_with,
    wait_until_drawn,
)

pytestmark = pytest.mark.e2e
# Bytes of the message of a trace with the thumbnails of all heads.
MOST_WITH_ALL_HEADS = 1_400_000


def long_text(n_tokens: int) -> str:
    """A text that both the bundled encoder and the long one read as so many tokens, their own two included."""
    words = WORDS[:6]
    return " ".join(words[number * number % 7 % 6] for number in range(n_tokens - 2))


def expect_region(page: Page, *region: int) -> None:
    """The heatmap shows first and last query, first and last key."""
    expect(page.locator(".heatmap")).to_have_attribute("data-region", " ".join(map(str, region)))


def inspect_long_text(page: Page, n_tokens: int) -> None:
    inspect_text(page, long_text(n_tokens))
    expect(page.locator(".heatmap")).to_have_attribute(
        "data-region", f"0 {n_tokens - 1} 0 {n_tokens - 1}", timeout=60_000
    )
    wait_until_drawn(page)


@pytest.mark.parametrize("n_tokens", [512, 2100])
def test_a_head_switch_asks_for_one_tile(open_page, whole_minilm, long_bert, n_tokens):
    traffic = Traffic()
    model = whole_minilm if n_tokens == 512 else long_bert
    page = open_page(f"/?layer=1&head=0&threshold=0&model={model}", prepare=traffic.install)
    traffic.clear()
    inspect_long_text(page, n_tokens)
    assert 10_000 < sum(traffic.received) < MOST_WITH_ALL_HEADS
    answered(page)  # the tiles of the heads around it have come
    traffic.clear()
    heads_keys(page).press("ArrowRight")
    expect_head(page, 1, 1)
    answered(page)
    whole = f"0-{n_tokens - 1}:0-{n_tokens - 1}"
    tiles = [path for path in traffic.requests if path.startswith("tile/")]
    # Must not happen: a tile that the browser has is asked for again, or the server sends the trace once more.
    assert f"tile/1/1/{whole}" not in tiles
    assert len(tiles) == len(set(tiles))
    assert sum(traffic.received) < MOST_FOR_A_REPORT
    assert len(traffic.sent) == 1


def test_a_head_that_is_chosen_while_maps_arrive_is_kept(open_page, long_bert):
    gate = MessageGate()
    page = open_page(f"/?layer=1&head=0&model={long_bert}", prepare=gate.install)
    box = text_box(page)
    box.fill(long_text(7000))
    box.press("Control+Enter")
    # A run that takes long on this machine is asked for first.
    start = page.get_by_role("button", name="Start", exact=True)
    drawn = page.locator('.heatmap[data-region="0 6999 0 6999"]')
    expect(start.or_(drawn).first).to_be_visible(timeout=60_000)
    if start.is_visible():
        start.click()
    expect(drawn).to_be_visible(timeout=120_000)
    # The maps come by requests of the browser, while the server's own messages wait.
    gate.close()
    select_box(page, "Head").select_option("1")
    expect(page.locator(".heads")).to_have_attribute("data-drawn", "1,1")
    expect(page.locator(".heads")).to_have_attribute("data-done", "4", timeout=120_000)
    expect_head(page, 1, 1)
    gate.wait_for_answers()
    gate.open()
    # Must not happen: the maps or the server's answer take the head back.
    expect_head(page, 1, 1)
    expect(page).to_have_url(url_with("layer=1&head=1"))


def test_a_box_opens_a_part_pair_by_pair(open_page, whole_minilm):
    traffic = Traffic()
    page = open_page(f"/?layer=0&head=2&model={whole_minilm}", prepare=traffic.install)
    inspect_long_text(page, 512)
    expect(page.locator(".heatmap")).to_have_attribute("data-block", "4 4")
    page.mouse.move(*cell_position(page, query=101, key=97))
    expect(page.locator(".heatmap-status")).to_contain_text("Queries 100 to 103, keys 96 to 99: at most 0.")
    heatmap(page).drag((100, 90), (160, 150))
    expect(page.get_by_role("button", name="Whole head")).to_be_visible()
    opened = [int(edge) for edge in heatmap(page).numbers("region")]
    # A pixel is more than a token: the edges are those under the pointer, to within a block.
    assert opened == pytest.approx([100, 160, 90, 150], abs=4)
    expect(page.locator(".heatmap")).to_have_attribute("data-block", "1 1")
    name = "-".join(map(str, opened[:2])) + "%3A" + "-".join(map(str, opened[2:]))
    expect(page).to_have_url(url_with(f"region={name}"))
    # Layer 0, head 2 looks at the previous token.
    page.mouse.move(*cell_position(page, query=121, key=120))
    expect(page.locator(".heatmap-status")).to_contain_text("(121) attends to")
    page.mouse.move(5, 5)
    # The graph and the table follow.
    expect(page.locator(".graph-status")).to_contain_text(f"ueries {opened[0]} to {opened[1]}")
    graph_keys(page).press("ArrowDown")
    expect_focus(page, opened[0], None)
    page.get_by_role("button", name="Whole head").click()
    expect_region(page, 0, 511, 0, 511)
    expect(page).not_to_have_url(url_with("region="))
    # Must not happen: the end of the box locks a pair.
    expect_locked(page, None, None)


def test_the_same_by_keyboard_alone(open_page, whole_minilm):
    page = open_page(f"/?layer=0&head=2&model={whole_minilm}")
    inspect_long_text(page, 300)
    page.get_by_text("Region", exact=True).press("Enter")
    for label, number in (("First query", 40), ("Last query", 69), ("First key", 200), ("Last key", 299)):
        box = page.get_by_label(label, exact=True)
        box.fill(str(number))
        box.press("Tab")
    expect_region(page, 40, 69, 200, 299)
    page.get_by_role("button", name="Whole head").press("Enter")
    # Must not happen: the region stays.
    expect_region(page, 0, 299, 0, 299)


def test_a_link_opens_the_region(open_page):
    text = "+".join(long_text(200).split())
    page = open_page(f"/?text={text}&region=150-199:10-20&token=query:160")
    expect_region(page, 150, 199, 10, 20)
    expect_locked(page, 160, None)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_the_graph_moves_to_the_token_that_is_locked(open_page, whole_minilm):
    text = "+".join(long_text(300).split()) + f"&model={whole_minilm}"
    page = open_page(f"/?text={text}")
    expect(page.locator(".graph-caption")).to_contain_text("The graph shows queries 0 to 127")
    page = open_page(f"/?text={text}&token=query:250")
    expect(graph(page)).to_have_attribute("data-focus", "query:250")
    graph_keys(page).press("ArrowDown")
    expect_focus(page, 251, None)
    # Must not happen: the strip shows tokens that the graph does not.
    expect(page.locator('.strip-token[data-position="250"]')).to_be_visible()
