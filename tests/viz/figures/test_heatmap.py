"""The heatmap figure: every pair has its own cell, in the colour of its weight, under the token as it is written."""

import html
import json
from typing import Any

import numpy as np
import pytest

import viz
from models.errors import BadSelection
from tests.helpers.hand_made import (
    HOSTILE,
    N_HEADS,
    N_KEY,
    N_LAYERS,
    N_QUERY,
    attention,
    causal_attention,
    random_weights,
    tokens,
)
from viz import DrawOptions, colours
from viz.colours import NOT_A_NUMBER, PALETTES, SCALES
from viz.labels import MAX_LABELS

WEIGHTS = random_weights(N_LAYERS, N_HEADS, N_QUERY, N_KEY)


def specification(figure: Any) -> dict[str, Any]:
    """What goes to the browser."""
    return json.loads(figure.to_json())


def test_a_cell_is_the_weight_of_its_query_row_and_key_column() -> None:
    data = viz.heatmap(attention(WEIGHTS), 1, 2).data[0]
    np.testing.assert_array_equal(data.z, WEIGHTS[1, 2])
    assert list(data.x) == list(range(N_KEY))
    assert list(data.y) == list(range(N_QUERY))


def test_axes_are_positions_and_tokens_only_their_texts() -> None:
    # plotly.py issue 4215: tokens as axis values would merge the rows of repeated tokens without a word.
    att = attention(WEIGHTS[0, 0], tokens("the", "the", "cat", "the", "."), tokens(*(["the"] * 7)))
    figure = viz.heatmap(att, 0, 0)
    assert figure.data[0].z.shape == (N_QUERY, N_KEY)
    assert all(isinstance(tick, int) for tick in (*figure.layout.xaxis.tickvals, *figure.layout.yaxis.tickvals))
    assert list(figure.layout.yaxis.tickvals) == list(range(N_QUERY))
    assert list(figure.layout.yaxis.ticktext) == ["the", "the", "cat", "the", "."]
    assert list(figure.layout.xaxis.ticktext) == ["the"] * 7
    assert figure.layout.xaxis.tickmode == figure.layout.yaxis.tickmode == "array"


def test_queries_run_down_and_the_range_leaves_no_room_that_looks_like_data() -> None:
    layout = viz.heatmap(attention(WEIGHTS), 0, 0).layout
    assert list(layout.yaxis.range) == [N_QUERY - 0.5, -0.5]
    assert list(layout.xaxis.range) == [-0.5, N_KEY - 0.5]
    assert "query" in layout.yaxis.title.text
    assert "key" in layout.xaxis.title.text


@pytest.mark.parametrize("text", [*HOSTILE, "<i onclick=alert(1)>", "&#36;", "a<br>b", "${x}", "\\(x\\)"])
def test_plotly_gets_no_markup_no_entity_and_no_tex(text: str) -> None:
    figure = viz.heatmap(attention(np.eye(2), tokens(text, "b")), 0, 0)
    for axis in (figure.layout.xaxis, figure.layout.yaxis):
        shown = axis.ticktext[0]
        assert "<" not in shown
        assert ">" not in shown
        assert "$" not in shown  # Plotly takes a text in dollars as TeX
        assert html.unescape(shown) == text


def test_special_tokens_are_dimmed_and_still_escaped() -> None:
    figure = viz.heatmap(attention(np.eye(2), tokens("<s>", "b", special=[0])), 0, 0)
    assert figure.layout.xaxis.ticktext[0] == '<span style="color:#808895">&lt;s&gt;</span>'
    assert figure.layout.xaxis.ticktext[1] == "b"


def test_the_figure_inside_a_script_element_cannot_end_it() -> None:
    att = attention(np.eye(2), tokens("</script><script>alert(1)</script>"[:24], "<!--"))
    assert "</script><script>alert" not in viz.heatmap(att, 0, 0).to_html(include_plotlyjs=False)


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("scale", tuple(SCALES))
def test_the_colour_range_is_always_0_to_1(palette: str, scale: str) -> None:
    data = viz.heatmap(attention(WEIGHTS / 10), 0, 0, options=DrawOptions(palette=palette, scale=scale)).data[0]
    assert (data.zmin, data.zmax) == (0, 1)
    assert data.zauto in (None, False)
    places = [place for place, _ in data.colorscale]
    assert places == sorted(set(places))
    assert (places[0], places[-1]) == (0, 1)


def test_a_scale_changes_colours_and_no_number_and_is_named() -> None:
    linear, root = (
        viz.heatmap(attention(WEIGHTS), 0, 0, options=DrawOptions(scale=name)) for name in ("linear", "root")
    )
    # Plotly places the square roots on the bar of colours, and the hover says the weights.
    np.testing.assert_array_equal(linear.data[0].z, root.data[0].customdata)
    np.testing.assert_allclose(root.data[0].z, np.sqrt(linear.data[0].z), rtol=1e-6)
    assert "%{customdata:" in root.data[0].hovertemplate
    bar = root.data[0].colorbar
    assert dict(zip(bar.ticktext, bar.tickvals, strict=True))["0.25"] == 0.5
    assert linear.data[0].colorbar.title.text == "weight"
    assert "square root" in root.data[0].colorbar.title.text


def test_masked_cells_are_gaps_over_grey() -> None:
    figure = viz.heatmap(causal_attention(7), 0, 0)
    np.testing.assert_array_equal(np.isnan(figure.data[0].z), np.triu(np.ones((7, 7), dtype=bool), 1))
    assert figure.layout.plot_bgcolor == colours.masked("blues")[1]
    assert "grey: masked" in figure.layout.title.text
    assert len(figure.data) == 1


def test_what_is_no_number_looks_unlike_what_is_masked() -> None:
    weights = random_weights(7, 7)
    weights[4, 2] = np.nan
    figure = viz.heatmap(attention(weights, causal=True), 0, 0)
    cells, bad = figure.data
    assert np.isnan(cells.z[4, 2])
    np.testing.assert_array_equal(np.argwhere(bad.z == 1), [[4, 2]])
    assert np.isnan(bad.z).sum() == 48
    assert {colour for _, colour in bad.colorscale} == {NOT_A_NUMBER}
    assert colours.masked("blues")[1] != NOT_A_NUMBER
    assert "pink: not a number" in figure.layout.title.text
    assert "grey: masked" in figure.layout.title.text


def test_a_plain_head_names_no_colours_it_does_not_use() -> None:
    figure = viz.heatmap(attention(WEIGHTS), 1, 0)
    assert figure.layout.title.text == "Layer 1, head 0, cross attention"


def test_long_texts_get_a_second_axis_with_spaced_labels() -> None:
    n = 2 * MAX_LABELS + 1
    figure = viz.heatmap(attention(np.eye(n)), 0, 0)
    for first, second in ((figure.layout.xaxis, figure.layout.xaxis2), (figure.layout.yaxis, figure.layout.yaxis2)):
        # Hover takes the tokens from the first axis, which therefore has all of them and shows none.
        assert len(first.ticktext) == n
        assert first.showticklabels is False
        assert len(second.ticktext) <= MAX_LABELS
        assert len(set(np.diff(second.tickvals))) == 1
        assert [f"q{position}" for position in second.tickvals] == list(second.ticktext)
    assert figure.layout.xaxis2.matches == "x"
    # Plotly draws an axis only where a trace uses it.
    assert {"x2", "y2"} <= {getattr(trace, side) for trace in figure.data for side in ("xaxis", "yaxis")}


def test_as_many_tokens_as_labels_all_have_a_label_and_no_second_axis() -> None:
    figure = viz.heatmap(attention(np.eye(MAX_LABELS)), 0, 0)
    assert len(figure.layout.xaxis.ticktext) == MAX_LABELS
    assert "xaxis2" not in figure.layout
    assert figure.layout.xaxis.showticklabels is not False


def test_hover_says_both_positions_both_tokens_and_the_weight() -> None:
    hover = viz.heatmap(attention(WEIGHTS), 0, 0).data[0].hovertemplate
    assert all(part in hover for part in ("%{x}", "%{y}", "%{x:d}", "%{y:d}", "%{z:.5f}"))


def test_arrays_travel_as_typed_bytes() -> None:
    # Plotly turns float16 silently into lists of numbers, ten times the size.
    cells = specification(viz.heatmap(attention(WEIGHTS), 0, 0))["data"][0]["z"]
    assert cells["dtype"] == "f4"
    assert viz.heatmap(causal_attention(7), 0, 0).data[0].z.dtype in (np.float32, np.float64)


def test_one_token_zero_weights_and_empty_labels_make_a_figure() -> None:
    for att in (attention(np.ones((1, 1))), attention(np.zeros((2, 3)), tokens("", ""), tokens("", " ", "a"))):
        assert specification(viz.heatmap(att, 0, 0))["data"]


def test_long_tokens_are_cut_so_that_the_picture_has_room() -> None:
    text = viz.heatmap(attention(np.eye(2), tokens("a" * 500, "b")), 0, 0).layout.xaxis.ticktext[0]
    assert len(text) == 24
    assert text.endswith("…")


@pytest.mark.parametrize("draw", [viz.heatmap, viz.flow, viz.grid])
@pytest.mark.parametrize(("layer", "head"), [(N_LAYERS, 0), (0, N_HEADS), (-1, 0)])
def test_a_head_that_does_not_exist_is_refused(draw: Any, layer: int, head: int) -> None:
    with pytest.raises(BadSelection, match="There is no"):
        draw(attention(WEIGHTS), layer, head)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"threshold": 2}, "A threshold is a weight from 0 to 1, not 2."),
        ({"threshold": float("nan")}, "A threshold is a weight from 0 to 1, not nan."),
        ({"palette": "jet"}, "There is no palette 'jet': choose one of blues"),
        ({"scale": "pow"}, "There is no scale 'pow': choose one of linear, root, log."),
    ],
)
def test_an_option_that_does_not_exist_is_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadSelection) as refusal:
        DrawOptions(**wrong)
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize("palette", PALETTES)
def test_masked_looks_like_no_weight_of_any_palette(palette: str) -> None:
    """In linear RGB distance; measured: at least 38 of 441, between the grey and the blues."""
    colour = colours.masked(palette)[1]
    rgb = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)], dtype=float)
    assert np.linalg.norm(colours.table(palette) - rgb, axis=1).min() > 30
