"""SVG and PDF, read back by an XML parser and by pypdf: text is text, shapes are vectors, fonts are embedded."""

import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from pypdf import PdfReader

import models
import viz
from tests.helpers.cat_sentence import HEAD, LAYER
from tests.helpers.draw import TEXT_FIGURES
from tests.helpers.hand_made import attention, random_weights, tokens
from tests.helpers.read_back import SVG, svg_texts
from viz import DrawOptions, Export
from viz.colours import NOT_A_NUMBER, masked, table

pytestmark = pytest.mark.slow

DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"


def fonts(data: bytes) -> Iterator[tuple[Any, Any, Any]]:
    """Font, descendant and descriptor of every font in a PDF."""
    for page in PdfReader(io.BytesIO(data)).pages:
        for reference in page["/Resources"]["/Font"].values():
            font = reference.get_object()
            descendant = font["/DescendantFonts"][0].get_object()
            yield font, descendant, descendant["/FontDescriptor"].get_object()


@pytest.mark.parametrize("figure", ["heatmap", "flow"])
def test_svg_text_stays_text_and_every_token_is_there_on_both_sides(
    cat: models.Attention, exported: Callable[[str, str], Export], figure: str
) -> None:
    texts = svg_texts(exported(figure, "svg").data)
    for token in {token.text for token in cat.key_tokens}:
        assert texts.count(token) == 2 * sum(other.text == token for other in cat.key_tokens)
    assert any(text.startswith(f"Layer {LAYER}, head {HEAD}") for text in texts)


@pytest.mark.parametrize("figure", TEXT_FIGURES)
def test_svg_text_has_a_fallback_that_every_reader_has(exported: Callable[[str, str], Export], figure: str) -> None:
    families = re.findall(r"font(?:-family)?: ([^;\"]*'DejaVu Sans'[^;\"]*)", exported(figure, "svg").data.decode())
    assert families
    assert all(family.endswith(", sans-serif") for family in families)


@pytest.mark.parametrize("figure", TEXT_FIGURES)
def test_svg_metadata_hold_the_origin_and_no_date(exported: Callable[[str, str], Export], figure: str) -> None:
    made = exported(figure, "svg")
    (description,) = ElementTree.fromstring(made.data).iter(f"{DUBLIN_CORE}description")
    assert json.loads(description.text) == made.origin
    assert not list(ElementTree.fromstring(made.data).iter(f"{DUBLIN_CORE}date"))


@pytest.mark.parametrize("figure", TEXT_FIGURES)
def test_svg_runs_nothing_and_asks_nobody(exported: Callable[[str, str], Export], figure: str) -> None:
    for element in ElementTree.fromstring(exported(figure, "svg").data).iter():
        assert element.tag != f"{SVG}script"
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on")
            if name.endswith("href"):
                assert value.startswith(("#", "data:image/png;base64,"))


@pytest.mark.parametrize("figure", TEXT_FIGURES)
def test_pictures_are_drawn_with_vectors_only(exported: Callable[[str, str], Export], figure: str) -> None:
    assert not list(ElementTree.fromstring(exported(figure, "svg").data).iter(f"{SVG}image"))
    (page,) = PdfReader(io.BytesIO(exported(figure, "pdf").data)).pages
    assert len(page.images) == 0


@pytest.mark.parametrize("figure", TEXT_FIGURES)
def test_pdf_embeds_every_font_as_what_it_says(exported: Callable[[str, str], Export], figure: str) -> None:
    found = list(fonts(exported(figure, "pdf").data))
    assert found
    for font, descendant, descriptor in found:
        assert font["/Subtype"] == "/Type0"
        assert descendant["/Subtype"] == "/CIDFontType2"
        assert "/ToUnicode" in font
        assert descriptor["/FontFile2"].get_object().get_data()[:4] == b"\0\1\0\0"


def test_pdf_embeds_chinese_as_truetype_outlines() -> None:
    # Noto CJK has CFF outlines; in a FontFile2 they would be dots in readers that take PDF at its word.
    att = attention(random_weights(3, 3), tokens("猫坐在", "垫子上", "cat"))
    made = viz.export(att, "heatmap", "pdf", layer=0, head=0)
    assert made.notice is None
    found = {font["/BaseFont"]: descriptor for font, _, descriptor in fonts(made.data)}
    (chinese,) = [descriptor for name, descriptor in found.items() if "CJK" in name]
    assert chinese["/FontFile2"].get_object().get_data()[:4] == b"\0\1\0\0"
    text = PdfReader(io.BytesIO(made.data)).pages[0].extract_text()
    assert "猫坐在" in text
    assert "垫子上" in text


@pytest.mark.parametrize("figure", TEXT_FIGURES)
def test_pdf_has_one_page_its_origin_and_no_date(exported: Callable[[str, str], Export], figure: str) -> None:
    made = exported(figure, "pdf")
    reader = PdfReader(io.BytesIO(made.data))
    assert len(reader.pages) == 1
    assert json.loads(reader.metadata.subject) == made.origin
    assert reader.metadata.creation_date is None


@pytest.mark.parametrize("figure", ["heatmap", "flow"])
def test_pdf_text_can_be_searched(cat: models.Attention, exported: Callable[[str, str], Export], figure: str) -> None:
    text = PdfReader(io.BytesIO(exported(figure, "pdf").data)).pages[0].extract_text()
    assert all(token.text in text for token in cat.key_tokens)


def boxes(data: bytes) -> dict[str, int]:
    """How many boxes are filled with each colour; those of one colour are one path."""
    found: dict[str, int] = {}
    for path in ElementTree.fromstring(data).iter(f"{SVG}path"):
        fill = re.search(r"fill: (#[0-9a-f]{6})", path.get("style", ""))
        if fill:
            found[fill[1]] = found.get(fill[1], 0) + path.get("d", "").count("M")
    return found


@pytest.mark.parametrize("figure", ["heatmap", "grid"])
def test_cells_are_drawn_in_the_colours_of_their_weights(figure: str) -> None:
    weights = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    found = boxes(viz.export(attention(weights), figure, "svg", layer=0, head=0).data)
    # Two cells of weight 1 and the end of the bar; cells of weight 0 have the background's colour and need no shape.
    assert found["#08306b"] == 3
    assert NOT_A_NUMBER not in found


@pytest.mark.parametrize("figure", ["heatmap", "grid"])
def test_masked_and_bad_cells_differ_on_paper_too(figure: str) -> None:
    weights = random_weights(5, 5)
    weights[3, 1] = np.nan
    made = viz.export(attention(weights, causal=True), figure, "svg", layer=0, head=0)
    assert boxes(made.data)[NOT_A_NUMBER] == 1
    assert boxes(made.data)[masked("blues")[1]] == 4  # a run a query, whose last sees all
    assert "grey: masked, pink: not a number" in " ".join(svg_texts(made.data))
    assert NOT_A_NUMBER in viz.export(attention(weights), "flow", "svg", layer=0, head=0).data.decode()


def test_maps_of_very_many_cells_are_images_of_the_same_colours() -> None:
    weights = np.random.default_rng(0).uniform(0.1, 1, (3, 5, 43, 41)).astype(np.float32)
    weights[0, 0, 0, 0] = np.nan
    reader = PdfReader(io.BytesIO(viz.export(attention(weights), "grid", "pdf").data))
    pictures = [np.asarray(image.image.convert("RGB")) for image in reader.pages[0].images]
    assert [picture.shape for picture in pictures] == [(43, 41, 3)] * 15
    pink = [(picture == np.frombuffer(bytes.fromhex(NOT_A_NUMBER[1:]), np.uint8)).all(-1) for picture in pictures]
    (bad,) = [number for number, found in enumerate(pink) if found.any()]
    # A PDF counts an image's rows from below where the axis runs down.
    np.testing.assert_array_equal(np.argwhere(pink[bad]), [[42, 0]])
    np.testing.assert_array_equal(pictures[bad][42 - 7, 11], table("blues")[round(float(weights[0, 0, 7, 11]) * 255)])


def test_a_flow_has_one_curve_a_pair_above_the_threshold() -> None:
    weights = random_weights(5, 7)
    for threshold in (0.0, 0.1, 0.4):
        look = {"options": DrawOptions(threshold=threshold)}
        made = viz.export(attention(weights), "flow", "svg", layer=0, head=0, **look)
        curves = [path for path in ElementTree.fromstring(made.data).iter(f"{SVG}path") if " C " in _flat(path)]
        glyph_free = [path for path in curves if "stroke-opacity" in path.get("style", "")]
        assert len(glyph_free) == (weights >= threshold).sum()


def _flat(path: ElementTree.Element) -> str:
    return path.get("d", "").replace("\n", " ")


@pytest.mark.parametrize("figure", TEXT_FIGURES)
@pytest.mark.parametrize("file_format", ["png", "svg", "pdf"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 61), (61, 1), (3, 211)])
def test_extreme_shapes_make_a_picture(figure: str, file_format: str, shape: tuple[int, int]) -> None:
    assert viz.export(attention(random_weights(*shape)), figure, file_format, layer=0, head=0).data


def test_a_file_of_a_long_head_stays_vector_and_small() -> None:
    weights = np.random.default_rng(0).uniform(0.1, 1, (499, 511))
    made = viz.export(attention(weights), "heatmap", "pdf", layer=0, head=0)
    assert len(PdfReader(io.BytesIO(made.data)).pages[0].images) == 0
    assert len(made.data) < 600_000  # 373 kB with 128 x 128 cells
