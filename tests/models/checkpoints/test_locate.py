"""Names of models: bundled names, paths, and what is refused."""

from __future__ import annotations

import pytest

from models import errors, load_model
from tests.helpers.corrupt import refused

pytestmark = pytest.mark.slow

REMEDY = "give a bundled name (minilm, scratch:brackets and its siblings), a folder made by save_pretrained, or a hub "


@pytest.mark.parametrize(
    "name",
    ["", "  ", "a\0b", "x" * 5000, "/etc/passwd", "a/b/c", "a b", "~nobody-at-all/x", "\ud800", "../../nowhere", "."],
)
def test_unknown_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == ".":
        refused(errors.UnknownModel, f"{tmp_path.name} has no config.json: give a folder made by save_", name)
    else:
        refused(errors.UnknownModel, f"No model is called {name.strip()[:80]!r}: {REMEDY}", name)


def test_a_path_is_a_name(folder):
    assert load_model(folder).card.name == "spoilt"


def test_a_folder_above_is_no_model():
    refused(errors.UnknownModel, "/ has no config.json: give a folder made by save_pretrained.", "/")


def test_a_revision_where_there_is_none_is_said(tmp_path):
    """Silently opening another state than the one that was asked for would make every picture's origin wrong."""
    for name in ("minilm", str(tmp_path)):
        with pytest.raises(errors.UnknownModel, match="has no revisions, only a hub id has: leave the revision out"):
            load_model(name, revision="main")
