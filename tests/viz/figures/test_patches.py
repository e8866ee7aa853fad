"""Attention on a picture: each patch in its place, the brightest where the weight is largest."""

import base64
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

import viz
from models import Attention
from models.capture.replay import MaterialisedLayer
from models.errors import BadSelection
from models.images import patch_tokens
from models.patches import Patches as Grid
from tests.helpers import hand_made
from tests.helpers.draw import PLAIN_VIEW, paper, view_of
from tests.helpers.hand_made import random_weights, source
from tests.helpers.read_back import data_of_page
from viz.figures.patches import VEIL, data_address

GRID = (3, 5)
N = 17  # two added tokens and 15 patches
WEIGHTS = random_weights(N, N)
IMAGE = np.random.default_rng(1).integers(0, 255, (33, 70, 3)).astype(np.uint8)


def attention(n_added: int = 2, weights: np.ndarray = WEIGHTS) -> Attention:
    n = GRID[0] * GRID[1] + n_added
    tokens = patch_tokens(GRID, n)
    return Attention(
        "encoder",
        [MaterialisedLayer(torch.tensor(weights[:n, :n])[None])],
        tokens,
        tokens,
        source(),
        key_patches=(Grid(n_added, *GRID),),
    )


def test_a_cell_is_the_weight_of_its_patch_from_the_first_added_token() -> None:
    figure = viz.patches(attention(), IMAGE, 0, 0)
    np.testing.assert_array_equal(figure.data[0].z, WEIGHTS[0, 2:].reshape(GRID))
    assert figure.layout.title.text.startswith("Layer 0, head 0, encoder attention: [CLS]")
    assert f"{WEIGHTS[0, 2:].sum():.0%} of its attention is on patches" in figure.layout.title.text
    # Rows run down, as in the picture.
    assert list(figure.layout.yaxis.range) == [2.5, -0.5]
    assert list(figure.layout.xaxis.range) == [-0.5, 4.5]


def test_the_isolated_query_is_shown() -> None:
    view = view_of("patches", attention(), 0, 0, token="query:9", image=IMAGE)
    np.testing.assert_array_equal(view.weights, WEIGHTS[9, 2:].reshape(GRID))
    assert view.title.endswith(": patch 1,2")
    # An isolated key leaves the query as it is.
    np.testing.assert_array_equal(
        view_of("patches", attention(), 0, 0, token="key:9", image=IMAGE).weights, WEIGHTS[0, 2:].reshape(GRID)
    )


def test_without_an_added_token_it_is_the_mean() -> None:
    view = view_of("patches", attention(0), 0, 0, image=IMAGE)
    np.testing.assert_allclose(view.weights, WEIGHTS[:15, :15].mean(0).reshape(GRID), rtol=1e-6)
    assert view.title.endswith(": the mean of all patches")


def test_the_largest_weight_leaves_all_the_light() -> None:
    cells = viz.patches(attention(), IMAGE, 0, 0).data[0]
    assert (cells.zmin, cells.zmax) == (0, pytest.approx(WEIGHTS[0, 2:].max()))
    assert [colour for _, colour in cells.colorscale] == [f"rgba(0,0,0,{VEIL})", "rgba(0,0,0,0)"]
    assert viz.patches(attention(weights=np.zeros((N, N), np.float32)), IMAGE, 0, 0).data[0].zmax > 0


def test_the_picture_fills_the_patches_and_is_the_one_given() -> None:
    figure = viz.patches(attention(), IMAGE, 0, 0)
    (under,) = figure.layout.images
    assert (under.x, under.y, under.sizex, under.sizey) == (-0.5, -0.5, 5, 3)
    kind, data = under.source.split(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (70, 33)
    # 11 rows and 14 columns of pixels a patch.
    assert figure.layout.yaxis.scaleratio == pytest.approx(11 / 14)


def test_on_paper_the_picture_and_the_veil_are_the_same() -> None:
    axes = paper("patches", attention(), 0, 0, image=IMAGE).axes[0]
    picture, veil = axes.images
    np.testing.assert_array_equal(picture.get_array(), IMAGE)
    np.testing.assert_array_equal(veil.get_array(), WEIGHTS[0, 2:].reshape(GRID))
    assert tuple(picture.get_extent()) == tuple(veil.get_extent()) == (-0.5, 4.5, 2.5, -0.5)
    assert veil.get_cmap()(0.0)[3] == pytest.approx(VEIL)
    assert veil.get_cmap()(1.0)[3] == 0


@pytest.mark.parametrize("file_format", ["png", "svg", "pdf", "html"])
def test_every_format_has_it_with_its_origin(file_format: str) -> None:
    made = viz.export(attention(), "patches", file_format, layer=0, head=0, token="query:9", image=IMAGE)
    assert made.origin["figure"] == "patches"
    assert made.origin["transformations"] == {"token": "query:9", **PLAIN_VIEW}
    if file_format == "png":
        picture = Image.open(io.BytesIO(made.data))
        assert json.loads(picture.text["headlight"]) == made.origin
    if file_format == "html":
        figure = json.loads(data_of_page(made.data))
        assert figure["layout"]["images"][0]["source"].startswith("data:image/jpeg;base64,")


def test_what_has_no_patches_is_refused() -> None:
    with pytest.raises(BadSelection, match="Only the attention of a model that reads pictures lies on patches"):
        viz.patches(hand_made.attention(np.eye(3)), IMAGE, 0, 0)
    with pytest.raises(BadSelection, match=r"give image=trace\.image"):
        viz.export(attention(), "patches", "png", layer=0, head=0)


def test_a_tiny_picture_is_shown_to_the_pixel() -> None:
    tiny = np.random.default_rng(2).integers(0, 255, (5, 7, 3)).astype(np.uint8)
    kind, data = data_address(tiny).split(",")
    assert kind == "data:image/png;base64"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    times = shown.shape[0] // 5
    assert times > 30
    np.testing.assert_array_equal(shown, tiny.repeat(times, axis=0).repeat(times, axis=1))
    assert paper("patches", attention(), 0, 0, image=tiny).axes[0].images[0].get_interpolation() == "none"
    assert data_address(np.zeros((3, 64, 3), np.uint8)).startswith("data:image/jpeg")
