"""docs/tutorial.ipynb runs from its first cell to its last, as a notebook, and downloads nothing."""

import os

import nbformat
import pytest
from nbclient import NotebookClient

from tests.helpers.paths import ROOT

PATH = ROOT / "docs" / "tutorial.ipynb"


def test_the_notebook_is_kept_without_outputs_and_each_way_takes_few_lines():
    cells = nbformat.read(PATH, as_version=4).cells
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
    ways = [cell.source.splitlines()[0] for cell in cells if cell.source.startswith("## ")]
    assert ways == [
        "## 1. A sentence",
        "## 2. Your own model",
        "## 3. torch's layers",
        "## 4. Numbers that exist already",
    ]
    assert all(len(cell.source.splitlines()) <= 12 for cell in cells if cell.cell_type == "code")


@pytest.mark.slow
def test_every_cell_runs_and_shows_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(PATH, as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = [cell for cell in cells if "\nshow(" in cell.source]
    assert len(shown) == 4
    for cell in shown:
        (page,) = [output.data["text/html"] for output in cell.outputs if "text/html" in output.get("data", {})]
        assert "<iframe" in page
    texts = [output.data["text/plain"] for cell in cells for output in cell.outputs if "data" in output]
    assert max(map(len, texts)) < 500
    printed = "".join(output.text for cell in cells for output in cell.outputs if output.get("name") == "stdout")
    assert "'cat'" in printed
    assert "(13, 13)" in printed
    assert "('decoder',) ['she', 'likes', 'coffee'" in printed
    assert "\n()\nTrue\n" in printed
    assert {path.name for path in tmp_path.iterdir()} == {"head.svg", "coffee.npz"}
