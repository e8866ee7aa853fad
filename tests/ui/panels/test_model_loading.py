"""A visitor can watch and stop a model that loads slowly; if a model vanishes, the page keeps working."""

import shutil
import threading

import pytest

from models import load_model
from models.checkpoints import bundled
from tests.helpers.inspect_page import message, messages, run, tokens
from tests.helpers.page_elements import address, widget
from ui.services import models as loaded_models
from ui.services.jobs import Jobs

pytestmark = pytest.mark.slow


@pytest.fixture
def slow_model(monkeypatch):
    """A model called "org/slow" that loads until the test sets the event."""
    go_on, load = threading.Event(), loaded_models.load_model

    def wait(name, **options):
        if name != "org/slow":
            return load(name, **options)
        go_on.wait(60)
        return load_model("minilm")

    monkeypatch.setattr(loaded_models, "load_model", wait)
    monkeypatch.setattr("ui.panels.model_loading.QUICK_SECONDS", 0.2)
    monkeypatch.setattr(loaded_models, "_MODELS", Jobs(2, lambda: float("inf")))
    yield go_on
    go_on.set()


def open_slow(app):
    load_model("minilm")
    app.text_input(key="typed model").set_value("org/slow").run()


@pytest.fixture
def page(monkeypatch):
    """The page with MiniLM, opened before QUICK_SECONDS is shortened."""
    return run(text="Birds sing at dawn")


def test_a_model_that_loads_slowly_can_be_stopped(page, slow_model):
    open_slow(page)
    assert any("Loading org" in text.value for text in page.markdown)
    page.button(key="stop model").click().run()
    while not message(page):  # the previous model loads again in this test
        page.run()
    assert messages(page) == ["Opening org/slow was stopped."]
    assert "dawn" in tokens(page)
    assert "model" not in address(page)
    assert widget(page, "text").value == "Birds sing at dawn"


def test_a_model_that_loads_slowly_opens_when_it_has_loaded(page, slow_model):
    open_slow(page)
    slow_model.set()
    while not message(page):
        page.run()
    assert messages(page) == []
    assert address(page)["model"] == "org/slow"


def test_after_a_folder_vanishes_the_default_model_shows_the_text(tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(bundled.minilm_folder(), folder)
    app = run(model=str(folder), text="Birds sing at dawn")
    assert messages(app) == []
    shutil.rmtree(folder)
    widget(app, "text").set_value("Birds sing at night").run()
    assert any(f"No model is called '{folder}'" in said for said in messages(app))
    assert "night" in tokens(app)
    widget(app, "text").set_value("Birds sing at noon").run()
    assert messages(app) == []
    assert "noon" in tokens(app)


def test_if_no_model_opens_the_visitor_can_try_again(monkeypatch, tmp_path):
    folder = tmp_path / "own"
    monkeypatch.setenv("HEADLIGHT_MODELS", str(folder))
    app = run()
    assert any(str(folder) in said for said in messages(app))
    shutil.copytree(bundled.minilm_folder(), folder)
    app.button(key="try again").click().run()
    assert "because" in tokens(app)
