"""The grid figure: all heads at their places, long texts as block maxima, the chosen head outlined."""

import numpy as np
import pytest
import torch

import viz
from models import Attention
from models.capture.replay import MaterialisedLayer
from tests.helpers.draw import view_of
from tests.helpers.hand_made import N_HEADS, N_KEY, N_LAYERS, N_QUERY, attention, random_weights, source, tokens
from viz import DrawOptions
from viz.colours import NOT_A_NUMBER, masked
from viz.figures.grid import Grid, describe
from viz.head_maps import THUMBNAIL, HeadMaps
from viz.style import SELECTED

WEIGHTS = random_weights(N_LAYERS, N_HEADS, N_QUERY, N_KEY)


def block_maxima(weights: np.ndarray, size: int) -> np.ndarray:
    """By loops: blocks of ceil(n / size), the last one possibly less."""
    high, wide = (-(-n // size) for n in weights.shape)
    rows = range(0, weights.shape[0], high)
    columns = range(0, weights.shape[1], wide)
    return np.array([[weights[r : r + high, c : c + wide].max() for c in columns] for r in rows])


def test_every_head_is_a_map_of_its_own_weights_at_its_place() -> None:
    figure = viz.grid(attention(WEIGHTS))
    assert len(figure.data) == N_LAYERS * N_HEADS
    for number, trace in enumerate(figure.data):
        layer, head = divmod(number, N_HEADS)
        np.testing.assert_array_equal(trace.z, WEIGHTS[layer, head])
        # Centres of the first and the last cell lie inside the head's unit square.
        columns = trace.x0 + trace.dx * np.array([0, N_KEY - 1])
        rows = trace.y0 + trace.dy * np.array([0, N_QUERY - 1])
        assert head - 0.5 < columns[0] < columns[1] < head + 0.5
        assert layer - 0.5 < rows[0] < rows[1] < layer + 0.5
        assert columns.mean() == pytest.approx(head)
        assert rows.mean() == pytest.approx(layer)
        assert f"Layer {layer}, head {head}" in trace.hovertemplate


@pytest.mark.parametrize(("n_query", "n_key"), [(THUMBNAIL, THUMBNAIL + 1), (101, 53), (3, 211), (257, 131)])
def test_long_texts_are_block_maxima(n_query: int, n_key: int) -> None:
    weights = random_weights(1, 2, n_query, n_key)
    view = view_of("grid", attention(weights))
    for head in range(2):
        np.testing.assert_array_equal(view.maps[0, head], block_maxima(weights[0, head], THUMBNAIL))
    blocks = -(-n_query // THUMBNAIL), -(-n_key // THUMBNAIL)
    assert f"largest weight of {blocks[0]} x {blocks[1]} pairs" in describe(view, DrawOptions())
    assert max(view.maps.shape[2:]) <= THUMBNAIL


def test_a_short_text_says_nothing_of_blocks() -> None:
    assert describe(view_of("grid", attention(WEIGHTS)), DrawOptions()) == "All heads, cross attention"


def test_one_colour_range_for_all_heads() -> None:
    axis = viz.grid(attention(WEIGHTS / 10), options=DrawOptions(scale="root")).layout.coloraxis
    assert (axis.cmin, axis.cmax) == (0, 1)
    assert "square root" in axis.colorbar.title.text
    assert {trace.coloraxis for trace in viz.grid(attention(WEIGHTS)).data} == {"coloraxis"}


def test_the_chosen_head_is_outlined_and_only_if_one_is_chosen() -> None:
    (outline,) = viz.grid(attention(WEIGHTS), 1, 2).layout.shapes
    assert (outline.x0, outline.x1, outline.y0, outline.y1) == (1.5, 2.5, 0.5, 1.5)
    assert outline.line.color == SELECTED
    assert not viz.grid(attention(WEIGHTS)).layout.shapes


def test_layers_may_differ_in_their_number_of_heads() -> None:
    layers = [MaterialisedLayer(torch.tensor(random_weights(heads, N_QUERY, N_KEY))) for heads in (2, 5)]
    att = Attention("cross", layers, tokens(*"abcde"), tokens(*"tuvwxyz"), source())
    assert view_of("grid", att).n_heads == (2, 5)
    assert len(viz.grid(att).data) == 7
    # A head that a layer lacks is no bad value.
    assert "not a number" not in describe(view_of("grid", att), DrawOptions())


def test_what_is_no_number_shows_in_its_own_colour() -> None:
    weights = WEIGHTS.copy()
    weights[1, 0, 2, 3] = np.nan
    figure = viz.grid(attention(weights))
    (bad,) = [trace for trace in figure.data if trace.coloraxis is None]
    np.testing.assert_array_equal(np.argwhere(bad.z == 1), [[2, 3]])
    assert {colour for _, colour in bad.colorscale} == {NOT_A_NUMBER}
    assert "pink: not a number" in figure.layout.title.text


def test_what_is_masked_is_grey_and_said_once() -> None:
    weights = random_weights(2, 3, 7, 7)
    weights[1, 0, 2, 5] = np.nan  # what nobody looks at cannot be bad
    figure = viz.grid(attention(weights, causal=True))
    seen = np.tril(np.ones((7, 7), dtype=bool))
    assert len(figure.data) == len(figure.layout.shapes) == 6
    for trace, shape in zip(figure.data, figure.layout.shapes, strict=True):
        np.testing.assert_array_equal(np.isnan(trace.z), ~seen)
        assert (shape.fillcolor, shape.layer) == (masked("blues")[1], "below")
        assert (shape.x0, shape.y0) == pytest.approx((trace.x0 - trace.dx / 2, trace.y0 - trace.dy / 2))
        assert (shape.x1, shape.y1) == pytest.approx((trace.x0 + 6.5 * trace.dx, trace.y0 + 6.5 * trace.dy))
    assert figure.layout.title.text == "All heads, encoder attention (grey: masked)"


@pytest.mark.parametrize("n", [101, 211])
def test_a_block_is_masked_only_if_all_its_pairs_are(n: int) -> None:
    weights = random_weights(1, 1, n, n)
    maps, seen = HeadMaps.empty(attention(weights)), np.tril(np.ones((n, n)))
    maps.fill(attention(weights, causal=True))
    np.testing.assert_array_equal(maps.mask[0, 0], block_maxima(seen, THUMBNAIL) > 0)


def test_axes_name_layers_down_and_heads_across() -> None:
    layout = viz.grid(attention(WEIGHTS)).layout
    assert layout.yaxis.range[0] > layout.yaxis.range[1]
    assert list(layout.xaxis.tickvals) == list(range(N_HEADS))
    assert list(layout.yaxis.tickvals) == list(range(N_LAYERS))
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("head", "layer")


def test_one_map_a_layer_stands_in_reading_order_with_its_name() -> None:
    weights = random_weights(17, 1, 5, 5)
    att = attention(weights, tokens(*"abcde"), tokens(*"abcde"))
    figure = viz.grid(att, layer=13, head=0)
    maps = {}
    for trace in figure.data:
        row, column = round(float(trace.y0)), round(float(trace.x0))
        maps[row, column] = np.array(trace.z, float)
    assert sorted(maps) == [divmod(layer, 6) for layer in range(17)]
    for layer in range(17):
        np.testing.assert_array_equal(maps[divmod(layer, 6)], weights[layer, 0])
    assert [note.text for note in figure.layout.annotations] == [f"layer {layer}" for layer in range(17)]
    (outline,) = [shape for shape in figure.layout.shapes if shape.line.color == SELECTED]
    assert (outline.y0, outline.x0) == (1.5, 0.5)
    assert (figure.layout.xaxis.visible, figure.layout.yaxis.visible) == (False, False)
    # On paper, a narrow picture has the numbers alone.
    view = view_of("grid", att)
    for inches, name in ((None, "layer 16"), (3.2, "16")):
        drawn = Grid().to_paper(view, DrawOptions(), inches)
        assert drawn.axes[0].texts[-1].get_text() == name
        assert not drawn.axes[0].get_ylabel()
