"""Heads switched off and words struck out on the page: what is traced, shown, undone and refused."""

import html
import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from analysis import blank_out
from analysis.causes.task_effects import task_effects
from analysis.maps import METHODS
from analysis.truth import SOLVES, truth_scores
from models import load_model
from models.errors import HeadlightError
from models.scratch.tasks import TASKS
from tests.helpers.hand_made import attention, random_weights
from tests.helpers.inspect_page import instrument, messages, run, select
from tests.helpers.page_elements import address, charts, chosen, widget
from ui.panels import causes_effects
from ui.panels.causes_blanks import COMPARISON_SECONDS, SECONDS_PER_LAYER, seconds_of_comparison
from ui.panels.causes_changes import OTHER_TEXT
from ui.panels.causes_task import describe_task_effects
from ui.services import traces as services
from ui.services.models import request_model

pytestmark = pytest.mark.slow
TEXT = "The cat sat on the mat because it was tired."


@pytest.fixture(autouse=True)
def _pages_wait_for_effects(monkeypatch):
    monkeypatch.setattr("ui.panels.on_demand.QUICK_SECONDS", 120.0)


def opened(**parameters: str) -> AppTest:
    """Run the page with the panel open."""
    app = run(**parameters)
    app.session_state["causes"] = True
    return app.run()


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception
    return app


def answers(app: AppTest) -> str:
    """Return what the page says of the answers, as a reader reads it."""
    shown = [each.proto.body for each in app.get("html") if re.search('class="(outputs|answers)"', each.proto.body)]
    return " ".join(" ".join(html.unescape(re.sub("<[^>]+>", " ", body)).split()) for body in shown)


def weights(app: AppTest) -> np.ndarray:
    header, arrays = instrument(app)
    n_tokens = len(header["queries"])
    return arrays["weights"].reshape(len(header["heads"]), -1, n_tokens, n_tokens)


def test_a_head_is_switched_off_a_word_struck_out_and_both_undone():
    app = opened(layer="3", head="1")
    untouched = weights(app)
    model = load_model("minilm")
    press(app, "change head zero")
    assert chosen(app, "inspect").ablate == address(app)["ablate"] == "3.1:zero"
    traces = [model.trace(TEXT), model.trace(TEXT, ablate={(3, 1): "zero"})]
    one, other = (trace.outputs.embedding() for trace in traces)
    cosine = float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
    assert answers(app).startswith(f"The embedding moved: cosine {cosine:.4f}")
    np.testing.assert_allclose(weights(app)[4], traces[1]["encoder"].layer(4), atol=1e-6)
    assert np.abs(weights(app)[4] - untouched[4]).max() > 0.01

    (pills,) = [each for each in app.button_group if str(each.key).startswith("strikes")]
    pills.set_value([2]).run()
    assert chosen(app, "inspect").mask == address(app)["mask"] == "2"
    assert (weights(app)[:, :, 3:, 2] <= 0).all()  # masked
    after = weights(app)
    # Before the changes: the maps are the untouched ones, and the answers still tell both sides.
    widget(app, "before").set_value("on").run()
    assert address(app)["before"] == "on"
    np.testing.assert_array_equal(weights(app), untouched)
    assert "The embedding moved" in answers(app)
    widget(app, "before").set_value("difference").run()
    moved = np.abs(np.maximum(after, 0) - untouched)  # a masked weight is 0
    np.testing.assert_allclose(weights(app), moved, atol=1e-6)
    layer, head, query, key = np.unravel_index(moved.argmax(), moved.shape)
    assert any(f"layer {layer}, head {head}, " in each.value.replace("\\", "") for each in app.caption)
    press(app, "show largest move")
    choice = chosen(app, "inspect")
    assert (choice.layer, choice.head) == (layer, head)
    assert (choice.token, choice.partner) == (f"query:{query}", f"key:{key}")

    press(app, "undo 3.1")
    assert (chosen(app, "inspect").ablate, chosen(app, "inspect").mask) == ("", "2")
    press(app, "undo all")
    assert chosen(app, "inspect").mask == ""
    assert answers(app) == ""
    np.testing.assert_array_equal(weights(app), untouched)


def test_a_link_restores_changes_and_drops_what_is_not_there():
    app = run(ablate="encoder.3.1:first,9.0:zero,0.12:mean", mask="2,40")
    assert chosen(app, "inspect").ablate == "3.1:first"
    assert chosen(app, "inspect").mask == "2"
    assert messages(app) == [
        "There are no heads 0.12, 9.0 here: they are left out of the changes.",
        "There is no token 40 here to strike out: this text has 0 to 12.",
    ]
    assert weights(app)[3, 1, 1:, 0].min() == pytest.approx(1)
    # Heads stay with another text, strikes do not.
    widget(app, "text").set_value("Birds sing.").run()
    assert chosen(app, "inspect").ablate == "3.1:first"
    assert chosen(app, "inspect").mask == ""
    assert OTHER_TEXT in messages(app)
    assert weights(app)[3, 1, 1:, 0].min() == pytest.approx(1)


def test_the_words_that_a_model_expects_stand_before_and_after():
    text = "My dog is called Ruffles. Every morning I take Ruff"
    app = run(model="smollm2", text=text, generate="0", ablate="18.6:zero,16.0:zero", mask="6")
    model = request_model("smollm2", "", "test").result()
    traces = [model.trace(text), model.trace(text, ablate={(18, 6): "zero", (16, 0): "zero"}, mask_tokens=[6])]
    last = len(traces[0].outputs.tokens) - 1
    one, other = ({word.token.id: word.probability for word in each.outputs.top_words(last, 100)} for each in traces)
    best = traces[0].outputs.top_words(last, 1)[0]
    said = answers(app)
    assert f"(position {last}), what the model expects:" in said
    assert f"les {one[best.token.id]:.1%} → {other[best.token.id]:.1%}" in said
    assert one[best.token.id] - other[best.token.id] > 0.01
    # At a token that is locked.
    select(app, token="query:2")
    assert "(position 2), what the model expects:" in answers(app)


def test_what_cannot_be_changed_is_said_and_can_be_undone(monkeypatch):
    app = run(mask=",".join(map(str, range(13))))
    assert any("leave one of them out" in each for each in messages(app))
    press(app, "undo all")
    assert messages(app) == []

    def refuse(*_: object, **__: object) -> None:
        raise HeadlightError("Too much for this server.")

    monkeypatch.setattr(causes_effects, "budget", lambda: type("Budget", (), {"admit": refuse})())
    app = opened()
    assert "Too much for this server\\." in [caption.value for caption in app.caption]


def test_the_heads_that_matter_are_measured_on_demand():
    app = opened(text=TEXT)
    press(app, f"ask {causes_effects.BUTTON}")
    (table,) = (element.value for element in app.dataframe)
    assert list(table.iloc[0][["layer", "head"]]) == [5, 11]
    (picture,) = charts(app)
    assert picture["data"][0]["z"][5][11] == pytest.approx(table["effect"].iloc[0], abs=1e-6)
    assert picture["data"][0]["customdata"][5][11] == [5, 11]
    assert any("Layer 5, head 11 matters most" in caption.value.replace("\\", "") for caption in app.caption)


@pytest.mark.parametrize("task", TASKS)
def test_whether_a_tasks_heads_matter_is_said(task):
    model = load_model(f"scratch:{task}")
    found, scores = task_effects(model, 24), truth_scores(model, 24)
    assert found.lost.shape == model.card.sizes[found.kind]
    assert scores is None or scores.accuracy == found.accuracy
    assert found.accuracy > 0.9
    said = describe_task_effects(found, scores)
    assert f"{found.accuracy:.1%}" in said
    assert scores is None or not (scores.scores >= SOLVES).any() or "alone" in said


def test_without_the_head_that_solves_it_a_model_fails_at_its_task():
    app = opened(model="scratch:brackets", text="{[]{[{{}}]}}", ablate="2.1:zero")
    assert "The model answers (12 of 12 right)" in answers(app)
    assert re.search(r"With the change, the model answers \((\d|1[01]) of 12 right\)", answers(app))
    press(app, "ask Do these heads matter?")
    (table,) = [element.value for element in app.dataframe]
    best = table.iloc[0]
    assert (best["layer"], best["head"]) == (2, 1)
    assert best["truth"] >= SOLVES
    assert best["effect"] > 0.3


def test_visitors_share_a_trace_with_changes(monkeypatch):
    started = []
    start = services.TraceRequest.start

    def counted(self, model, estimate):
        started.append(self)
        return start(self, model, estimate)

    monkeypatch.setattr(services.TraceRequest, "start", counted)
    text = "A text that no other test reads."
    for ablate in ("1.2:zero,0.3:mean", "0.3:mean,1.2:zero"):
        run(text=text, ablate=ablate)
    assert len(started) == 2  # untouched, and with the changes


def test_words_are_masked_in_turn_beside_what_each_map_foretold():
    app = press(opened(), "ask Which words matter here?")
    said = " ".join(each.value for each in app.caption).replace("\\", "")
    table = blank_out(load_model("minilm"), TEXT)
    assert "The output moves most without “[CLS]” (position 0, 0.351)" in said
    assert f"value-weighted {table.attrs['rank_correlation']['value-weighted']:.2f}, gradient 0.75" in said
    shown = next(frame.value for frame in app.dataframe if "rollout" in frame.value)
    assert np.allclose(shown["effect"], table.sort_values("effect", ascending=False)["effect"], atol=1e-6)


def test_the_announced_time_contains_the_slowest_map_unless_it_is_left_out():
    def seconds(n: int, kind: str = "encoder") -> float:
        whole = seconds_of_comparison(attention(random_weights(2, 1, n, n), kind=kind))
        return whole - COMPARISON_SECONDS - 2 * SECONDS_PER_LAYER

    flow = METHODS["flow"].estimate(attention(random_weights(2, 1, 61, 61))).seconds / 2
    assert 0.1 < flow == pytest.approx(seconds(61))
    assert 0 < seconds(61, "decoder") < flow / 61
    assert seconds(401) == pytest.approx(0, abs=1e-9)
