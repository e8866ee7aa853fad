"""The instrument's heatmap in a plain file: what a pointer, the keyboard and late tiles do, without a server."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from plotly.offline import get_plotlyjs

import viz
from analysis.selection import Region
from models import Attention, Model
from tests.helpers.hand_made import attention, causal_attention, random_weights, tokens
from tests.helpers.heatmap_page import Heatmap, Server
from tests.helpers.instrument_file import write_instrument
from viz.head_maps import HeadMaps
from viz.wire.packing import pack_chart
from viz.wire.tiles import make_tile, pack_tile

pytestmark = pytest.mark.e2e
# Counts what a frame draws: cells are images, labels are texts.
COUNT = """() => {
    window.drawn = { drawImage: 0, fillText: 0 };
    for (const name of ["drawImage", "fillText"]) {
        const draw = CanvasRenderingContext2D.prototype[name];
        CanvasRenderingContext2D.prototype[name] = function (...given) {
            window.drawn[name]++;
            return draw.apply(this, given);
        };
    }
}"""


@pytest.fixture
def open_heatmap(new_file_page: Callable[..., Page], tmp_path: Path) -> Iterator[Any]:
    """Open the heatmap of an attention; at the end no page has complained."""
    troubles: list[str] = []

    def open_it(att: Attention, selection: str = "layer=0&head=0", **options: object) -> Heatmap:
        page = new_file_page({"width": 500, "height": 800})
        page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
        page.goto(write_instrument(tmp_path / "i.html", att, selection, parts=["heatmap", "figures"], **options))
        page.wait_for_selector(".heatmap[data-box]")
        return Heatmap(page)

    yield open_it
    assert troubles == []


@pytest.fixture
def small() -> Attention:
    names = tokens("[CLS]", "the", "cat", "<b>", "sat", "猫", "it", special=[0])
    return attention(random_weights(2, 3, 7, 7, seed=3), names)


def test_the_line_says_the_weight_of_the_pair_under_the_pointer(open_heatmap: Any, minilm: Model) -> None:
    att = minilm.trace("The cat sat on the mat because it was tired.")["encoder"]
    heatmap = open_heatmap(att, "layer=3&head=1")
    weights, names = att.weights(3, 1), [token.text for token in att.query_tokens]
    for query, key in ((8, 2), (0, 12), (12, 0), (6, 6)):
        heatmap.hover(query, key)
        said = f"{names[query]} ({query}) attends to {names[key]} ({key}): {weights[query, key]:.4f}"
        assert heatmap.status() == said
        assert heatmap.fact("focus") == f"{query} {key}"
        assert heatmap.fact("locked") == " "
    heatmap.page.mouse.move(2, 2)
    assert heatmap.status() == ""


def test_a_click_locks_a_pair_or_a_token_and_a_second_one_releases_it(open_heatmap: Any, small: Attention) -> None:
    heatmap = open_heatmap(small)
    heatmap.click(4, 2)
    assert heatmap.fact("locked") == "4 2"
    heatmap.page.mouse.move(2, 2)
    assert heatmap.status().startswith("sat (4) attends to cat (2): ")
    heatmap.click(4, 2)
    assert heatmap.fact("locked") == " "
    heatmap.click(3, -1)
    assert heatmap.fact("locked") == "3 "
    heatmap.click(7, 5)
    assert heatmap.fact("locked") == "3 5"
    heatmap.click(3, -1)
    assert heatmap.fact("locked") == " 5"
    assert heatmap.fact("region") == "0 6 0 6"


def test_a_box_opens_a_region_and_its_release_locks_nothing(open_heatmap: Any, small: Attention) -> None:
    heatmap = open_heatmap(small, "layer=1&head=2&token=query:6&partner=key:3")
    heatmap.drag((1, 2), (4, 5))
    assert heatmap.fact("region") == "1 4 2 5"
    assert heatmap.fact("locked") == " 3"
    heatmap.hover(4, 3)
    assert heatmap.status() == f"sat (4) attends to <b> (3): {small.weights(1, 2)[4, 3]:.4f}"
    heatmap.page.get_by_text("Region", exact=True).click()
    heatmap.page.get_by_label("Last query").fill("5")
    heatmap.page.keyboard.press("Tab")
    assert heatmap.fact("region") == "1 5 2 5"
    heatmap.page.keyboard.press("Escape")
    expect(heatmap.page.get_by_label("Last query")).to_be_hidden()
    assert heatmap.fact("locked") == " 3", "Escape closed the fields only"
    heatmap.page.get_by_role("button", name="Whole head").click()
    assert heatmap.fact("region") == "0 6 0 6"


def test_a_small_movement_is_a_click(open_heatmap: Any, small: Attention) -> None:
    heatmap = open_heatmap(small)
    x, y = heatmap.point(2, 2)
    heatmap.page.mouse.move(x, y)
    heatmap.page.mouse.down()
    heatmap.page.mouse.move(x + 3, y)
    heatmap.page.mouse.up()
    assert heatmap.fact("locked") == "2 2"
    assert heatmap.fact("region") == "0 6 0 6"


def test_the_keyboard_moves_locks_and_releases(open_heatmap: Any, small: Attention) -> None:
    heatmap = open_heatmap(small)
    heatmap.page.locator(".heatmap-picture").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown"):
        heatmap.page.keyboard.press(key)
    assert heatmap.status() == f"<b> (3) attends to the (1): {small.weights(0, 0)[3, 1]:.4f}"
    heatmap.page.keyboard.press("Enter")
    assert heatmap.fact("locked") == "3 1"
    heatmap.page.keyboard.press("End")
    assert heatmap.fact("focus") == "3 6"
    assert heatmap.fact("locked") == "3 1"
    heatmap.page.keyboard.press("Escape")
    assert heatmap.fact("locked") == " "


def test_a_finger_locks_and_scrolls(browser: Browser, tmp_path: Path, small: Attention) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(write_instrument(tmp_path / "i.html", small, "layer=0&head=0"))
    page.wait_for_selector(".heatmap[data-box]")
    heatmap = Heatmap(page)
    page.locator(".heatmap-picture").scroll_into_view_if_needed()
    page.touchscreen.tap(*heatmap.point(4, 2))
    assert heatmap.fact("locked") == "4 2"
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()


def test_a_hover_draws_neither_cells_nor_labels_anew(open_heatmap: Any) -> None:
    att = causal_attention(128)
    tile = make_tile(att, 0, 1, Region.whole(att))
    heatmap = open_heatmap(att, "layer=0&head=1", maps=HeadMaps.empty(att).fill(att), tiles=[tile])
    heatmap.page.evaluate(COUNT)
    for query in range(100, 110):
        heatmap.hover(query, query - 60)
        assert heatmap.status() == f"t{query} ({query}) attends to t{query - 60} ({query - 60}): " + (
            f"{att.weights(0, 1)[query, query - 60]:.4f}"
        )
    drawn = heatmap.page.evaluate("window.drawn")
    assert drawn["drawImage"] == 0
    assert drawn["fillText"] <= 20, "only the labels of the pair"


def picture(heatmap: Heatmap) -> str:
    return heatmap.page.eval_on_selector(".heatmap-cells", "canvas => canvas.toDataURL()")


def test_a_thumbnail_stands_where_the_tile_will_be(open_heatmap: Any) -> None:
    att = causal_attention(100)
    tile = make_tile(att, 0, 0, Region.whole(att))
    options = {"maps": HeadMaps.empty(att).fill(att), "tiles": [tile], "trace": "name"}
    heatmap = open_heatmap(att, "layer=0&head=0", **options)
    detail = b'{"measures": [1.5, null, 0.25, 0.25, 0.25, 0.25, 0.25], "pairs": []}'
    answers = {f"tile/0/{head}/0-99:0-99": pack_tile(make_tile(att, 0, head, Region.whole(att))) for head in (0, 1)}
    server = Server(heatmap, {**answers, "detail/0/0": detail, "detail/0/1": detail})
    box, height = heatmap.fact("box"), heatmap.root.bounding_box()
    exact = picture(heatmap)
    server.choose(head=1)
    assert heatmap.fact("cells") == "thumbnail"
    assert heatmap.fact("box") == box
    rough = picture(heatmap)
    assert rough != exact
    heatmap.hover(99, 5)
    assert heatmap.status() == "t99 (99) attends to t5 (5): …"
    assert heatmap.page.locator(".figures-value").all_inner_texts() == ["…"] * 7
    server.answer()
    heatmap.page.wait_for_selector('.heatmap[data-cells="tile"]')
    assert heatmap.status() == f"t99 (99) attends to t5 (5): {att.weights(0, 1)[99, 5]:.4f}"
    assert heatmap.fact("box") == box
    assert heatmap.root.bounding_box() == height
    assert picture(heatmap) not in (rough, exact)
    assert heatmap.page.locator(".figures-value").all_inner_texts()[:3] == ["1.50 bits", "–", "25.0%"]


def test_a_pooled_head_says_so_and_opens_pair_by_pair(open_heatmap: Any) -> None:
    att = causal_attention(300)
    tile = make_tile(att, 0, 1, Region.whole(att))
    part = make_tile(att, 0, 1, Region.parse("150-179:30-62"))
    heatmap = open_heatmap(att, "layer=0&head=1", maps=HeadMaps.empty(att).fill(att), tiles=[tile, part])
    assert heatmap.root.locator(".heatmap-notes").inner_text() == (
        "Each cell is the largest weight of 3 x 3 pairs. "
        "Draw a box over the cells, or click one, to open a part pair by pair."
    )
    heatmap.hover(151, 31)
    most = att.weights(0, 1)[150:153, 30:33].max()
    assert heatmap.status() == f"Queries 150 to 152, keys 30 to 32: at most {most:.4f}"
    assert heatmap.fact("focus") == " ", "a block is no pair"
    heatmap.drag((151, 31), (178, 61))
    assert heatmap.fact("region") == "150 179 30 62"
    assert heatmap.fact("cells") == "tile"
    heatmap.hover(170, 40)
    assert heatmap.status() == f"t170 (170) attends to t40 (40): {att.weights(0, 1)[170, 40]:.4f}"


def test_plotly_follows_the_selection_and_the_old_figure_stays_until_the_new_one_is_there(
    open_heatmap: Any, small: Attention
) -> None:
    heatmap = open_heatmap(small, trace="name")
    page = heatmap.page
    assert not page.get_by_role("button", name="Plotly").is_visible(), "a file has nobody to ask"
    page.add_script_tag(content=get_plotlyjs())
    answers = {f"plotly/0/{head}": pack_chart(viz.heatmap(small, 0, head), f"head {head}") for head in (0, 1)}
    server = Server(heatmap, answers)
    server.choose(key=2)
    page.get_by_role("button", name="Plotly").click()
    server.answer()
    page.wait_for_selector(".heatmap-plotly .heatmaplayer image")
    assert server.asked == ["plotly/0/0?palette=blues&scale=linear&truth=True"]
    title = page.locator(".heatmap-plotly .gtitle")
    expect(title).to_have_text(re.compile("^Layer 0, head 0"))
    expect(page.locator(".modebar-btn[data-title^='Download plot']")).to_have_count(1)
    server.choose(head=1)
    server.wait_until_asked()
    assert (title.text_content() or "").startswith("Layer 0, head 0")
    server.answer()
    expect(title).to_have_text(re.compile("^Layer 0, head 1"))
    page.get_by_role("button", name="Plotly").click()
    expect(title).to_be_hidden()
    heatmap.hover(1, 1)
    assert heatmap.status() == f"the (1) attends to the (1): {small.weights(0, 1)[1, 1]:.4f}"
