"""Nothing in a text, a token, a link or a model's name is executed or rendered as markup.

The payloads would show it: they set `window.pwned`, or ask a server on this machine for a picture.
"""

import socket
import threading

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.e2e_models import PAYLOADS, WORDS
from tests.helpers.settled import eventually
from tests.helpers.visitor import (
    cell_position,
    expect_focus,
    graph,
    graph_keys,
    inspect_text,
    strip_token,
    tokens,
    wait_until_drawn,
)

pytestmark = pytest.mark.e2e


@pytest.fixture
def trap():
    """A port that the payloads call; returns the list of who did."""
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        ended = threading.Event()

        def listen():
            while not ended.is_set():
                try:
                    calls.append(server.accept())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], calls
        ended.set()
        thread.join()


def nothing_happened(page: Page) -> None:
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None
    assert page.locator("b, i, a[href*='javascript']").filter(has_text="bold").count() == 0
    assert page.locator("img[src='x'], img[src*='pwned']").count() == 0
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_tokens_that_are_markup_are_text(open_page, markup_bert):
    page = open_page(f"/?model={markup_bert}&layer=1&head=2&text=the+cat")
    inspect_text(page, " ".join(PAYLOADS))
    expect(strip_token(page, 4)).to_have_text(PAYLOADS[3])
    wait_until_drawn(page)
    nothing_happened(page)
    # They are there, to the letter: in the strip, in the lines of words, in the pairs and in the ranking.
    assert [text.rstrip("…") for text in tokens(page)[1:-1]] == [text[:23] for text in PAYLOADS]
    page.mouse.move(*cell_position(page, query=4, key=5))
    expect(page.locator(".heatmap-status")).to_contain_text("<b>bold</b> (4) attends to $x$ (5)")
    page.mouse.move(5, 5)
    for _ in range(5):
        graph_keys(page).press("ArrowDown")
    expect_focus(page, 4, None)
    expect(page.locator(".graph-status")).to_contain_text("<b>bold</b> (4)")
    strip_token(page, 4).click()
    strip_token(page, 6).click()
    expect(page.locator(".ranking-title")).to_have_text(f"Heads for '{PAYLOADS[3]}' → '{PAYLOADS[5]}'")
    expect(page.locator(".pairs-query").first).to_have_text(PAYLOADS[3])
    page.get_by_role("button", name="Plotly").click()
    page.wait_for_selector(".heatmap-plotly .heatmaplayer image", timeout=60_000)
    drawn = page.locator(".js-plotly-plot .yaxislayer-above text, .js-plotly-plot .yaxislayer-below text")
    labels = [text.strip() for text in drawn.all_text_contents()]
    for piece in ("<b>bold</b>", "$x$", "_a_", "&lt;i&gt;", "=1+1"):
        assert piece in labels
    nothing_happened(page)


def test_scripts_beyond_latin_reach_the_axis(open_page, markup_bert):
    page = open_page(f"/?model={markup_bert}&text=the+cat")
    inspect_text(page, " ".join(WORDS[6:]))
    expect(strip_token(page, 1)).to_have_text(WORDS[6])
    assert tokens(page)[1:-1] == list(WORDS[6:])
    nothing_happened(page)


TEXTS = (
    "<img src=x onerror=window.pwned=1><script>window.pwned=1</script>",
    "</textarea></script><svg onload=window.pwned=1>",
    "**bold** _a_ `code` [x](javascript:window.pwned=1) :smile: :red[x] ![p](PLACE/pwned.png)",
    "$\\frac{1}{2}$ \\textbf{x} $$x$$",
    "nul \x00 bell \x07 escape \x1b[31m zero\u200dwidth\u200b \u202eright to left\u202c \ufeff",
)


def test_hostile_text_is_a_picture_or_a_sentence(open_page, trap):
    port, calls = trap
    page = open_page()
    for text in TEXTS:
        before = tokens(page)
        inspect_text(page, text.replace("PLACE", f"http://127.0.0.1:{port}"))
        wait_until_drawn(page)
        eventually(page, lambda before=before: tokens(page) != before)
        expect(graph(page)).not_to_have_attribute("data-lines", "0")
        nothing_happened(page)
        assert calls == []


def test_hostile_links(open_page, trap):
    port, calls = trap
    payload = f"%3Cimg%20src%3Dx%20onerror%3Dwindow.pwned%3D1%3E![p](http://127.0.0.1:{port}/pwned.png)"
    for name in ("model", "revision", "kind", "layer", "scale"):
        page = open_page(f"/?{name}={payload}")
        expect(page.get_by_test_id("stAlert").first).to_be_visible()
        nothing_happened(page)
    assert calls == []
