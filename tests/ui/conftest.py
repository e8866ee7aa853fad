"""Fixtures for the tests of pages."""

import threading
from collections.abc import Iterator
from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner

# For each page that a test opens, AppTest reads the metadata of all installed packages, a third of the page's time.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


@pytest.fixture(autouse=True)
def _pages_wait_for_models_and_texts(monkeypatch) -> Iterator[None]:
    """The page of a test runs once, even on a busy machine; tests of waiting set their own times.

    A test ends when the jobs that it left have ended. While transformers loads a model, `tie_weights` of all models is
    another method, in all threads: a job that still loads one spoils the model that the next test loads.
    """
    monkeypatch.setattr("ui.panels.model_loading.QUICK_SECONDS", 120.0)
    monkeypatch.setattr("ui.panels.trace_request.READING_SECONDS", 120.0)
    for panel in ("maps", "on_demand", "trace_file", "trust"):
        monkeypatch.setattr(f"ui.panels.{panel}.QUICK_SECONDS", 120.0)
    # A page waits for a trace as long as it may take without a question.
    monkeypatch.setenv("HEADLIGHT_ASK_SECONDS", "120")
    # Behind two busy test processes, a training of lower priority would be given a quarter of the time.
    monkeypatch.setattr("ui.services.training_process.LOWER_PRIORITY", 0)
    yield
    for thread in threading.enumerate():
        if thread.name == "headlight-job":
            thread.join(120)
