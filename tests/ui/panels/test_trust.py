"""The panel "Can I trust this?": its label, its findings, and the checks that a visitor starts."""

from __future__ import annotations

import html
import re
import shutil
import threading

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from analysis import Finding
from models import Attention, AttentionTrace
from models.checkpoints.bundled import scratch_folder
from tests.helpers.corrupt import change
from tests.helpers.inspect_page import messages, run
from ui.panels import trust as panel
from ui.services import trust as service

pytestmark = pytest.mark.slow
TEXT = "([]{()})"


def label(app: AppTest) -> str:
    (found,) = [each.label for each in app.expander if each.label.startswith("Can I trust this?")]
    return found


def findings(app: AppTest) -> dict[str, list[str]]:
    """Return the text of each finding under the heading of its level."""
    (body,) = [element.proto.body for element in app.get("html") if 'class="trust"' in element.proto.body]
    groups = re.findall(r"<h2>(.*?)</h2><ul class=\"\w+\">(.*?)</ul>", body)
    return {
        heading: [html.unescape(re.sub("<[^>]+>", "", item)) for item in re.findall("<li>(.*?)</li>", items)]
        for heading, items in groups
    }


def offered(app: AppTest) -> set[str]:
    return {str(button.key).removeprefix("trust ") for button in app.button if str(button.key).startswith("trust ")}


def test_a_healthy_model_and_the_checks_on_demand():
    app = run(model="scratch:brackets", text=TEXT)
    assert label(app) == "Can I trust this? No warnings, 1 note"
    assert list(findings(app)) == ["Good to know", "Nothing wrong"]
    assert offered(app) == {"eager", "random", "norms"}
    for name, says in (
        ("eager", "Eager attention. All 1,200 weights were compared with"),
        ("random", "Compared with random. "),
        ("norms", "Value norms. "),
    ):
        app.button(key=f"trust {name}").click().run()
        assert not app.exception
        assert name not in offered(app)
        assert any(each.startswith(says) for group in findings(app).values() for each in group), says
    assert label(app).startswith("Can I trust this? No warnings, ")


def test_what_leaves_the_pictures_as_they_are_read_is_said_in_the_panel_alone():
    app = run(model="smollm2")
    said = findings(app)["Good to know"]
    notes = ("The weights are dequantised from Q4_1", "The last 5 of 19 tokens are the model's own continuation")
    assert [sum(note in each for each in said) for note in notes] == [1, 1]
    assert messages(app) == []
    # The page "Heads" has no such panel, and measures the continuation too.
    app.switch_page("ui/pages/heads.py")
    app.run()
    assert all(any(note in each for each in messages(app)) for note in notes)


def test_a_broken_model_is_named_in_the_label_worst_first(tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(scratch_folder("scratch:brackets"), folder)

    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights["encoder.layers.2.attention.key_projection.weight"][3] = torch.nan
        weights["encoder.layers.1.attention.query_projection.weight"].zero_()
        weights["encoder.layers.1.attention.query_projection.bias"].zero_()

    change(folder, spoil)
    app = run(model=str(folder), text=TEXT)
    assert label(app) == "Can I trust this? 2 faults, 2 warnings"
    found = findings(app)
    assert list(found)[:2] == ["Faults", "Warnings"]
    assert found["Faults"][0].startswith("Damaged weights. 1 weight tensor is damaged: encoder.layers.2.attention")
    assert found["Faults"][1].startswith("Rows. ")
    assert "(layer 2 head 0)" in found["Faults"][1]


def test_a_trace_from_a_file_has_the_checks_that_need_no_model(tmp_path, monkeypatch):
    weights = np.full((1, 2, 5, 5), 0.25, np.float32)
    with pytest.warns(UserWarning, match="sum"):
        AttentionTrace.of(Attention.from_weights(weights, ["<b>a</b>", *"bcde"])).save(tmp_path / "given.npz")
    monkeypatch.setenv("HEADLIGHT_TRACE", str(tmp_path / "given.npz"))
    app = run(trace="server")
    assert label(app) == "Can I trust this? 2 warnings"
    assert offered(app) == set()
    assert any("rows do not sum to 1" in each for each in findings(app)["Warnings"])


def test_a_long_check_can_be_stopped_and_started_again(monkeypatch):
    going, reached = threading.Event(), threading.Event()

    def slow(trace, model, inputs, progress):
        for done in range(1, 600):
            progress(done, 600)
            reached.set()
            if going.wait(0.02):
                return (Finding("eager attention", "fault", "They differ."),)
        raise AssertionError("nobody stopped it")

    checks = tuple(
        service.LongCheck(check.name, check.label, check.help, slow) if check.name == "eager" else check
        for check in service.LONG_CHECKS
    )
    monkeypatch.setattr(panel, "LONG_CHECKS", checks)
    monkeypatch.setattr(panel, "QUICK_SECONDS", 0.05)
    app = run(model="scratch:brackets", text="([])")
    app.button(key="trust eager").click().run()
    assert reached.wait(10)
    assert offered(app) == {"stop eager", "random", "norms"}
    app.button(key="trust stop eager").click().run()
    assert offered(app) == {"eager", "random", "norms"}
    going.set()
    app.button(key="trust eager").click().run()
    app.run()
    assert label(app) == "Can I trust this? 1 fault"


def test_a_check_that_fails_says_why(monkeypatch):
    monkeypatch.setattr("models.memory.free_bytes", lambda: 10**12)
    app = run(model="scratch:brackets", text="(())")
    monkeypatch.setattr("models.memory.free_bytes", lambda: 1000)
    app.button(key="trust eager").click().run()
    assert any("Comparing with eager attention needs about" in error.value for error in app.error)
    monkeypatch.setattr("models.memory.free_bytes", lambda: 10**12)
    app.button(key="trust eager").click().run()
    assert "eager" not in offered(app)


def test_a_long_text_is_sampled_and_every_row_is_read_on_demand(monkeypatch):
    monkeypatch.setattr("analysis.trust.survey.QUICK_WEIGHTS", 300)
    app = run(model="scratch:brackets", text="([({})])")
    assert any("(2 of 10 of every head)" in each for each in findings(app)["Nothing wrong"])
    assert "every row" in offered(app)
    app.button(key="trust every row").click().run()
    assert any("Every row of every head sums to 1" in each for each in findings(app)["Nothing wrong"])
