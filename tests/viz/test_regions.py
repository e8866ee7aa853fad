"""A window of a long head: exact where it is readable, block maxima where not, the same in every renderer and file."""

import io
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import viz
from analysis.blocks import block_maxima
from analysis.selection import READABLE, Region, Selection
from models.errors import BadSelection
from tests.helpers.draw import PLAIN_VIEW, packed, paper, view_of
from tests.helpers.hand_made import attention, causal_attention, random_weights
from tests.helpers.read_back import read_csv, unpack
from viz import CannotExport, DrawOptions
from viz.figures.token_graph import describe as describe_lines
from viz.files.tables import MAX_ROWS, too_many_rows
from viz.head_maps import MOST_CELLS, thumbnail
from viz.wire.tiles import make_tile, pack_tile

LONG, WIDE = 401, 307
WEIGHTS = random_weights(LONG, WIDE, sharpness=4.0)
ATT = attention(WEIGHTS)


def test_a_region_is_read_as_it_is_written() -> None:
    region = Region.parse("0-63:128-191")
    assert (region.queries, region.keys) == (range(0, 64), range(128, 192))
    assert str(region) == "0-63:128-191"
    assert region.describe() == "queries 0 to 63, keys 128 to 191"


@pytest.mark.parametrize(
    "text", ["0-63", "5-4:0-1", "0-1:5-4", "a-b:c-d", "-1-2:0-1", "0-1:0-1 ", "0-99999999:0-1", "٣-٤:0-1"]
)
def test_what_is_no_region_is_refused(text: str) -> None:
    with pytest.raises(BadSelection, match="A region is given by the first and last queries and keys, as 0-63:128-191"):
        Region.parse(text)


def test_a_region_that_the_text_does_not_have_is_refused_in_every_figure() -> None:
    for draw in (viz.heatmap, viz.flow):
        with pytest.raises(BadSelection, match="this text has queries 0 to 400, keys 0 to 306"):
            draw(ATT, 0, 0, region="0-63:300-307")
    with pytest.raises(BadSelection, match="There is no region"):
        viz.export(ATT, "table", "csv", layer=0, head=0, region="401-401:0-1")


def test_a_link_of_another_text_is_clamped() -> None:
    for written, fitted in (("300-900:0-63", "300-400:0-63"), ("500-900:0-63", ""), ("0-900:0-900", "")):
        selection, notices = Selection.parse(0, 0, region=written).fit(ATT)
        assert str(selection.region or "") == fitted
        assert len(notices) == 1


@given(st.data())
@pytest.mark.slow
def test_cells_are_the_maxima_of_their_blocks_by_brute_force(data: st.DataObject) -> None:
    n_query, n_key = data.draw(st.sampled_from([(LONG, WIDE), (WIDE, WIDE), (WIDE, 7), (5, WIDE), (129, 128)]))
    weights, masked = WEIGHTS[:n_query, :n_key], np.triu(np.ones((n_query, n_key), dtype=bool), 1)
    first, last = (sorted(data.draw(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)))) for n in (n_query, n_key))
    region = Region(range(first[0], first[1] + 1), range(last[0], last[1] + 1))
    causal = n_query == n_key
    weights = np.tril(weights) if causal else weights
    cells, mask = block_maxima(attention(weights, causal=causal), 0, 0, region)
    high, wide = -(-len(region.queries) // READABLE), -(-len(region.keys) // READABLE)
    assert max(cells.shape) <= READABLE
    for row, column in np.ndindex(cells.shape):
        block = np.s_[
            first[0] + row * high : min(first[0] + (row + 1) * high, first[1] + 1),
            last[0] + column * wide : min(last[0] + (column + 1) * wide, last[1] + 1),
        ]
        allowed = ~masked[block] if causal else np.ones(weights[block].shape, dtype=bool)
        assert mask[row, column] == allowed.any()
        if mask[row, column]:
            assert cells[row, column] == weights[block][allowed].max()


def test_a_block_of_masked_pairs_is_masked_and_a_bad_pair_makes_its_cell_bad() -> None:
    n = 257
    weights = np.tril(random_weights(n, n))
    weights[250, 3] = np.nan
    figure = viz.heatmap(attention(weights, causal=True), 0, 0)
    cells, bad = figure.data[:2]
    assert cells.z.shape == (86, 86)
    np.testing.assert_array_equal(np.isnan(cells.z), np.triu(np.ones((86, 86), dtype=bool), 1) | (bad.z == 1))
    np.testing.assert_array_equal(np.argwhere(bad.z == 1), [[83, 1]])
    np.testing.assert_array_equal((bad.x, bad.y), (cells.x, cells.y))


@pytest.mark.slow
def test_a_long_heatmap_says_its_blocks_and_names_the_tokens_of_a_cell() -> None:
    figure = viz.heatmap(ATT, 0, 0)
    cells, layout = figure.data[0], figure.layout
    assert cells.z.shape == (101, 103)
    assert "each cell is the largest weight of 4 x 3 pairs" in layout.title.text
    assert "largest weight" in cells.hovertemplate
    # Cells stand at the middle of their tokens, so that a box over them is a box over positions.
    assert list(cells.y[:2]) == [1.5, 5.5]
    assert list(cells.x[:2]) == [1, 4]
    assert list(layout.yaxis.tickvals) == list(cells.y)
    assert layout.yaxis.ticktext[1] == "q4 … q7 (4 to 7)"
    assert layout.yaxis.ticktext[-1] == "q400 … q400 (400 to 400)"
    assert layout.xaxis.ticktext[0] == "k0 … k2 (0 to 2)"
    assert list(layout.yaxis.range) == [LONG - 0.5, -0.5]
    # A cell is a block, for which no token stands: labels say whose place they mark.
    assert [f"q{place} ({place})" for place in layout.yaxis2.tickvals] == list(layout.yaxis2.ticktext)
    axes = paper("heatmap", ATT, 0, 0).axes[0]
    for on_paper, on_page, block in ((axes.yaxis, layout.yaxis2, 4), (axes.xaxis, layout.xaxis2, 3)):
        assert [text.get_text() for text in on_paper.get_ticklabels()] == list(on_page.ticktext)
        np.testing.assert_allclose(block * (on_paper.get_ticklocs() + 0.5) - 0.5, on_page.tickvals, atol=1e-9)


def test_a_region_opens_exactly() -> None:
    figure = viz.heatmap(ATT, 0, 0, region="300-399:17-80")
    np.testing.assert_array_equal(figure.data[0].z, WEIGHTS[300:400, 17:81])
    assert list(figure.data[0].y) == list(range(300, 400))
    assert list(figure.layout.xaxis.range) == [16.5, 80.5]
    assert figure.layout.yaxis.ticktext[0] == "q300"
    assert [f"k{place}" for place in figure.layout.xaxis2.tickvals] == list(figure.layout.xaxis2.ticktext)
    assert "queries 300 to 399, keys 17 to 80" in figure.layout.title.text
    assert "largest" not in figure.layout.title.text


def test_a_flow_shows_the_region() -> None:
    chosen = {"region": "300-309:17-80", "options": DrawOptions(threshold=0.1)}
    view = view_of("flow", ATT, 0, 0, **chosen)
    wanted = {(q, k) for q, k in np.argwhere(WEIGHTS >= 0.1) if 300 <= q <= 309 and 17 <= k <= 80}
    assert set(zip(view.query, view.key, strict=True)) == wanted
    share = sum(WEIGHTS[pair] for pair in wanted) / WEIGHTS[300:310].sum()
    assert view.kept == pytest.approx(share)
    said = describe_lines(view, chosen["options"])
    assert said.startswith("queries 300 to 309, keys 17 to 80, lines from 0.10 up hold")
    assert said.endswith("of these queries' attention")
    left = viz.flow(ATT, 0, 0, **chosen).data[-2]
    assert left.text[0] == "q300"
    query, key = max(wanted, key=lambda pair: WEIGHTS[pair])
    assert left.hovertext[query - 300].startswith(f"q{query} ({query}) attends to<br>k{key} ({key}): 0.")


@pytest.mark.parametrize(
    ("token", "region", "shown"),
    [
        ("", "", "0-127:0-127"),
        ("query:300", "", "236-363:236-363"),
        ("key:400", "", "273-400:273-400"),
        ("query:3", "", "0-127:0-127"),
        ("query:300", "200-400:0-9", "236-363:0-9"),
    ],
)
def test_a_long_flow_is_a_readable_part_around_the_chosen_token(token: str, region: str, shown: str) -> None:
    att = causal_attention(LONG)
    view = view_of("flow", att, 0, 0, token=token, region=region, options=DrawOptions(threshold=0.02))
    assert str(view.region) == shown
    assert view.notes == (view.region.describe(),)


def test_in_cross_attention_the_other_text_keeps_its_beginning() -> None:
    assert str(view_of("flow", ATT, 0, 0, token="query:300").region) == "236-363:0-127"
    assert str(view_of("flow", ATT, 0, 0, token="key:300").region) == "0-127:179-306"


def test_a_token_outside_the_region_is_refused() -> None:
    with pytest.raises(BadSelection, match="The query 300 to isolate is outside the region of queries 0 to 9"):
        viz.flow(ATT, 0, 0, token="query:300", region="0-9:0-9")


def test_every_renderer_shows_the_same_window() -> None:
    chosen = {"region": "300-303:17-19", "options": DrawOptions(threshold=0.1)}
    for figure in ("heatmap", "flow"):
        made = viz.export(ATT, figure, "svg", layer=0, head=0, **chosen)
        texts = {
            "".join(text.itertext()) for text in ElementTree.fromstring(made.data).iter() if text.tag.endswith("text")
        }
        assert {"q300", "q303", "k17", "k19"} <= texts
        assert not {"q299", "q304", "k16", "k20"} & texts
        assert any("queries 300 to 303, keys 17 to 19" in text for text in texts)
        assert made.origin["transformations"]["region"] == "300-303:17-19"


def test_a_table_of_a_region_has_its_pairs_at_their_positions() -> None:
    chosen = {"region": "300-303:17-19"}
    made = viz.export(ATT, "table", "csv", layer=0, head=0, **chosen)
    table = read_csv(made.data)
    assert list(zip(table["query"], table["key"], strict=True)) == [
        (q, k) for q in range(300, 304) for k in range(17, 20)
    ]
    np.testing.assert_allclose(table["weight"], WEIGHTS[300:304, 17:20].ravel(), rtol=1e-8)
    assert made.origin["transformations"] == {"region": "300-303:17-19", **PLAIN_VIEW}
    with np.load(io.BytesIO(viz.export(ATT, "table", "npz", **chosen).data), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["weights"][0], WEIGHTS[300:304, 17:20])
        assert list(arrays["query"]) == [300, 301, 302, 303]
        assert list(arrays["key_tokens"]) == ["k17", "k18", "k19"]
        assert json.loads(str(arrays["provenance"]))["transformations"] == made.origin["transformations"]


def test_a_table_that_no_memory_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert too_many_rows("csv", MAX_ROWS["csv"]) is None
    assert "choose one head, or NPZ." in str(too_many_rows("csv", MAX_ROWS["csv"] + 1))
    assert "choose one head, or a region of it." in str(too_many_rows("npz", MAX_ROWS["npz"] + 1))
    monkeypatch.setitem(MAX_ROWS, "npz", 100)
    with pytest.raises(CannotExport, match="This table would have 123,107 rows, the most is 100"):
        viz.export(ATT, "table", "npz")


def test_what_a_head_sends_does_not_grow_with_the_text() -> None:
    # 401 x 307 pairs are 492 kB as float32; base64 adds a third. Measured: heatmap 79 kB, flow 136 kB.
    assert len(viz.heatmap(ATT, 0, 0).to_json()) < 110_000
    assert len(pack_tile(make_tile(ATT, 0, 0, Region.parse("0-127:0-127")))) < 70_000


@pytest.mark.parametrize(("n_layers", "n_heads", "size"), [(2, 3, 48), (22, 12, 48), (48, 32, 24), (200, 128, 8)])
def test_thumbnails_shrink_where_there_are_many_heads(n_layers: int, n_heads: int, size: int) -> None:
    att = attention(np.zeros((1, n_heads, 7, 7)))
    att._layers = att._layers * n_layers
    assert thumbnail(att) == size
    assert n_layers * n_heads * size**2 <= max(MOST_CELLS, n_layers * n_heads * 64)


def test_the_grid_of_many_heads_stays_below_a_megabyte() -> None:
    att = attention(random_weights(1, 32, 97, 97))
    att._layers = att._layers * 48
    header, arrays = unpack(packed("grid", att))
    assert header["maps"] == [48, 32, 20, 20]
    assert header["block"] == [5, 5]
    assert sum(array.nbytes for array in arrays.values()) < 1_000_000


def test_a_heatmap_of_a_short_text_is_not_pooled() -> None:
    weights = random_weights(READABLE, READABLE)
    view = view_of("heatmap", attention(weights), 0, 0)
    np.testing.assert_array_equal(view.weights, weights)
    assert view.notes == ()
