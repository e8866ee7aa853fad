"""What can be exported and what is refused; files are equal for equal pictures and say where they come from."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import models
import viz
from models.errors import BadSelection
from tests.helpers.cat_sentence import CAT, HEAD, LAYER
from tests.helpers.draw import PLAIN_VIEW, TEXT_FIGURES, view_of
from tests.helpers.hand_made import attention, random_weights
from viz import CannotExport, DrawOptions, Export
from viz.files.export import format_of
from viz.formats import MIME, PICTURES, TABLES

pytestmark = pytest.mark.slow

EVERY = [(figure, name) for figure in TEXT_FIGURES for name in PICTURES] + [("table", name) for name in TABLES]


@pytest.mark.parametrize(("figure", "file_format"), EVERY)
def test_equal_pictures_are_equal_files(
    cat: models.Attention, exported: Callable[[str, str], Export], figure: str, file_format: str
) -> None:
    again = viz.export(cat, figure, file_format, layer=LAYER, head=HEAD)
    assert again.data == exported(figure, file_format).data
    assert file_format in MIME


@pytest.mark.parametrize("figure", TEXT_FIGURES)
def test_png_opens_at_300_dpi_and_carries_its_origin(exported: Callable[[str, str], Export], figure: str) -> None:
    picture = Image.open(io.BytesIO(exported(figure, "png").data))
    picture.load()
    assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    origin = json.loads(picture.text["headlight"])
    assert origin == exported(figure, "png").origin
    assert picture.text["Software"].startswith("Headlight ")
    # A picture and no empty page: ink, and more than one shade of it.
    assert len(np.unique(np.asarray(picture.convert("L")))) > 20


@pytest.mark.parametrize("figure", [*TEXT_FIGURES, "table"])
def test_the_origin_is_enough_to_make_the_file_again(exported: Callable[[str, str], Export], figure: str) -> None:
    origin = exported(figure, "csv" if figure == "table" else "png").origin
    assert origin["source"]["model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert origin["source"]["revision"]
    assert origin["source"]["text"] == CAT
    assert (origin["kind"], origin["layer"], origin["head"]) == ("encoder", LAYER, HEAD)
    assert (origin["n_query"], origin["n_key"]) == (13, 13)
    assert origin["figure"] == figure
    assert origin["made_by"].startswith("Headlight ")
    assert {"torch", "transformers", "matplotlib", "plotly"} <= set(origin["versions"])
    # Only what changed the picture: a heatmap has no threshold, a table no colours.
    wanted = {
        "heatmap": {"palette", "scale"},
        "flow": {"palette", "scale", "threshold"},
        "grid": {"palette", "scale", "pooling"},
        "table": set(),
    }
    assert wanted[figure] <= set(origin["transformations"])
    assert figure == "flow" or set(origin["transformations"]) == wanted[figure] | set(PLAIN_VIEW)


def test_the_options_are_in_the_picture_and_in_its_origin(cat: models.Attention) -> None:
    options = {"threshold": 0.31, "palette": "viridis", "scale": "root"}
    made = viz.export(cat, "flow", "svg", layer=LAYER, head=HEAD, options=DrawOptions(**options))
    assert made.origin["transformations"] | options == made.origin["transformations"]
    assert b"lines from 0.31 up hold" in made.data
    assert b"#2a788e" in made.data


@pytest.mark.parametrize(
    ("figure", "file_format", "sentence"),
    [
        ("heatmap", "csv", "A heatmap cannot be written as 'csv': choose png, svg, pdf, html."),
        ("table", "png", "A table cannot be written as 'png': choose csv, npz."),
        ("pie", "png", "There is no figure 'pie': choose heatmap, flow, grid, view, patches, signal, sound or table."),
        ("grid", "", "A grid cannot be written as ''"),
        ("grid", "x" * 99, f"A grid cannot be written as '{'x' * 40}': choose"),
    ],
)
def test_what_does_not_exist_is_refused(figure: str, file_format: str, sentence: str) -> None:
    with pytest.raises(CannotExport) as refusal:
        viz.export(attention(np.eye(2)), figure, file_format, layer=0, head=0)
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize("figure", ["heatmap", "flow"])
@pytest.mark.parametrize("selection", [{}, {"layer": 0}, {"head": 0}])
def test_one_head_needs_a_layer_and_a_head(figure: str, selection: dict[str, int]) -> None:
    with pytest.raises(BadSelection, match=f"A {figure} shows one head: give a layer and a head."):
        viz.export(attention(np.eye(2)), figure, "png", **selection)


@pytest.mark.parametrize("selection", [{"layer": 99}, {"layer": 0}, {"head": 0}])
def test_a_grid_outlines_a_whole_head_or_none(selection: dict[str, int], tmp_path: Path) -> None:
    att, sentence = attention(np.eye(2)), "A grid outlines one head: give a layer and a head, or neither."
    with pytest.raises(BadSelection, match=sentence):
        viz.grid(att, **selection)
    for suffix in PICTURES:
        with pytest.raises(BadSelection, match=sentence):
            viz.save(att, "grid", tmp_path / f"heads.{suffix}", **selection)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("figure", "file_format"), EVERY)
def test_a_head_that_does_not_exist_is_refused(cat: models.Attention, figure: str, file_format: str) -> None:
    with pytest.raises(BadSelection, match=r"There is no head 12: layer 0 has heads 0 to 11\."):
        viz.export(cat, figure, file_format, layer=0, head=12)


def test_a_suffix_picks_the_format_in_any_case() -> None:
    assert format_of("heatmap", "a.b.PNG") == "png"
    assert format_of("table", Path("deep") / "weights.npz") == "npz"
    for name, sentence in (("head", "'head' has no suffix"), (".svg", "'.svg' has no suffix"), ("a.gif", "'.gif'")):
        with pytest.raises(CannotExport) as refusal:
            format_of("heatmap", name)
        assert sentence in str(refusal.value)
        assert ".png, .svg, .pdf, .html" in str(refusal.value)


def test_saving_writes_the_same_bytes(cat: models.Attention, tmp_path: Path) -> None:
    made = viz.save(cat, "heatmap", tmp_path / "head.SVG", layer=LAYER, head=HEAD)
    assert (tmp_path / "head.SVG").read_bytes() == made.data
    assert [path.name for path in tmp_path.iterdir()] == ["head.SVG"]


def test_nothing_is_written_when_it_is_refused(cat: models.Attention, tmp_path: Path) -> None:
    for name, head in (("head.png", 99), ("head.gif", 0)):
        with pytest.raises(models.HeadlightError):
            viz.save(cat, "heatmap", tmp_path / name, layer=0, head=head)
    assert list(tmp_path.iterdir()) == []


def test_rows_are_counted_before_they_are_made() -> None:
    att = attention(random_weights(2, 3, 5, 7))
    assert view_of("table", att, 1, 2).n_rows == 5 * 7
    assert view_of("table", att, 1, None).n_rows == 3 * 5 * 7
    assert view_of("table", att).n_rows == 2 * 3 * 5 * 7


def test_a_drawing_leaves_matplotlib_and_the_weights_as_they_were(cat: models.Attention) -> None:
    import matplotlib
    from matplotlib import pyplot
    from matplotlib.backends import _backend_pdf_ps

    before = dict(matplotlib.rcParams), _backend_pdf_ps.font_as_file, cat.weights(LAYER, HEAD)
    viz.export(cat, "flow", "pdf", layer=LAYER, head=HEAD)
    assert dict(matplotlib.rcParams) == before[0]
    assert _backend_pdf_ps.font_as_file is before[1]
    np.testing.assert_array_equal(cat.weights(LAYER, HEAD), before[2])
    assert pyplot.get_fignums() == []
