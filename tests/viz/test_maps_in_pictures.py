"""Pictures of derived maps: the method in every title and file, and scales that end at the largest weight."""

import json
import re

import numpy as np
import pytest

import viz
from analysis.heads import heads_for_token
from analysis.maps import METHODS
from analysis.selection import Selection
from models import Attention
from models.method_names import name_method
from tests.helpers.hand_made import attention, random_weights
from tests.helpers.read_back import unpack
from viz.colours import scale_ticks, top_of
from viz.figures.base import Subject
from viz.figures.heatmap import Heatmap
from viz.files.page import page_title
from viz.method_words import words_of
from viz.tops import scale_top
from viz.wire.instrument import Opening, pack_maps, trace_message

DERIVED = [name for name in METHODS if name != "attention"]
LARGEST = 7.0


def made(method: str, *, largest: float = 0, notices: tuple[str, ...] = ()) -> Attention:
    weights = random_weights(3, 1 if name_method(method).down else 2, 5, 5)
    if largest:
        weights *= largest / weights.max()
    return attention(weights)._copy(method=method, notices=notices)


@pytest.mark.slow
@pytest.mark.parametrize("method", [*DERIVED, "a {new} one"])
def test_every_title_names_the_method_and_no_sentence_says_attends(method: str) -> None:
    att, title = made(method), name_method(method).title
    assert title
    assert title == METHODS[method].title if method in METHODS else "A new one"
    name = att.head_name(2, 0)
    assert name.startswith(title)
    assert "2" in name
    drawn = viz.heatmap(att, 2, 0)
    words = words_of(method)
    assert drawn.layout.title.text.startswith(f"{name}, encoder attention")
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == (words.axes["key"], words.axes["query"])
    assert words.verbs["query"] in drawn.data[0].hovertemplate
    assert viz.grid(att).layout.title.text.startswith(f"{title}: all ")
    graph = viz.flow(att, 2, 0, token="query:1")
    assert graph.layout.title.text.startswith(name)
    assert f"q1 (1) {words.verbs['query']}" in graph.layout.title.text
    mean = viz.heatmap(att, heads="0,1", combine="mean")
    assert mean.layout.title.text.startswith(f"{title}: mean of layers 0 and 1")
    assert page_title(att).startswith(f"{title}: encoder attention of")
    for figure in (drawn, graph):
        assert "attends" not in figure.to_json()


def test_the_attention_itself_is_called_as_before() -> None:
    att = made("attention")
    assert att.head_name(2, 1) == "Layer 2, head 1"
    assert viz.heatmap(att, 2, 1).layout.xaxis.title.text == "key (attended to)"
    assert "attends to" in viz.heatmap(att, 2, 1).data[0].hovertemplate


@pytest.mark.parametrize("method", DERIVED)
def test_the_browser_gets_the_words_of_the_method(method: str) -> None:
    att = made(method)
    header, arrays = unpack(trace_message(att, Opening("", ""), goal="class:1" if method == "gradient" else ""))
    style, name = header["style"], name_method(method)
    assert header["method"] == header["source"]["show"] == method
    assert header["source"].get("goal") == ("class:1" if method == "gradient" else None)
    assert style["head"].format(layer=2, head=0) == att.head_name(2, 0)
    assert style["combined"]["mean"] == f"{name.title}: mean of {{heads}}"
    assert style["place"] == ("Layer {layer}" if name.down else "Layer {layer}, head {head}")
    assert "attend" not in json.dumps([style["words"], style["pair"], style["axes"], style["verb"], style["most"]])
    np.testing.assert_array_equal(arrays["weights"].reshape(3, -1, 5, 5)[1, 0], att.weights(1, 0))


@pytest.mark.slow
def test_files_say_the_method_in_title_and_provenance() -> None:
    att = made("rollout", notices=("Each row is divided by its sum.",))
    for file_format in ("svg", "pdf", "png", "html"):
        made_file = viz.export(att, "heatmap", file_format, layer=1, head=0)
        assert (made_file.origin["method"], made_file.origin["notices"]) == ("rollout", list(att.notices))
        assert b"Rollout" in made_file.data
    svg = viz.export(att, "heatmap", "svg", layer=1, head=0).data.decode()
    for said in ("Rollout down from layer 1", "input token", "Each row is divided by its sum."):
        assert said in svg
    assert "attended to" not in svg


@pytest.mark.parametrize("scale", ["linear", "root", "log"])
def test_a_scale_ends_at_a_weight_above_1_and_says_so(scale: str) -> None:
    att, options = made("value-weighted", largest=LARGEST), viz.DrawOptions(scale=scale)
    layer, head = next((layer, head) for layer in range(3) for head in range(2) if att.weights(layer, head).max() > 6)
    drawn = viz.heatmap(att, layer, head, options=options)
    cells = drawn.data[0]
    np.testing.assert_array_equal(np.array(cells.customdata), att.weights(layer, head))
    assert np.nanmax(cells.z) == pytest.approx(1)
    assert "customdata" in cells.hovertemplate
    assert cells.colorbar.ticktext[-1] == "7"
    grid, graph = viz.grid(att, options=options), viz.flow(att, layer, head, options=options)
    assert grid.layout.coloraxis.colorbar.ticktext[-1] == "7"
    assert max(np.nanmax(trace.z) for trace in grid.data if trace.type == "heatmap") == pytest.approx(1)
    widths = {trace.line.width for trace in graph.data if trace.mode == "lines" and trace.line.width}
    assert len(widths) > 3  # not all lines are as wide as the widest one
    for figure in (drawn, grid, graph):
        assert "the scale ends at 7, the largest weight" in figure.layout.title.text


def test_a_scale_of_weights_up_to_1_ends_at_1_without_a_word() -> None:
    att = made("value-weighted")
    assert "the scale ends" not in viz.heatmap(att, 1, 1).layout.title.text
    assert top_of(np.array([0.2, 1 + 1e-6, np.nan])) == 1
    assert top_of(np.array([0.2, 3, np.nan, np.inf]), np.array([True, False, True, True])) == 1
    assert [text for _, text in scale_ticks("linear")] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert [text for _, text in scale_ticks("log", 20)][-2:] == ["2", "20"]


def test_the_instrument_has_one_scale_for_all_heads() -> None:
    raw = made("value-weighted", largest=LARGEST, notices=("Rows do not sum to 1.",))
    assert scale_top(raw) == pytest.approx(LARGEST)
    header, arrays = unpack(trace_message(raw, Opening("", "")))
    assert header["style"]["top"] == pytest.approx(LARGEST)
    assert arrays["weights"].max() == pytest.approx(LARGEST)  # the numbers are those of the map
    maps = viz.head_maps.HeadMaps.empty(raw).fill(raw)
    numbers = pack_maps(maps, top=scale_top(raw))["maps"]
    assert numbers[maps.values == maps.values.max()] == [254]
    assert (numbers == 254).sum() == 1
    for divided in (made("value-weighted"), made("rollout", notices=("Each row is divided by its sum.",))):
        assert scale_top(divided) == 1


@pytest.mark.slow
def test_paper_says_where_the_scale_ends() -> None:
    att = made("flow", largest=LARGEST)
    for figure in ("heatmap", "flow", "grid"):
        place = {} if figure == "grid" else {"layer": int(np.argmax([att.layer(n).max() for n in range(3)])), "head": 0}
        drawn = viz.export(att, figure, "svg", **place).data.decode()
        assert "the scale ends at 7, the largest weight" in " ".join(re.findall(r">([^<>]+)</text>", drawn))


def test_a_region_and_words_are_views_of_the_map() -> None:
    att = made("value-weighted")
    view = Heatmap().view(Subject(att), Selection.parse(1, 1, region="1-3:0-2", unit="words"), viz.DrawOptions())
    assert view.title.startswith("Value-weighted: layer 1, head 1")
    assert att.words().method == att.hide(first=True).method == "value-weighted"


def test_the_entropy_of_a_row_that_is_not_divided_is_that_of_its_shares() -> None:
    weights = random_weights(3, 2, 5, 5)
    table = heads_for_token(attention(weights), "query:3")
    scaled = heads_for_token(attention(weights * 7), "query:3")
    np.testing.assert_allclose(scaled["entropy"], table["entropy"], atol=1e-6)
