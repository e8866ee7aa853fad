"""What the tests of pages need."""

import pytest


@pytest.fixture(autouse=True)
def _models_open_within_a_run(monkeypatch):
    """A test's page runs once, however busy the machine is; test_opening.py sets its own time."""
    monkeypatch.setattr("ui.opening.QUICK_SECONDS", 120.0)
