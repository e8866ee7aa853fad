"""Pictures on paper fit a page and its column of text: sizes, titles, colour bars."""

import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import viz
from models import Attention
from tests.helpers.draw import TEXT_FIGURES, paper
from tests.helpers.hand_made import attention, random_weights, tokens
from viz import DrawOptions
from viz.paper.drawing import drawing
from viz.paper.frame import MARGIN

WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "sleeps", "below")


def text(n: int) -> Attention:
    return attention(random_weights(n, n), tokens(*(WORDS[place % len(WORDS)] for place in range(n))))


def inches(att: Attention, figure: str, **given: Any) -> tuple[float, float]:
    """Width and height of a PNG."""
    wide, high = Image.open(io.BytesIO(viz.export(att, figure, "png", layer=0, head=0, **given).data)).size
    return wide / 300, high / 300


def laid_out(figure: Figure) -> Figure:
    with drawing(["DejaVu Sans"]):
        FigureCanvasAgg(figure).draw()
    return figure


@pytest.mark.slow
@pytest.mark.parametrize(
    ("figure", "shape"),
    [
        ("heatmap", (13, 13)),
        ("heatmap", (61, 61)),
        ("heatmap", (3, 61)),
        ("heatmap", (61, 2)),
        ("grid", (6, 12)),
        ("grid", (1, 2)),
        ("grid", (7, 3)),
    ],
)
def test_the_colour_bar_is_as_high_as_its_picture(figure: str, shape: tuple[int, int]) -> None:
    if figure == "heatmap":
        drawn = laid_out(paper("heatmap", attention(random_weights(*shape)), 0, 0, options=DrawOptions(scale="root")))
    else:
        drawn = laid_out(paper("grid", attention(random_weights(*shape, 5, 7))))
    axes = drawn.axes[0]
    bar = axes.child_axes[0].get_window_extent()
    if figure == "heatmap":
        (_, low), (_, top) = axes.get_window_extent().get_points()
    else:
        places = [frame.get_window_extent() for frame in axes.patches]
        low, top = min(place.y0 for place in places), max(place.y1 for place in places)
    assert (bar.y0, bar.y1) == pytest.approx((low, top), abs=0.5)
    assert bar.width == pytest.approx(13)  # of 100 to the inch


@pytest.mark.parametrize("n", [61, 127])
@pytest.mark.slow
def test_a_flow_fits_a_page_with_text_that_can_be_read(n: int) -> None:
    assert inches(text(n), "flow")[1] <= 9.6
    sizes = {shown.get_fontsize() for shown in paper("flow", text(n), 0, 0).axes[0].texts}
    assert min(sizes) >= 5


@pytest.mark.slow
def test_the_default_grid_fits_a_column_of_text_with_numbers_that_can_be_read() -> None:
    wide, high = inches(attention(random_weights(6, 12, 13, 13)), "grid")
    assert 6.5 < wide < 7.3
    assert high < 4
    axes = paper("grid", attention(random_weights(6, 12, 13, 13)), None, None).axes[0]
    assert {label.get_fontsize() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())} == {7.5}


@pytest.mark.parametrize("texts", [("[CLS]", "(", "]", "7"), ("(", "[", "]", ")"), ("i", "l", ".", "e\u0301")])
def test_a_single_character_stands_upright_below_its_column_and_above_the_title(texts: tuple[str, ...]) -> None:
    drawn = laid_out(paper("heatmap", attention(random_weights(4, 4), tokens(*texts)), 0, 0))
    axis = drawn.axes[0].xaxis
    turned = {shown.get_text(): shown.get_rotation() for shown in axis.get_ticklabels()}
    assert turned == {each: 90 if each == "[CLS]" else 0 for each in texts}
    places = [shown.get_window_extent() for shown in axis.get_ticklabels()]
    assert not any(one.overlaps(other) for one, other in pairwise(places))
    title = axis.label.get_window_extent()
    assert 2 * MARGIN * drawn.dpi <= title.y0 < title.y1 <= min(place.y0 for place in places)


@pytest.mark.parametrize("shape", [(48, 32), (3, 61), (61, 2)])
@pytest.mark.slow
def test_numbers_of_very_many_heads_do_not_run_into_each_other(shape: tuple[int, int]) -> None:
    drawn = laid_out(paper("grid", attention(random_weights(*shape, 3, 2))))
    axes = drawn.axes[0]
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        places = [label.get_window_extent() for label in labels]
        assert not any(one.overlaps(other) for one, other in pairwise(places))
    assert max(inches(attention(random_weights(*shape, 3, 2)), "grid")) < 9.6


@pytest.mark.parametrize("figure", TEXT_FIGURES)
def test_a_title_wraps_instead_of_widening_the_figure(figure: str) -> None:
    weights = random_weights(3, 3)
    weights[2, 0] = np.nan
    with drawing(["DejaVu Sans"]):
        drawn = paper(figure, attention(weights, causal=True), 0, 0, token="" if figure == "grid" else "query:2")
        FigureCanvasAgg(drawn).draw()
    assert drawn.get_suptitle().count("\n") >= 1
    for shown in (drawn._suptitle, *drawn.axes[0].texts):
        place = shown.get_window_extent()
        assert 0 <= place.x0 < place.x1 <= drawn.bbox.x1
        assert 0 <= place.y0 < place.y1 <= drawn.bbox.y1 + 0.5


def test_a_line_of_the_title_that_begins_with_hebrew_still_runs_to_the_right() -> None:
    att = attention(np.eye(2), tokens("\u05d7\u05ea\u05d5\u05dc", "b"))
    with drawing(["DejaVu Sans"]):
        title = paper("flow", att, 0, 0, token="query:0").get_suptitle()
    first, second = title.split("\n")[:2]
    assert first.startswith("Layer 0")
    assert second.startswith("\u200e\u2068\u05d7\u05ea\u05d5\u05dc\u2069 (0) attends to")
