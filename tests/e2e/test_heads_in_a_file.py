"""All heads, the ranking and the toolbar in a real browser: linked, by pointer and by keyboard, without a server."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import models
from tests.helpers.hand_made import attention, random_weights
from tests.helpers.instrument_file import write_instrument
from viz.head_maps import HeadMaps

pytestmark = pytest.mark.e2e
Opens = Callable[..., Page]


@pytest.fixture
def open_instrument(new_file_page: Callable[..., Page], tmp_path: Path) -> Opens:
    def open_it(att: models.Attention, selection: str, width: int = 420, **given: object) -> Page:
        page = new_file_page()
        page.goto(write_instrument(tmp_path / "file.html", att, selection, **given))
        page.add_style_tag(content=f".part-heads {{ width: {width}px }}")
        page.wait_for_selector(".heads[data-drawn]")
        # The instrument looks at its size again when the page changes; the style has changed one part alone.
        page.evaluate("() => new Promise((done) => { document.body.dataset.styled = ''; setTimeout(done, 100); })")
        page.wait_for_function("(width) => document.querySelector('.heads-canvas').clientWidth <= width", arg=width)
        return page

    return open_it


@pytest.fixture(scope="module")
def cat(minilm: models.Model) -> models.Attention:
    return minilm.trace("The cat sat on the mat because it was tired.")["encoder"]


def at(page: Page, layer: int, head: int) -> tuple[float, float]:
    left, top, pitch, pitch_y = map(float, page.locator(".heads").get_attribute("data-place").split())
    box = page.locator(".heads-canvas").bounding_box()
    return box["x"] + left + (head + 0.5) * pitch, box["y"] + top + (layer + 0.5) * pitch_y


def shows(page: Page, **data: str) -> None:
    for name, value in data.items():
        page.wait_for_function(
            "([name, value]) => document.querySelector('.heads').dataset[name] === value", arg=[name, value]
        )


def test_a_click_an_arrow_key_and_a_select_box_choose_a_head(cat: models.Attention, open_instrument: Opens) -> None:
    page = open_instrument(cat, "layer=3&head=1")
    page.mouse.move(*at(page, 4, 10))
    shows(page, enlarged="4,10", drawn="3,1")
    assert page.locator(".heads-name").inner_text() == "Layer 4, head 10"
    page.mouse.click(*at(page, 4, 10))
    shows(page, drawn="4,10")
    assert [page.get_by_label(name, exact=True).input_value() for name in ("Layer", "Head")] == ["4", "10"]
    page.keyboard.press("ArrowUp")
    shows(page, drawn="3,10", enlarged="3,10")
    page.get_by_label("Head", exact=True).focus()
    page.get_by_label("Head", exact=True).select_option("2")
    shows(page, drawn="3,2", enlarged="")
    # Must not happen: a choice of a head locks or releases a token.
    assert page.get_by_role("button", name="Release").is_disabled()


def test_a_pair_is_shown_and_ranked_in_every_head(cat: models.Attention, open_instrument: Opens) -> None:
    page = open_instrument(cat, "layer=3&head=1&token=query:8&partner=key:2")
    shows(page, pair="8 2")
    assert page.locator(".heads-title").inner_text() == "All heads: weight of 'it' → 'cat'"
    weights, others = cat.weights(3, 1)[:, 2], [query for query in range(13) if query != 8]
    said = page.locator(".ranking-sentence").inner_text()
    assert said == (
        f"In this head, 'it' gives 'cat' {weights[8]:.2f}; "
        f"the other tokens give it {weights[others].mean():.2f} on average."
    )
    best = max(((layer, head) for layer in range(6) for head in range(12)), key=lambda at: cat.weights(*at)[8, 2])
    first = page.locator(".ranking-row").first
    assert first.inner_text().startswith(f"layer {best[0]}, head {best[1]}: {cat.weights(*best)[8, 2]:.2f}, ")
    first.hover()
    shows(page, enlarged=f"{best[0]},{best[1]}", drawn="3,1")
    first.click()
    shows(page, drawn=f"{best[0]},{best[1]}")
    page.get_by_role("button", name="By ratio").click()
    expect(page.locator(".ranking-note")).to_contain_text("below 0.05 are left out")
    page.keyboard.press("Escape")
    shows(page, pair="")
    expect(page.locator(".ranking-row")).to_have_count(0)


def test_every_head_is_in_the_table_and_a_button_opens_it(cat: models.Attention, open_instrument: Opens) -> None:
    page = open_instrument(cat, "layer=3&head=1")
    assert page.locator(".heads-table tbody tr").count() == 0
    page.locator(".heads-summary").click()
    page.wait_for_selector(".heads-table tbody tr")
    expect(page.locator(".heads-table tbody tr")).to_have_count(72)
    page.locator(".heads-table").get_by_role("button", name="Layer 5, head 11").click()
    shows(page, drawn="5,11")
    assert page.locator(".heads-table tr[aria-current]").inner_text().strip().startswith("Layer 5, head 11")


@pytest.mark.parametrize(("layers", "heads"), [(30, 9), (48, 25), (1, 1)])
def test_any_number_of_heads_fits_and_the_selected_one_is_outlined(
    layers: int, heads: int, open_instrument: Opens
) -> None:
    att = attention(random_weights(1, heads, 67, 67))
    att._layers = att._layers * layers
    page = open_instrument(att, f"layer={layers - 1}&head=0", maps=HeadMaps.empty(att).fill(att))
    box = page.locator(".heads-canvas").bounding_box()
    assert box["height"] <= 461
    assert box["width"] <= 420
    x, y = at(page, layers - 1, 0)
    outline = """([x, y]) => {
        const canvas = document.querySelector(".heads-canvas"), box = canvas.getBoundingClientRect();
        const reach = Number(document.querySelector(".heads").dataset.place.split(" ")[2]);
        const image = canvas.getContext("2d").getImageData(
            x - box.left - reach, y - box.top - reach, 2 * reach, 2 * reach);
        return new Uint32Array(image.data.buffer).filter((colour) => colour === 0xff2e57e4).length;
    }"""
    assert page.evaluate(outline, [x, y]) >= 8


def test_dialog_and_copy(cat: models.Attention, open_instrument: Opens) -> None:
    page = open_instrument(cat, "layer=3&head=1&token=query:8")
    page.get_by_role("button", name="What attention does not tell you").click()
    expect(page.get_by_role("dialog").locator("li")).to_have_count(5)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    # Must not happen: the key that closes the dialog releases the token.
    assert page.get_by_role("button", name="Release").is_enabled()
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    page.get_by_role("button", name="Copy as Python").click()
    expect(page.locator(".toolbar-field:visible")).to_have_value(re.compile('token="query:8"'))
    assert "viz.flow" in page.evaluate("getSelection().toString()")
    assert not page.get_by_role("button", name="Copy link").is_visible()
