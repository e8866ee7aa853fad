"""A picture has the width that is asked for, with letters of at least 6 points, inside the page."""

import io
import re
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from pypdf import PdfReader

import viz
from models import Attention
from tests.helpers.draw import TEXT_FIGURES, view_of
from tests.helpers.hand_made import attention, random_weights, tokens
from tests.helpers.read_back import SVG
from viz import CannotExport, DrawOptions
from viz.figures.registry import FIGURES
from viz.paper.drawing import drawing
from viz.paper.fonts import find_fonts

pytestmark = pytest.mark.slow

ENGLISH = ("the", "quick", "brown", "foxes", "jumped", "over", "a", "lazy", "dog", "sleeping", "below", "##ing", ".")
CHINESE = tuple("猫坐在垫子上因为它累了的人")
WIDTHS = {"8cm": 8, "120mm": 12, "17.6cm": 17.6, None: None}


def text(n: int, words: tuple[str, ...]) -> Attention:
    special = tokens("[CLS]", *(words[place % len(words)] for place in range(n - 1)), special=[0])
    return attention(random_weights(2, 12, n, n), special)


def font_sizes(svg: bytes) -> set[float]:
    """Sizes of the letters of an SVG, in points."""
    found = set()
    for element in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        size = re.search(r"font(?:-size)?: (?:[a-z0-9]+ )*?([0-9.]+)px", element.get("style", ""))
        assert size
        found.add(float(size[1]))
    return found


@pytest.mark.parametrize("figure", TEXT_FIGURES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("n", [13, 20, 60])
@pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_letters_can_be_read_inside_a_page_of_the_width(
    figure: str, width: str | None, n: int, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    att, options = text(n, words), DrawOptions(special="hide", scale="log")
    draw, drawings = FIGURES[figure].to_paper, []
    monkeypatch.setattr(FIGURES[figure], "to_paper", lambda *given: drawings.append(draw(*given)) or drawings[-1])
    made = viz.export(att, figure, "svg", layer=0, head=1, options=options, width=width)
    assert min(font_sizes(made.data)) >= 6
    inches = WIDTHS[width] and WIDTHS[width] / 2.54
    if inches:
        root = ElementTree.fromstring(made.data)
        assert float(root.get("width", "").removesuffix("pt")) / 72 == pytest.approx(inches, rel=0.005)
    with drawing(find_fonts(words)[0]):
        (drawn,) = drawings  # what the file shows
        FigureCanvasAgg(drawn)
        drawn.draw_without_rendering()
        page = drawn.bbox.padded(0.5)
        for shown in drawn.findobj(Text):
            place = shown.get_window_extent()
            if shown.get_text() and shown.get_visible():
                inside = page.x0 <= place.x0 and place.x1 <= page.x1 and page.y0 <= place.y0 and place.y1 <= page.y1
                assert inside, shown.get_text()


@pytest.mark.parametrize("figure", TEXT_FIGURES)
@pytest.mark.parametrize(("width", "cm"), [("8cm", 8), ("85mm", 8.5), ("3.3in", 8.382), ("17.6 cm", 17.6)])
def test_every_paper_format_has_the_width(figure: str, width: str, cm: float) -> None:
    att = text(13, ENGLISH)
    made = {name: viz.export(att, figure, name, layer=0, head=1, width=width).data for name in ("png", "pdf")}
    assert Image.open(io.BytesIO(made["png"])).width == pytest.approx(cm / 2.54 * 300, abs=1)
    (page,) = PdfReader(io.BytesIO(made["pdf"])).pages
    assert float(page.mediabox.width) / 72 * 2.54 == pytest.approx(cm, rel=0.005)


def test_labels_that_do_not_fit_are_left_out_and_counted() -> None:
    drawn = FIGURES["heatmap"].to_paper(view_of("heatmap", text(60, ENGLISH), 0, 1), DrawOptions(), 8 / 2.54)
    shown = [label.get_text() for label in drawn.axes[0].get_yticklabels()]
    assert 5 < len(shown) < 60
    assert f"labelled: {len(shown)} of 60 queries" in drawn.get_suptitle().replace("\n", " ")


@pytest.mark.parametrize("figure", ["heatmap", "flow"])
def test_a_width_without_room_is_refused_with_the_smallest_one(figure: str) -> None:
    att = attention(random_weights(2, 2), tokens("a" * 24, "b" * 24))
    with pytest.raises(CannotExport, match=r"does not fit into 3 cm .* give at least [0-9.]+cm\.") as refusal:
        viz.export(att, figure, "svg", layer=0, head=0, width="3cm")
    smallest = re.search(r"at least ([0-9.]+cm)\.$", str(refusal.value))
    assert smallest
    viz.export(att, figure, "svg", layer=0, head=0, width=smallest[1])
    less = f"{float(smallest[1][:-2]) - 0.2:.1f}cm"
    with pytest.raises(CannotExport):
        viz.export(att, figure, "svg", layer=0, head=0, width=less)


@pytest.mark.parametrize("width", ["0cm", "1e9cm", "abc", "-8cm", "8", "nancm", "999999cm", "8cm\n8cm", "٨cm"])
def test_a_width_that_is_none_is_refused_in_one_sentence(width: str) -> None:
    with pytest.raises(CannotExport, match=r"^A width is .*\.$"):
        viz.export(text(13, ENGLISH), "heatmap", "svg", layer=0, head=0, width=width)


def test_a_table_has_no_width() -> None:
    with pytest.raises(CannotExport, match="Only PNG, SVG and PDF have a width"):
        viz.export(text(13, ENGLISH), "table", "csv", layer=0, head=0, width="8cm")
