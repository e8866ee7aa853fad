"""Exported HTML files, opened from disk in the real browser: they draw, they answer, and they ask nobody."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

import models
import viz
from benchmarks.shapes import text_of
from tests.helpers.draw import INSTRUMENTS
from tests.helpers.hand_made import HOSTILE, attention, causal_attention, random_weights, tokens
from tests.helpers.visitor import token_position
from viz import DrawOptions
from viz.colours import masked, table
from viz.wire.instrument import PARTS

pytestmark = pytest.mark.e2e
PAYLOAD = "<img src=x onerror=alert(1)>"[:24]


class Opened:
    """A page with everything that it asked for, complained of, or popped up."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.troubles: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda line: self.troubles.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("dialog", lambda dialog: (self.troubles.append(dialog.message), dialog.dismiss()))


@pytest.fixture
def open_file(new_file_page: Callable[..., Page], tmp_path: Path) -> Iterator[Callable[[viz.Export], Opened]]:
    """Write an export, open it, and check at the end that it neither asked nor complained."""
    opened: list[Opened] = []

    def open_it(made: viz.Export) -> Opened:
        path = tmp_path / "figure.html"
        path.write_bytes(made.data)
        seen = Opened(new_file_page({"width": 1100, "height": 800}))
        opened.append(seen)
        seen.page.goto(path.as_uri())
        return seen

    yield open_it
    for seen in opened:
        outside = [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))]
        assert outside == []
        assert seen.troubles == []


@pytest.fixture(scope="module")
def cat(minilm: models.Model) -> models.Attention:
    return minilm.trace("The cat sat on the mat because it was tired.")["encoder"]


def ink(page: Page, selector: str) -> int:
    """How many different colours a canvas shows."""
    script = """canvas => new Set(new Uint32Array(
        canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""
    return page.eval_on_selector(selector, script)


# The weights of all heads, as the pictures read them, with the bytes as text.
WEIGHTS = """() => {
    const { trace } = document.getElementById("picture").headlightPicture;
    const bytes = new Uint8Array(Float32Array.from(trace.weights).buffer);
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return [[trace.nLayers, trace.nHeads, trace.queries.length, trace.keys.length], btoa(text)];
}"""


@pytest.mark.parametrize("figure", INSTRUMENTS)
def test_a_file_is_the_whole_instrument_and_opens_on_what_is_chosen(
    figure: str, cat: models.Attention, open_file: Callable[[viz.Export], Opened]
) -> None:
    options = DrawOptions(threshold=0.2, palette="viridis", scale="root")
    made = viz.export(cat, figure, "html", layer=4, head=10, token="query:8", region="1-11:0-12", options=options)
    page = open_file(made).page
    page.wait_for_selector('.instrument[data-drawn="4 10 exact"]')
    assert page.locator(".instrument").get_attribute("data-parts") == " ".join(PARTS)
    assert page.get_by_label("Layer", exact=True).input_value() == "4"
    assert page.get_by_label("Head", exact=True).input_value() == "10"
    page.wait_for_selector('.part-graph[data-focus="query:8"]')
    page.locator(".toolbar-look summary", has_text="Look").click()
    assert page.get_by_label("Colours", exact=True).input_value() == "viridis"
    assert page.get_by_label("Scale", exact=True).input_value() == "root"
    assert page.locator(".toolbar-value").inner_text() == "0.20"
    # Everything that is linked works without a server: heads are ranked, figures are there.
    assert page.locator(".ranking-row").count() > 3
    assert "…" not in page.locator(".figures").inner_text()


def shown_weights(page: Page) -> np.ndarray:
    """Return the weights of all heads, as the pictures read them: [layers, heads, queries, keys]."""
    shape, text = page.evaluate(WEIGHTS)
    return np.frombuffer(base64.b64decode(text), np.float32).reshape(shape)


@pytest.mark.parametrize("n_tokens", [13, 128])
def test_every_weight_in_the_browser_is_right(
    n_tokens: int, minilm: models.Model, open_file: Callable[[viz.Export], Opened]
) -> None:
    att = minilm.trace(text_of(n_tokens))["encoder"]
    page = open_file(viz.export(att, "view", "html", layer=3, head=1)).page
    page.wait_for_selector('.instrument[data-drawn="3 1 exact"]')
    found = shown_weights(page)
    assert found.shape == (6, 12, n_tokens, n_tokens)
    for layer in range(6):
        np.testing.assert_allclose(found[layer], att.layer(layer), rtol=0, atol=1e-4)


def test_masked_weights_and_those_that_are_not_numbers_arrive(open_file: Callable[[viz.Export], Opened]) -> None:
    weights = random_weights(2, 3, 7, 7)
    weights[1, 2, 5, 3] = np.nan
    att = attention(weights, causal=True)
    page = open_file(viz.export(att, "view", "html", layer=1, head=2)).page
    page.wait_for_selector('.instrument[data-drawn="1 2 exact"]')
    found = shown_weights(page)
    assert found.shape == (2, 3, 7, 7)
    np.testing.assert_array_equal(found == -1, np.broadcast_to(np.triu(np.ones((7, 7)), 1) == 1, found.shape))
    assert np.argwhere(np.isnan(found)).tolist() == [[1, 2, 5, 3]]


def test_a_long_text_says_which_weights_are_not_there(open_file: Callable[[viz.Export], Opened]) -> None:
    att = causal_attention(300)
    page = open_file(viz.export(att, "heatmap", "html", layer=0, head=1)).page
    page.wait_for_selector('.instrument[data-drawn="0 1 exact"]')
    assert "exact weights of layer 0, head 1 alone" in page.locator(".note").inner_text()
    page.get_by_label("Head", exact=True).select_option("0")
    page.wait_for_selector('.instrument[data-drawn="0 0 thumbnail"]')
    expect(page.locator(".graph-status")).not_to_contain_text("…")
    # A head whose weights are there again is exact again.
    page.get_by_label("Head", exact=True).select_option("1")
    page.wait_for_selector('.instrument[data-drawn="0 1 exact"]')


def test_copy_as_python_works_in_a_file(cat: models.Attention, open_file: Callable[[viz.Export], Opened]) -> None:
    page = open_file(viz.export(cat, "view", "html", layer=4, head=10)).page
    page.wait_for_selector('.instrument[data-drawn="4 10 exact"]')
    page.evaluate("navigator.clipboard.writeText = (text) => Promise.resolve(void (window.copied = text))")
    page.get_by_role("button", name="Copy as Python").click()
    copied = page.evaluate("window.copied")
    assert 'load_model("minilm")' in copied
    assert "viz.heatmap(att, layer=4, head=10)" in copied
    assert not page.get_by_role("button", name="Copy link").is_visible()


def test_a_flow_isolates_the_token_under_the_pointer(
    cat: models.Attention, open_file: Callable[[viz.Export], Opened]
) -> None:
    page = open_file(viz.export(cat, "flow", "html", layer=0, head=2)).page
    page.wait_for_selector(".part-graph[data-drawn]")
    assert ink(page, ".part-graph canvas") > 20
    before = page.locator(".graph-status").inner_text()
    assert "hold" in before
    page.mouse.move(*token_position(page, "query", 8))
    page.wait_for_selector('.part-graph[data-focus="query:8"]')
    said = page.locator(".graph-status").inner_text()
    assert "it (8) attends to because" in said
    # Must not happen: a hover that locks.
    page.mouse.move(1, 1)
    page.wait_for_selector('.part-graph[data-focus=""]')
    assert page.locator(".graph-status").inner_text() == before


def test_a_grid_draws_every_head_and_names_it_and_its_axes(
    cat: models.Attention, open_file: Callable[[viz.Export], Opened]
) -> None:
    page = open_file(viz.export(cat, "grid", "html", layer=5, head=11)).page
    page.wait_for_selector('.heads[data-drawn="5,11"]')
    assert page.locator(".heads-name").inner_text() == "Layer 5, head 11 is selected"
    # Colours; "head" stands left of the heads' numbers, "layer" left of the layers'.
    script = """canvas => {
        const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const shades = (right, bottom) => new Set([...data.keys()].filter((byte) => byte % 4 === 3
            && (byte >> 2) % width < right && (byte >> 2) / width < bottom).map((byte) => data[byte])).size;
        return [new Set(new Uint32Array(data.buffer)).size, shades(40, 20), shades(18, 1e9)];
    }"""
    colours, *words = page.eval_on_selector(".heads-canvas", script)
    assert colours > 50
    assert min(words) > 5
    page.locator(".heads-canvas").focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator(".heads-name")).to_have_text("Layer 4, head 11 is selected")


def test_a_grid_shows_its_scale_and_what_is_masked(open_file: Callable[[viz.Export], Opened]) -> None:
    att = attention(random_weights(2, 3, 7, 7), causal=True)
    page = open_file(viz.export(att, "grid", "html", layer=0, head=0, options=DrawOptions(scale="root"))).page
    page.wait_for_selector('.heads[data-drawn="0,0"]')
    script = """canvas => {
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height), found = {};
        for (let place = 0; place < pixels.data.length; place += 4) {
            const colour = [...pixels.data.slice(place, place + 3)].join(" ");
            (found[colour] ??= []).push(Math.floor(place / 4 / canvas.width));
        }
        for (const colour in found) found[colour] = [found[colour].length, found[colour].at(-1)];
        return found;
    }"""
    found = page.eval_on_selector(".heads-canvas", script)
    _, top, _, pitch = map(float, page.locator(".heads").get_attribute("data-place").split())
    last_map = top + 2 * pitch
    grey, lowest = found[" ".join(str(int(masked("blues")[1][place : place + 2], 16)) for place in (1, 3, 5))]
    # 21 of 49 cells of 6 maps, and no grey in the scale.
    assert grey == pytest.approx(6 * 21 / 49 * (pitch - 5) ** 2, rel=0.05)
    assert lowest < last_map
    # The scale below the maps goes to the darkest of the palette.
    assert found[" ".join(map(str, table("blues")[255]))][1] > last_map + 5
    assert page.locator(".heads-name").inner_text() == "Layer 0, head 0 is selected; grey: masked"


@pytest.mark.parametrize("figure", INSTRUMENTS)
def test_hostile_tokens_are_shown_and_not_run(figure: str, open_file: Callable[[viz.Export], Opened]) -> None:
    texts = (*HOSTILE, PAYLOAD)
    n = len(texts)
    att = attention(random_weights(1, 1, n, n), tokens(*texts), text=PAYLOAD)
    page = open_file(viz.export(att, figure, "html", layer=0, head=0)).page
    page.wait_for_selector(".heads[data-drawn]")
    # What tokens are called is text: an element of theirs would be among those of the strip or the pairs.
    assert page.locator("img, .part-strip :is(b, s, i), .part-pairs :is(b, s, i)").count() == 0
    texts_shown = page.locator(".strip-token").all_inner_texts()
    assert [" ".join(text.split()) for text in texts_shown] == [" ".join(text.split()) for text in texts]
    origin = page.evaluate("JSON.parse(document.getElementById('headlight-provenance').textContent)")
    assert origin["source"]["text"] == PAYLOAD


def test_the_interactive_flow_of_a_notebook_shows_tokens_literally(tmp_path: Path, browser: Browser) -> None:
    # `viz.flow` is a Plotly figure too; its labels go through Plotly's own markup reader.
    figure = viz.flow(attention(np.eye(len(HOSTILE)), tokens(*HOSTILE)), 0, 0)
    path = tmp_path / "flow.html"
    figure.write_html(path, include_plotlyjs=True, include_mathjax=False)
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(".textpoint text")
    assert page.locator(".textpoint text").all_text_contents() == [*HOSTILE, *HOSTILE]
    page.close()


def test_the_policy_stops_a_request_that_the_page_would_make(
    cat: models.Attention, browser: Browser, tmp_path: Path
) -> None:
    # That nothing was asked above proves little unless asking would have been seen and stopped.
    path = tmp_path / "grid.html"
    path.write_bytes(viz.export(cat, "grid", "html").data)
    page = browser.new_page()
    seen = Opened(page)
    page.goto(path.as_uri())
    answer = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', error => String(error))")
    assert "TypeError" in answer
    assert any("Content Security Policy" in line for line in seen.troubles), json.dumps(seen.troubles)
    page.close()
