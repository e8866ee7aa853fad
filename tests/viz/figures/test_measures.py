"""Pictures of measures, of layers with unequal numbers of heads, numbers that are not defined, and hostile names."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import viz
from models.errors import BadSelection
from viz.figures.measures_grid import grid_to_plotly
from viz.figures.measures_points import points_to_plotly
from viz.figures.measures_scale import round_up
from viz.figures.measures_view import map_points, numbers_grid, scatter_points
from viz.files.measures import export_measures, measures_csv, measures_origin

# Layers of 3 and 5 heads.
HEADS = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 3), (1, 4)]
INDEX = pd.MultiIndex.from_tuples(HEADS, names=["layer", "head"])
NAN = float("nan")
OPTIONS = viz.DrawOptions()
HOSTILE = "<img src=x onerror=alert(1)>$x^2$"


def table() -> pd.DataFrame:
    entropy = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, NAN, 3.25]
    previous = [0.9, 0.85, 0.1, 0.2, 0.3, 0.4, 0.5, NAN]
    sink = pd.array([True, False, False, None, True, False, False, False], dtype="boolean")
    pattern = ["diagonal", "diagonal", HOSTILE, "broad", "broad", "broad", NAN, "broad"]
    return pd.DataFrame({"entropy_bits": entropy, "previous": previous, "sink": sink, "pattern": pattern}, INDEX)


def places() -> pd.DataFrame:
    found = pd.DataFrame({"x": np.arange(8.0), "y": np.arange(8.0) ** 2}, INDEX)
    found.attrs["stress"] = 0.125
    return found


def test_the_grid_leaves_missing_heads_empty_and_marks_what_is_not_defined():
    view = numbers_grid(table(), "entropy_bits", most={"entropy_bits": 3.7}, found=[(0, 1)], selected=(1, 4))
    assert (view.scale.low, view.scale.high) == (0, 3.7)
    drawn = grid_to_plotly(view, OPTIONS)
    colours, undefined, found, selected = drawn.data
    assert [list(row) for row in colours.z] == [[0.0, 0.5, 1.0, None, None], [1.5, 2.0, 2.5, None, 3.25]]
    assert (colours.zmin, colours.zmax) == (0, 3.7)
    assert [list(row) for row in undefined.z] == [[None] * 5, [None, None, None, 1.0, None]]
    assert undefined.customdata[1][3] == [1, 3]
    assert (min(found.x), max(found.x), min(found.y), max(found.y)) == pytest.approx((0.56, 1.44, -0.44, 0.44))
    assert min(selected.x) > 3
    assert "colours from 0 to 3.7; 1 not defined (pink); 1 of 8 found (orange)" in drawn.layout.title.text
    assert list(drawn.layout.yaxis.range) == [1.5, -0.5]


def test_a_share_has_a_fixed_range_and_other_measures_a_round_one():
    assert numbers_grid(table(), "previous").scale.range_text == "0 to 1"
    assert numbers_grid(table(), "sink").scale.range_text == "0 to 1"
    assert numbers_grid(table(), "entropy_bits").scale.high == 4
    assert [round_up(value) for value in (0.0, 0.011, 0.15, 1, 7, 8.5, 4096)] == pytest.approx(
        [1, 0.015, 0.15, 1, 8, 10, 5000]
    )


def test_numbers_that_may_be_negative_have_colours_on_both_sides_of_0():
    numbers = pd.DataFrame({"effect": [0.0, 0.011, -0.2, NAN, 0.05, 0.0, 0.1, 0.0]}, INDEX)
    view = numbers_grid(numbers, "effect")
    assert (view.scale.low, view.scale.high) == (-0.2, 0.2)
    drawn = grid_to_plotly(view, OPTIONS)
    assert (drawn.data[0].zmin, drawn.data[0].zmax) == (-0.2, 0.2)
    (_, low), (_, middle), (_, high) = (drawn.data[0].colorscale[n] for n in (0, 16, 32))
    assert int(low[1:3], 16) > int(low[5:], 16)  # orange
    assert int(high[1:3], 16) < int(high[5:], 16)  # blue
    assert min(int(middle[n : n + 2], 16) for n in (1, 3, 5)) > 230
    assert "colours from -0.2 to 0.2; 1 not defined (pink)" in drawn.layout.title.text
    assert export_measures(view, "pdf", measures_origin(None, "heads-effects", {})).data[:4] == b"%PDF"
    assert not numbers_grid(numbers.abs(), "effect").scale.is_signed


def test_the_scatter_leaves_out_what_has_no_place_and_says_so():
    view = scatter_points(table(), "entropy_bits", "previous", "pattern", found=[(0, 0), (1, 4)], selected=(0, 1))
    assert view.left_out == ((1, 3), (1, 4))
    assert view.heads == tuple(head for head in HEADS if head not in view.left_out)
    assert view.groups == ("broad", "diagonal", HOSTILE, "not defined")
    drawn = points_to_plotly(view, OPTIONS)
    shown = [head for trace in drawn.data if trace.customdata is not None for head in trace.customdata]
    assert sorted(map(tuple, shown)) == sorted(view.heads)
    assert "2 heads have no place" in drawn.layout.title.text
    opacities = {tuple(head): opacity for trace in drawn.data[:3] for head, opacity in
                 zip(trace.customdata, trace.marker.opacity, strict=True)}  # fmt: skip
    assert {head for head, opacity in opacities.items() if opacity > 0.9} == {(0, 0)}
    assert "<img" not in drawn.to_json()
    assert "$x" not in drawn.to_json()


def test_the_spread_of_several_texts_is_drawn_and_said():
    spread = table()[["entropy_bits", "previous"]] / 10
    view = scatter_points(table(), "entropy_bits", "previous", spread=spread)
    assert view.spread[0].tolist() == pytest.approx([0, 0.05, 0.1, 0.15, 0.2, 0.25])
    assert list(points_to_plotly(view, OPTIONS).data[0].error_y.array) == pytest.approx(view.spread[1])
    assert "Entropy: 0.50 bits ± 0.05" in view.hover[0, 1]


def test_the_map_states_its_stress_and_takes_only_its_own_heads():
    view = map_points(table(), places(), 0.125, "entropy_bits")
    assert view.note == "stress 0.12"
    assert np.isnan(view.colours[6])
    drawn = points_to_plotly(view, OPTIONS)
    known, unknown = drawn.data
    assert list(known.marker.color) == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.25]
    assert [tuple(head) for head in unknown.customdata] == [(1, 3)]
    assert drawn.layout.yaxis.scaleanchor == "x"
    with pytest.raises(BadSelection, match="other heads than the table"):
        map_points(table().iloc[1:], places(), 0.125)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (lambda: viz.heads_grid(table(), "pattern"), "There is no measure 'pattern' here: choose one of entropy_bits"),
        (lambda: viz.heads_scatter(table(), colour="nothing"), "There is no measure 'nothing' here"),
        (lambda: viz.heads_grid(table().reset_index()), "indexed by layer and head: use head_table"),
        (lambda: viz.heads_grid(table().iloc[:0]), "indexed by layer and head: use head_table"),
        (lambda: viz.save_heads(table(), "map", "map.png"), "give places=head_map"),
        (
            lambda: viz.save_heads(table(), "pie", "map.png"),
            "no picture of heads 'pie': choose grid, scatter, map",
        ),
        (lambda: viz.save_heads(table(), "table", "map.png"), "There is no picture of heads 'table'"),
        (lambda: viz.save_heads(table(), "grid", "map.gif"), "cannot be written as 'gif': choose png, svg, pdf, html"),
        (lambda: viz.save_heads(table(), "grid", "map.png", width="1cm"), "does not fit into 1 cm"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(given, sentence):
    with pytest.raises(viz.CannotExport.__base__, match=sentence):
        given()


def test_a_csv_has_every_digit_and_starts_no_formula():
    numbers = table().assign(pattern="=1+1", previous=np.arange(8) / 3)
    rows = list(csv.DictReader(io.StringIO(measures_csv(numbers).decode("utf-8-sig"))))
    assert [(int(row["layer"]), int(row["head"])) for row in rows] == HEADS
    assert [float(row["previous"]) for row in rows] == (np.arange(8) / 3).tolist()
    assert rows[6]["entropy_bits"] == ""
    assert {row["pattern"] for row in rows} == {"'=1+1"}


@pytest.mark.slow
@pytest.mark.parametrize("figure", ["grid", "scatter", "map"])
def test_files_for_paper_have_their_width_and_their_origin(figure, tmp_path):
    given = {"places": places(), "find": "previous > 0.8", "colour": "pattern", "width": "12cm"}
    viz.save_heads(table(), figure, tmp_path / "heads.png", **given)
    with Image.open(tmp_path / "heads.png") as picture:
        assert picture.width == pytest.approx(12 / 2.54 * 300, abs=1)
        origin = json.loads(picture.info["headlight"])
    assert (origin["figure"], origin["choices"]["find"]) == (f"heads {figure}", "previous > 0.8")
    viz.save_heads(table(), figure, tmp_path / "heads.svg", **given)
    assert "2 of 8 found" in (tmp_path / "heads.svg").read_text()
    viz.save_heads(table(), figure, tmp_path / "heads.html", **{**given, "width": None})
    assert "<img src=x" not in (tmp_path / "heads.html").read_text(encoding="utf-8")
