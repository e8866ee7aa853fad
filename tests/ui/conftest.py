"""What the tests of pages need."""

import pytest


@pytest.fixture(autouse=True)
def _pages_wait_for_models_and_texts(monkeypatch):
    """A test's page runs once, however busy the machine is; tests of waiting set their own times."""
    monkeypatch.setattr("ui.panels.model_loading.QUICK_SECONDS", 120.0)
    monkeypatch.setattr("ui.panels.trace_request.READING_SECONDS", 120.0)
