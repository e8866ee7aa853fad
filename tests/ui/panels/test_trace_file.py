"""A trace from a file on the page: opened in place of the model, closed again, and refused in one sentence."""

from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest

from models import Attention, AttentionTrace, load_model
from models.errors import BadTrace
from tests.helpers.e2e_models import save_vit
from tests.helpers.hand_made import HOSTILE, random_weights
from tests.helpers.inspect_page import instrument, message, messages, opened, run, select, tokens
from tests.helpers.page_elements import address, charts, chosen, widget
from ui.services.default_picture import default_picture
from ui.services.trace_files import name_file
from ui.services.traces import traces
from ui.state import link

pytestmark = pytest.mark.slow


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """The file of a trace of weights, with texts of tokens that are markup, and rows that do not sum to 1."""
    weights = 0.9 * random_weights(2, 3, len(HOSTILE), len(HOSTILE))
    path = tmp_path / "given.npz"
    with pytest.warns(UserWarning, match="do not sum to 1"):
        AttentionTrace.of(Attention.from_weights(weights, HOSTILE)).save(path)
    return path


def upload(app: AppTest, data: bytes, name: str) -> AppTest:
    """Open the popover and give it a file."""
    app.session_state["trace file"] = True
    app.run()
    (box,) = app.file_uploader
    return box.upload(name, data).run()


def said(app: AppTest) -> str:
    return " ".join(caption.value.replace("\\", "") for caption in app.caption)


def texts(app: AppTest) -> list[str]:
    return [str(box.key) for box in app.text_area]


def test_a_trace_takes_the_place_of_the_model_and_gives_it_back(given, monkeypatch):
    removed, remove = [], MemoryUploadedFileManager.remove_file
    monkeypatch.setattr(
        MemoryUploadedFileManager, "remove_file", lambda *given: (removed.append(given[2]), remove(*given))
    )
    app = select(run(text="Birds sing at dawn"), layer=1, head=2, token="query:3")
    upload(app, given.read_bytes(), "**head** <b>.npz")
    header, arrays = instrument(app)
    att = AttentionTrace.load(given)["encoder"]
    np.testing.assert_array_equal(arrays["weights"].reshape(2, 3, 17, 17), [att.layer(0), att.layer(1)])
    assert [label for label, _ in header["queries"]] == list(HOSTILE)
    assert header["source"]["file"] == "**head** <b>.npz"
    # The head stays if the trace has it; tokens of another text are let go.
    assert (opened(app)["layer"], opened(app)["head"], "token" in opened(app)) == ("1", "2", False)
    assert texts(app) == []
    assert any("102 of 102 rows do not sum to 1" in sentence for sentence in messages(app))
    assert "another text needs its model" in said(app)
    assert "The trace is in no link" in said(app)
    # The popover has closed, and the server keeps no second copy of the file.
    assert app.session_state["trace file"] is False
    assert len(removed) == 1
    assert (address(app)["trace"], address(app)["text"]) == ("1", "Birds sing at dawn")
    app.button(key="close trace").click().run()
    assert tokens(app)[1:-1] == ["birds", "sing", "at", "dawn"]
    assert widget(app, "text").value == "Birds sing at dawn"
    assert (opened(app)["layer"], opened(app)["head"], opened(app)["token"]) == ("1", "2", "query:3")
    assert "trace" not in address(app)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [(b"PK\3\4 no archive", "head.npz"), (b"", "head.npz"), (b"x" * 5000, "head.npz has 5.0 kB")],
)
def test_a_file_that_is_refused_leaves_the_page_as_it_was(data, sentence, monkeypatch):
    monkeypatch.setenv("HEADLIGHT_UPLOAD_BYTES", "4999")

    def load(path: Path, *, max_bytes: int | None = None) -> AttentionTrace:
        raise BadTrace(f"{path.name} is damaged: save the trace again.")

    app = run()
    monkeypatch.setattr(AttentionTrace, "load", load)
    before = message(app)
    upload(app, data, "head.npz")
    (error,) = app.error
    assert sentence in error.value.replace("\\", "")
    assert message(app) == before
    assert "trace" not in address(app)
    # The sentence goes when the visitor goes on.
    widget(app, "text").set_value("Birds sing at dawn").run()
    assert messages(app) == []


def test_a_trace_that_takes_too_much_memory_is_refused(given, monkeypatch):
    app = run()
    monkeypatch.setenv("HEADLIGHT_MOST_BYTES", "3000")
    upload(app, given.read_bytes(), "head.npz")
    (error,) = app.error
    assert "head.npz" in error.value.replace("\\", "")
    assert "3.0 kB" in error.value.replace("\\", "")


def test_a_long_reading_is_shown_and_stopped(given, monkeypatch):
    monkeypatch.setattr("ui.panels.trace_file.QUICK_SECONDS", 0.05)
    monkeypatch.setattr("ui.panels.trace_request.UPDATE_SECONDS", 60)
    slow, load = Event(), AttentionTrace.load

    def wait(path: Path, *, max_bytes: int | None = None) -> AttentionTrace:
        assert slow.wait(60)
        return load(path, max_bytes=max_bytes)

    monkeypatch.setattr(AttentionTrace, "load", wait)
    app = run()
    before = message(app)
    upload(app, given.read_bytes(), "head.npz")
    assert any("Reading head\\.npz …" in each.value for each in app.markdown)
    assert (message(app), "trace" in address(app)) == (before, False)
    app.button(key="stop trace").click().run()
    slow.set()
    app.run()
    assert not any("Reading" in each.value for each in app.markdown)
    assert (message(app), messages(app)) == (before, [])
    # Another try is not stopped.
    monkeypatch.setattr("ui.panels.trace_file.QUICK_SECONDS", 60)
    upload(app, given.read_bytes(), "head.npz")
    assert instrument(app)[0]["source"]["file"] == "head.npz"


def test_a_picture_of_a_trace_is_shown_in_the_light_of_the_head(tmp_path):
    model = load_model(str(save_vit(tmp_path / "vit")))
    model.trace(image=default_picture()).save(tmp_path / "vit.npz")
    app = upload(run(), (tmp_path / "vit.npz").read_bytes(), "vit.npz")
    assert len(charts(app)) == 1
    assert len(app.file_uploader) == 0


def test_the_next_trace_lets_the_one_before_go(given, minilm, tmp_path):
    app = upload(run(), given.read_bytes(), "one.npz")
    first = app.session_state["trace upload shown"].key
    job = traces().find(first)
    # The memory of all traces counts what it takes, not the size of its file.
    assert job.n_bytes == job.result().n_bytes == 4 * 2 * 3 * 17 * 17
    minilm.trace("Fish swim at night").save(tmp_path / "two.npz")
    upload(app, (tmp_path / "two.npz").read_bytes(), "two.npz")
    assert tokens(app)[1:-1] == ["fish", "swim", "at", "night"]
    assert traces().find(first) is None
    # The model of this trace is here: its text can be traced anew.
    app.button(key="open its model").click().run()
    assert widget(app, "text").value == "Fish swim at night"
    assert tokens(app)[1:-1] == ["fish", "swim", "at", "night"]
    assert "file" not in instrument(app)[0]["source"]
    # A trace that is no longer in memory.
    traces().forget(app.session_state["trace upload shown"].key)
    app.session_state["inspect state"].choice = replace(chosen(app, "inspect"), trace="2")
    app.run()
    assert any("open its file again" in sentence for sentence in messages(app))
    assert "trace" not in address(app)


def test_what_has_no_file_here_is_one_sentence():
    for trace, sentence in (("3", "open its file again"), ("server", "this server opens no trace")):
        app = run(trace=trace, text="Birds sing at dawn")
        assert [sentence in each for each in messages(app)] == [True]
        assert tokens(app)[1:-1] == ["birds", "sing", "at", "dawn"]


def test_a_servers_own_trace_opens_for_everybody(given, monkeypatch):
    monkeypatch.setenv("HEADLIGHT_TRACE", str(given))
    monkeypatch.setenv("HEADLIGHT_UPLOAD_BYTES", "1")
    app = run()
    assert instrument(app)[0]["source"]["file"] == "given.npz"
    assert "in no link" not in said(app)
    assert address(app).keys() == {"layer", "head"}
    app.button(key="close trace").click().run()
    assert tokens(app)[2] == "cat"
    # Else this address would open the trace again.
    assert link.format(chosen(app, "inspect"))["trace"] == ""
    monkeypatch.setenv("HEADLIGHT_TRACE", str(given.with_name("gone.npz")))
    app = run()
    assert messages(app) == ["This server's trace cannot be opened: there is no file gone.npz."]
    assert tokens(app)[2] == "cat"
    given.write_bytes(b"damaged")
    monkeypatch.setenv("HEADLIGHT_TRACE", str(given))
    (sentence,) = messages(run())
    assert "given.npz" in sentence


def test_a_small_trace_is_offered_as_a_file_and_a_large_one_is_not(monkeypatch):
    app = run()
    app.session_state["trace file"] = True
    app.run()
    assert [button.key for button in app.get("download_button") if "save" in str(button.key)] == [
        "save trace npz",
        "save trace json",
    ]
    monkeypatch.setenv("HEADLIGHT_FILE_BYTES", "90000")
    app.run()
    assert not [button.key for button in app.get("download_button") if "save" in str(button.key)]
    assert "write larger ones in Python" in said(app)


def test_a_name_of_a_file_is_short_and_no_path():
    assert name_file("../../etc/head.npz") == "head.npz"
    assert name_file("C:\\here\\head.npz") == "head.npz"
    assert name_file("a" * 300 + ".npz") == "a" * 68 + ".npz"
    assert "\u202e" not in name_file("\u202ezpn.npz")
