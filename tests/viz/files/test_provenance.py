"""What a file says was done to the weights is what was drawn, whether it was asked for or not."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import viz
from models import Attention
from models.capture.replay import MaterialisedLayer
from models.errors import BadSelection
from models.patches import Patches
from tests.helpers import hand_made
from tests.helpers.draw import PLAIN_VIEW, TEXT_FIGURES, transformations
from tests.helpers.hand_made import attention, random_weights
from viz.head_maps import HeadMaps

LONG = attention(random_weights(1, 2, 283, 307, seed=5))
COLOURS = {"palette": "blues", "scale": "linear", **PLAIN_VIEW}


def drawn(att: Attention, figure: str, **given: str) -> dict[str, object]:
    return transformations(figure, att, 0, 1, **given)


def test_a_long_heatmap_tells_its_blocks() -> None:
    assert drawn(LONG, "heatmap") == {**COLOURS, "pooling": "block maxima of 3 x 3 pairs"}
    part = {"region": "20-219:7-101"}
    assert drawn(LONG, "heatmap", **part) == {
        **COLOURS,
        "region": "20-219:7-101",
        "pooling": "block maxima of 2 x 1 pairs",
    }
    exact = {"region": "20-21:7-101"}
    assert drawn(LONG, "heatmap", **exact) == {**COLOURS, "region": "20-21:7-101"}
    # The same as the picture itself says.
    assert "largest weight of 3 x 3 pairs" in viz.heatmap(LONG, 0, 1).layout.title.text


@pytest.mark.parametrize(
    ("given", "region"),
    [
        ({}, "0-127:0-127"),
        ({"token": "query:200"}, "136-263:0-127"),
        ({"region": "20-219:7-101"}, "20-147:7-101"),
    ],
)
@pytest.mark.slow
def test_a_long_flow_tells_its_window_which_draws_it_again(given: dict[str, str], region: str) -> None:
    assert drawn(LONG, "flow", **given)["region"] == region
    again = {"token": given.get("token", ""), "region": region}
    one, other = (viz.export(LONG, "flow", "svg", layer=0, head=1, **each) for each in (given, again))
    assert one.data == other.data


def test_a_grid_tells_the_blocks_of_the_maps_that_it_shows() -> None:
    assert drawn(LONG, "grid") == {**COLOURS, "pooling": "block maxima of 6 x 7 pairs"}
    maps = HeadMaps.empty(LONG).fill(LONG)
    coarse = replace(maps, values=maps.values[..., ::3, ::3], mask=maps.mask[..., ::3, ::3], block=(18, 21))
    made = viz.export(LONG, "grid", "svg", maps=coarse)
    assert made.origin["transformations"]["pooling"] == "block maxima of 18 x 21 pairs"
    # The title wraps where the figure is narrow.
    words = " ".join(re.sub(r"<[^>]+>", " ", made.data.decode()).split())
    assert "largest weight of 18 x 21 pairs" in words


def test_a_short_text_was_not_cut() -> None:
    short = attention(random_weights(1, 2, 5, 7))
    assert drawn(short, "heatmap") == COLOURS
    assert drawn(short, "flow") == {**COLOURS, "threshold": 0.05, "token": ""}
    assert drawn(short, "table", region="0-4:0-6") == PLAIN_VIEW


@pytest.mark.parametrize(
    ("n_added", "token", "told"),
    [
        (2, "", {"token": "query:0"}),
        (2, "key:3", {"token": "query:0"}),
        (2, "query:5", {"token": "query:5"}),
        (0, "query:0", {"token": "query:0"}),
        (0, "", {"token": "", "pooling": "mean of all queries"}),
    ],
)
def test_patches_tell_the_query_whose_light_it_is(n_added: int, token: str, told: dict[str, str]) -> None:
    n = 2 * 3 + n_added
    layer = MaterialisedLayer(torch.tensor(random_weights(1, n, n)))
    names = hand_made.tokens(*(f"t{number}" for number in range(n)))
    att = Attention("encoder", [layer], names, names, hand_made.source(), key_patches=(Patches(n_added, 2, 3),))
    image = np.zeros((8, 9, 3), np.uint8)
    assert transformations("patches", att, 0, 0, image=image, token=token) == {**told, **PLAIN_VIEW}
    title = viz.patches(att, image, 0, 0, token=token).layout.title.text
    query = told["token"].removeprefix("query:")
    name = f"t{query}" if query and int(query) < n_added else f"patch t{query}" if query else "the mean of all patches"
    assert title.split("<br>")[0].endswith(f": {name}")


@pytest.mark.parametrize("figure", [*TEXT_FIGURES, "table"])
@pytest.mark.parametrize("token", ["query:5", "key:7"])
@pytest.mark.slow
def test_a_token_that_is_not_there_is_refused_in_every_figure(figure: str, token: str) -> None:
    att = attention(random_weights(1, 2, 5, 7))
    file_format = "csv" if figure == "table" else "svg"
    with pytest.raises(BadSelection, match=f"There is no {token.replace(':', ' ')} to isolate: this text has"):
        viz.export(att, figure, file_format, layer=0, head=1, token=token)
    # One that is there, though outside the region, changes nothing in figures that isolate nothing.
    if figure != "flow":
        assert viz.export(att, figure, file_format, layer=0, head=1, token="query:4", region="0-2:0-3")
