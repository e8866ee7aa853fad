"""Texts of hundreds and thousands of tokens: block maxima, any window of them exactly, and little on the wire."""

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.e2e_models import WORDS
from tests.helpers.visitor import (
    MessageGate,
    cell_position,
    flow,
    inspect_text,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e
# What one view may send, in bytes; all heads may send more, once.
MOST_FOR_A_VIEW, MOST_WITH_ALL_HEADS = 400_000, 1_400_000


def long_text(n_tokens: int) -> str:
    """A text that both the bundled encoder and the long one read as so many tokens, their own two included."""
    words = WORDS[:6]
    return " ".join(words[number * number % 7 % 6] for number in range(n_tokens - 2))


def layout(page: Page) -> dict:
    return page.locator(".js-plotly-plot").evaluate(
        """(plot) => ({ x: plot._fullLayout.xaxis.range, y: plot._fullLayout.yaxis.range,
        title: plot._fullLayout.title.text, rows: plot._fullData[0].z.length }) """
    )


def window(page: Page) -> list[float]:
    """First and last query, first and last key of what the heatmap shows."""
    found = layout(page)
    return [found["y"][1] + 0.5, found["y"][0] - 0.5, found["x"][0] + 0.5, found["x"][1] - 0.5]


@pytest.mark.parametrize("n_tokens", [512, 2100])
def test_a_head_switch_sends_little(open_page, long_bert, n_tokens):
    received: list[int] = []

    def count(payload: str | bytes) -> None:
        received.append(len(payload.encode() if isinstance(payload, str) else payload))

    def prepare(page: Page) -> None:
        page.on("websocket", lambda socket: socket.on("framereceived", count))

    model = "" if n_tokens == 512 else f"&model={long_bert}"
    page = open_page(f"/?layer=1&head=0&threshold=0{model}", prepare=prepare)
    inspect_text(page, long_text(n_tokens))
    wait_until_drawn(page)
    assert 10_000 < sum(received) < MOST_WITH_ALL_HEADS
    received.clear()
    page.locator(".grid-canvas").press("ArrowRight")
    expect(page.get_by_role("heading", name="Token to token: layer 1, head 1")).to_be_visible()
    wait_until_idle(page)
    assert layout(page)["title"].count("Layer 1, head 1") == 1
    # Threshold 0: every line of the flow's window. Measured: 282 kB at 512 tokens, 265 kB at 2,100.
    assert 10_000 < sum(received) < MOST_FOR_A_VIEW


def test_a_pick_while_the_last_maps_arrive_is_kept(open_page, long_bert):
    gate = MessageGate()
    page = open_page(f"/?layer=1&head=0&model={long_bert}", prepare=gate.install)
    box = page.get_by_role("textbox", name="Text to inspect")
    box.fill(long_text(7000))
    box.press("Control+Enter")
    # A run that takes long on this machine is asked for first.
    start, grows = page.get_by_role("button", name="Start"), page.get_by_text("Looking at all heads")
    expect(start.or_(grows).first).to_be_visible(timeout=60_000)
    if start.is_visible():
        start.click()
    # The grid grows by layers; when it is complete, the part of the page that grew is gone.
    expect(grows).to_be_visible(timeout=120_000)
    gate.close()
    n_waiting = 0
    while any(b"Looking at all heads" in message for message in gate.waiting[n_waiting:]) or not n_waiting:
        n_waiting = len(gate.waiting)
        page.wait_for_timeout(4000)  # the growing part looks every 1.5 seconds
    page.get_by_role("application", name="layers so far").press("ArrowRight")
    page.wait_for_timeout(1000)
    gate.open()
    expect(page.get_by_role("heading", name="Token to token: layer 1, head 1")).to_be_visible()
    wait_until_idle(page)
    expect(page.locator(".grid")).to_have_attribute("data-selected", "1,1")


def test_a_box_opens_a_part_pair_by_pair(open_page):
    page = open_page("/?layer=0&head=2")
    inspect_text(page, long_text(512))
    wait_until_drawn(page)
    assert "each cell is the largest weight of 4 x 4 pairs" in layout(page)["title"]
    assert window(page) == [0, 511, 0, 511]
    page.mouse.move(*cell_position(page, query=101, key=97))
    expect(page.locator(".hoverlayer .hovertext")).to_contain_text("largest weight 0.")
    expect(page.locator(".hoverlayer .hovertext")).to_contain_text("(100 to 103)")
    start, end = cell_position(page, query=100, key=90), cell_position(page, query=160, key=150)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=5)
    page.mouse.up()
    expect(page.get_by_role("button", name="Whole head")).to_be_visible()
    wait_until_idle(page)
    opened = window(page)
    # A pixel is more than a token: the edges are those under the pointer, to within one.
    assert opened == pytest.approx([100, 160, 90, 150], abs=2)
    assert layout(page)["rows"] == opened[1] - opened[0] + 1
    name = "-".join(f"{edge:.0f}" for edge in opened[:2]) + ":" + "-".join(f"{edge:.0f}" for edge in opened[2:])
    expect(page).to_have_url(url_with(f"region={name.replace(':', '%3A')}"))
    # Layer 0, head 2 looks at the previous token.
    page.mouse.move(*cell_position(page, query=121, key=120))
    expect(page.locator(".hoverlayer .hovertext")).to_contain_text("(121) attends to")
    # The flow and the table follow.
    expect(page.locator(".flow-status")).to_contain_text(f"Queries {opened[0]:.0f} to {opened[1]:.0f}, keys")
    expect(page.get_by_role("heading", name=f"Strongest pairs of queries {opened[0]:.0f}")).to_be_visible()
    page.locator(".flow-scroll").press("ArrowDown")
    expect(flow(page)).to_have_attribute("data-focus", f"query:{opened[0]:.0f}")
    page.get_by_role("button", name="Whole head").click()
    wait_until_idle(page)
    assert window(page) == [0, 511, 0, 511]
    expect(page).not_to_have_url(url_with("region="))


def test_the_same_by_keyboard_alone(open_page):
    page = open_page("/?layer=0&head=2")
    inspect_text(page, long_text(300))
    wait_until_drawn(page)
    page.get_by_role("button", name="Region").press("Enter")
    for label, number in (("First query", 40), ("Last query", 69), ("First key", 200), ("Last key", 299)):
        box = page.get_by_label(label, exact=True)
        box.fill(str(number))
        box.press("Tab")
    page.get_by_role("button", name="Open region").press("Enter")
    wait_until_idle(page)
    assert window(page) == [40, 69, 200, 299]
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Whole head").press("Enter")
    wait_until_idle(page)
    assert window(page) == [0, 299, 0, 299]


def test_a_link_opens_the_region(open_page):
    text = "+".join(long_text(200).split())
    page = open_page(f"/?text={text}&region=150-199:10-20&token=query:160")
    assert window(page) == [150, 199, 10, 20]
    expect(flow(page)).to_have_attribute("data-focus", "query:160")
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_a_flow_moves_to_the_token_that_is_isolated(open_page):
    text = "+".join(long_text(300).split())
    page = open_page(f"/?text={text}")
    expect(page.locator(".flow-status")).to_contain_text("Queries 0 to 127, keys 0 to 127")
    expect(page.get_by_text("The flow shows queries 0 to 127")).to_be_visible()
    page = open_page(f"/?text={text}&token=query:250")
    expect(flow(page)).to_have_attribute("data-focus", "query:250")
    page.locator(".flow-scroll").press("ArrowDown")
    expect(flow(page)).to_have_attribute("data-focus", "query:251")
