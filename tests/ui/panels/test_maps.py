"""The map that the page shows: a method by link or by menu, what does not fit, long maps, the target of a gradient."""

import threading
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import models
from analysis import derive
from models import Attention
from tests.helpers.e2e_models import save_bart
from tests.helpers.inspect_page import instrument, run, select
from tests.helpers.page_elements import address, widget
from ui.panels import maps as panel
from ui.services import maps as service
from ui.services.jobs import Stopped

pytestmark = pytest.mark.slow

TEXT = "Birds sing at dawn."
SECONDS = 20


def said(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption, *app.info, *app.error))


def shown(app: AppTest) -> tuple[str, np.ndarray]:
    """The method of the instrument's maps, and their weights."""
    header, arrays = instrument(app)
    n_tokens = len(header["queries"])
    return header["method"], arrays["weights"].reshape(len(header["heads"]), -1, n_tokens, n_tokens)


def expect_map(app: AppTest, att: Attention) -> None:
    method, weights = shown(app)
    assert method == att.method
    np.testing.assert_array_equal(weights, [[att.weights(n, h) for h in range(att.n_heads)] for n in range(6)])


@pytest.fixture(scope="module")
def traced(minilm: models.Model) -> Attention:
    return minilm.trace(TEXT)["encoder"]


def test_a_visitor_goes_through_all_methods_and_back(minilm: models.Model, traced: Attention):
    app = run(text=TEXT, layer="5", head="11")
    names = {instrument(app)[0]["trace"]}
    for method in ("value-weighted", "rollout", "flow", "gradient"):
        widget(app, "show").set_value(method).run()
        assert not app.exception
        expect_map(app, derive(method, traced, minilm, {"text": TEXT}))
        assert address(app)["show"] == method
        header = instrument(app)[0]
        assert header["source"]["show"] == method
        assert header["opening"]["selection"].startswith("layer=5&head=11")
        names.add(header["trace"])
        assert "is divided by its sum" in said(app)
        assert app.get("latex") or "arxiv.org/abs/" in said(app)
        assert not app.info  # nothing is said of the head that a rollout does not have
    assert len(names) == 5  # tiles of one map are never taken for those of another
    widget(app, "show").set_value("attention").run()
    expect_map(app, traced)
    assert "show" not in address(app)
    assert instrument(app)[0]["trace"] in names  # the same trace as before


def test_a_link_opens_a_rollout_without_a_word_about_its_head(traced: Attention):
    app = run(text=TEXT, show="rollout", layer="4", head="7")
    expect_map(app, derive("rollout", traced))
    assert "There is no layer" not in said(app)
    select(app, layer=3, head=0)
    export = app.get("popover")
    assert any("Export" in each.proto.popover.label for each in export)


def refused(app: AppTest) -> str:
    """What is said of a map that cannot be shown; the page shows the attention."""
    header = instrument(app)[0]
    assert (header["method"], header["source"].get("show")) == ("attention", None)
    assert not app.error
    (sentence,) = [each.value.replace("\\", "") for each in app.info]
    assert sentence.endswith(" The attention is shown instead.")
    return sentence


def test_what_does_not_fit_is_one_sentence_and_the_attention_is_shown(tmp_path: Path):
    folder = str(save_bart(tmp_path / "bart"))
    app = run(model=folder, text="the cat", target="a b", kind="cross", show="rollout")
    assert "choose the attention of the encoder or of the decoder." in refused(app)
    widget(app, "kind").set_value("decoder").run()
    assert instrument(app)[0]["method"] == "rollout"


def test_a_wrong_target_of_a_link_is_one_sentence():
    app = run(text=TEXT, show="gradient", goal="class:99")
    assert "class" in refused(app)
    assert widget(app, "goal").options[-1] == "class:99"
    widget(app, "goal").set_value("").run()
    assert instrument(app)[0]["method"] == "gradient"


def test_a_trace_from_a_file_has_the_maps_that_need_no_model(
    traced: Attention, minilm: models.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "birds.npz"
    minilm.trace(TEXT).save(path)
    monkeypatch.setenv("HEADLIGHT_TRACE", str(path))
    app = run(trace="server", show="rollout")
    expect_map(app, derive("rollout", traced))
    assert instrument(app)[0]["source"]["file"] == "birds.npz"
    widget(app, "show").set_value("value-weighted").run()
    expect_map(app, traced)
    assert "Value\\-weighted needs the model" in said(app)


def test_a_long_map_is_confirmed_watched_and_stopped(traced: Attention, monkeypatch: pytest.MonkeyPatch):
    free, stopped, real = threading.Semaphore(0), threading.Event(), service.derive

    def slow(*given, progress, **options):
        def wait_for_test(done, total):
            assert free.acquire(timeout=SECONDS)
            try:
                progress(done, total)
            except Stopped:
                stopped.set()
                raise

        return real(*given, progress=wait_for_test, **options)

    monkeypatch.setattr(service, "derive", slow)
    monkeypatch.setattr(panel, "QUICK_SECONDS", 0.1)
    app = run(text="Fish swim at dusk.")
    monkeypatch.setattr(panel, "ask_seconds", lambda: 0.0)
    widget(app, "show").set_value("flow").run()
    assert "Flow takes long here (7 tokens" in said(app)
    assert shown(app)[0] == "attention"
    app.button(key="start map").click().run()
    free.release()
    app.run()
    assert "Flow (the pictures show the attention until it is there): " in app.get("progress")[0].proto.text
    app.button(key="stop map").click().run()
    free.release(100)
    assert stopped.wait(SECONDS)
    assert "Stopped. Flow takes long here" in said(app)
    app.button(key="start map").click().run()
    if "map started" in app.session_state:  # else the map was there at once
        panel.maps().find(app.session_state["map started"]).wait(SECONDS)
        app.run()
    assert shown(app)[0] == "flow"


def test_the_gradient_is_of_what_the_visitor_chooses(minilm: models.Model, traced: Attention):
    app = run(text=TEXT, show="gradient")
    goal = widget(app, "goal")
    assert goal.options == ["Of the model's own answer", "Sentence embedding"]
    goal.set_value("embedding").run()
    assert address(app)["goal"] == "embedding"
    assert instrument(app)[0]["source"]["goal"] == "embedding"
    expect_map(app, derive("gradient", traced, minilm, {"text": TEXT}, "embedding"))
