"""The message of the instrument on the page: the same bytes until another trace or another opening comes."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from models import load_model
from tests.helpers.inspect_page import instrument, message, messages, run, select
from tests.helpers.page_elements import chosen, widget
from tests.helpers.read_back import unpack
from ui.panels import instrument as panel
from ui.services.attention_cache import maps_of
from ui.services.instrument_traces import find
from viz.wire import instrument as wire
from viz.wire.tiles import make_tile

pytestmark = pytest.mark.slow
SECONDS = 20


@pytest.fixture
def all_texts_are_large(monkeypatch) -> None:
    """The smallest text is sent as a long one is: one tile, and the thumbnails as far as they are computed."""
    for module in (panel, wire):
        monkeypatch.setattr(module, "is_small", lambda att: False)


@pytest.fixture
def gate(monkeypatch) -> Iterator[threading.Semaphore]:
    """The thumbnails of a layer are computed when the test lets them."""
    attention, free = type(load_model("minilm").trace("a")["encoder"]), threading.Semaphore(0)
    pooled_layer = attention.pooled_layer

    def slow(att, layer, size=64):
        assert free.acquire(timeout=SECONDS)
        return pooled_layer(att, layer, size)

    monkeypatch.setattr(attention, "pooled_layer", slow)
    yield free
    free.release(1000)  # the test ends when the jobs that it left have ended


def opening(app: AppTest) -> dict:
    return instrument(app)[0]["opening"]


def test_a_selection_of_the_browser_changes_no_byte_of_the_message():
    app = run(layer="2", head="7")
    sent = message(app)
    app.run()
    assert message(app) == sent
    select(app, layer=4, head=3, token="query:1", region="0-3:0-3", palette="viridis", threshold=0.5)
    assert chosen(app, "inspect").layer == 4
    assert message(app) == sent


def test_another_text_is_another_trace_at_the_same_opening():
    app = run(layer="2", head="7")
    (before, _), first = instrument(app), opening(app)
    widget(app, "text").set_value("Birds sing at dawn").run()
    after, _ = instrument(app)
    assert opening(app) == first
    assert after["trace"] != before["trace"]
    assert find(after["trace"]).n_query == len(after["queries"]) == 6
    widget(app, "text").set_value("The cat sat on the mat because it was tired.").run()
    assert instrument(app)[0]["trace"] == before["trace"]


def test_two_visitors_of_one_text_have_names_of_their_own():
    names = {instrument(run(text="A text that two visitors read"))[0]["trace"] for _ in range(2)}
    assert len(names) == 2
    assert find(names.pop()) is find(names.pop())


def test_a_long_text_comes_with_the_tile_at_which_it_opens():
    app = run(text="the cat sat on the mat and " * 20, layer="2", head="7", region="3-90:5-100")
    header, arrays = instrument(app)
    att = find(header["trace"])
    assert not {"weights", "measures"} & set(arrays)
    wanted = make_tile(att, 2, 7, chosen(app, "inspect").selection().region)
    assert header["tiles"] == [wanted.facts]
    # Two computations of one tile: a matrix product may be added by other threads.
    np.testing.assert_allclose(arrays["cells0"], wanted.cells.ravel(), rtol=1e-5)
    np.testing.assert_allclose(arrays["given0"], wanted.given.ravel(), rtol=1e-5)
    assert header["maps"][:2] == [6, 12]


def test_a_head_and_a_region_that_a_long_text_does_not_have_open_the_nearest():
    header, _ = instrument(run(text="the cat sat on the mat and " * 20, layer="70", head="7", region="3-90:5-1000"))
    places = [(*tile["shown"], tile["region"]) for tile in header["tiles"]]
    assert places == [(5, 7, [3, 90, 5, 141]), (5, 7, [3, 90, 5, 132])]


@pytest.mark.usefixtures("all_texts_are_large")
def test_the_page_does_not_wait_for_thumbnails_and_sends_them_once(monkeypatch, gate):
    monkeypatch.setattr(panel, "MAPS_TIMEOUT_SECONDS", 0.0)
    app = run(text="Heads that appear one layer after another", layer="2", head="7")
    header, arrays = instrument(app)
    att = find(header["trace"])
    # The opened head does not wait for the others.
    assert [tuple(tile["shown"]) for tile in header["tiles"]] == [(2, 7)]
    assert header["done"] == arrays["maps"].size == 0
    gate.release(6)
    panel.request_maps(att, "test").wait(SECONDS)
    assert maps_of(att).complete
    # The browser asks for the rest: the message is not sent again for it.
    sent = message(app)
    app.run()
    assert message(app) == sent
    # What is sent anyway has all of them.
    widget(app, "text").set_value("Another text").run()
    widget(app, "text").set_value("Heads that appear one layer after another").run()
    header, arrays = unpack(message(app))
    assert header["done"] == 6
    assert arrays["maps"].size == 6 * 12 * header["maps"][2] * header["maps"][3]


@pytest.mark.usefixtures("all_texts_are_large")
def test_thumbnails_that_fail_leave_the_page_working(monkeypatch):
    attention = type(load_model("minilm").trace("a")["encoder"])
    monkeypatch.setattr(attention, "pooled_layer", lambda *given: (_ for _ in ()).throw(RuntimeError("secret")))
    app = run(text="Heads whose maps fail")
    # The browser learns why when it asks for them (tests/ui/server/test_routes.py).
    assert instrument(app)[0]["done"] == 0
    assert messages(app) == []
