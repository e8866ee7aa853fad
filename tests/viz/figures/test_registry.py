"""A figure is one file and one entry: everything else iterates the registry."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import models
import viz
from tests.helpers.cat_sentence import CAT, HEAD, LAYER
from tests.helpers.diagonal import Diagonal
from tests.helpers.draw import PLAIN_VIEW
from tests.helpers.inspect_page import run
from tests.helpers.paths import ROOT
from tests.helpers.read_back import data_of_page
from viz.cli.main import main
from viz.figures.registry import FIGURES
from viz.formats import PICTURES

STARTS = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-", "html": b"<!DOCTYPE html>"}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Diagonal:
    figure = Diagonal()
    monkeypatch.setitem(FIGURES, figure.name, figure)
    return figure


@pytest.mark.parametrize("file_format", PICTURES)
def test_a_new_figure_is_exported_in_every_format_with_its_origin(
    registered: Diagonal, cat: models.Attention, file_format: str
) -> None:
    made = viz.export(cat, "diagonal", file_format, layer=LAYER, head=HEAD)
    assert made.data.startswith(STARTS[file_format])
    assert (made.origin["figure"], made.origin["layer"], made.origin["head"]) == ("diagonal", LAYER, HEAD)
    assert made.origin["source"]["text"] == CAT
    assert made.origin["transformations"] == {"palette": "blues", **PLAIN_VIEW}
    data = made.data
    if file_format == "html":
        data = data_of_page(data)
    if file_format in ("svg", "html"):
        assert f"Layer {LAYER}, head {HEAD}, encoder attention".encode() in data


def test_a_new_figure_is_on_the_command_line_with_its_help(
    registered: Diagonal, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for arguments, expected in ((["--help"], registered.help), (["diagonal", "--help"], "--palette")):
        with pytest.raises(SystemExit):
            main(arguments)
        assert expected in " ".join(capfd.readouterr().out.split())
    path = tmp_path / "diagonal.svg"
    assert main(["diagonal", "--text", CAT, "--layer", "5", "--head", "11", "--threshold", "0.2", "-o", str(path)]) == 0
    assert capfd.readouterr().err == "headlight: note: --threshold changes nothing in a diagonal.\n"
    described = path.read_text(encoding="utf-8").split("<dc:description>")[1].split("</dc:description>")[0]
    assert json.loads(described.replace("&quot;", '"'))["figure"] == "diagonal"


@pytest.mark.slow
def test_a_new_figure_is_in_the_export_popover(registered: Diagonal) -> None:
    app = run(layer="5", head="11")
    app.session_state["export"] = True
    app.run()
    assert registered.offers[0].title in app.radio(key="export figure").options
    app.radio(key="export figure").set_value(registered.offers[0].title).run()
    assert "Download diagonal of layer 5, head 11 as PNG" in [each.proto.label for each in app.get("download_button")]


def comparisons(source: str) -> Iterator[str]:
    """The comparisons of a source whose one side is a figure's name, or a collection of such names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            constants = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
            names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            if names & {"figure", "figure_name"} and constants & set(FIGURES):
                yield ast.unparse(node)


@pytest.mark.slow
def test_no_code_outside_the_figures_compares_the_name_of_one() -> None:
    files = [path for room in ("models", "analysis", "viz", "ui") for path in (ROOT / room).rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)}: {each}"
        for path in files
        if ROOT / "viz" / "figures" not in path.parents
        for each in comparisons(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source", ['figure == "grid"', 'if figure in ("grid", "table"):\n    pass', '"flow" != figure']
)
def test_the_checker_sees_a_comparison(source: str) -> None:
    assert len(list(comparisons(source))) == 1
