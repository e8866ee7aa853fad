"""Fixtures for the tests of pages."""

import pytest


@pytest.fixture(autouse=True)
def _pages_wait_for_models_and_texts(monkeypatch):
    """The page of a test runs once, even on a busy machine; tests of waiting set their own times."""
    monkeypatch.setattr("ui.panels.model_loading.QUICK_SECONDS", 120.0)
    monkeypatch.setattr("ui.panels.trace_request.READING_SECONDS", 120.0)
