"""What the instrument requests, asked as a browser asks: every answer against the attention, and hostile requests."""

import gc
import threading

import numpy as np
import pytest
from plotly.offline import get_plotlyjs_version
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit import config

from analysis import head_row, heads_for_pair, heads_for_pairs, heads_for_token, strongest_pairs
from analysis.measures import FIGURES
from analysis.received import Received
from models import Attention
from tests.analysis.test_heads import ragged, with_nan
from tests.helpers.hand_made import HOSTILE, attention, causal_attention, random_weights, tokens
from tests.helpers.read_back import unpack
from ui.server.routes import instrument_routes
from ui.services.attention_cache import _cache_of, maps_of
from ui.services.instrument_traces import name_of
from viz.head_maps import HeadMaps
from viz.wire.instrument import pack_maps

VISITOR = "visitor"
CASE = attention(random_weights(2, 3, 5, 7))


class Browser:
    """One visitor's requests of one trace."""

    def __init__(self, att: Attention, visitor: str = VISITOR) -> None:
        self.client = TestClient(Starlette(routes=instrument_routes()), raise_server_exceptions=False)
        self.name = name_of(att, visitor)

    def ask(self, path: str, status: int = 200):
        found = self.client.get(f"/instrument/{self.name}/{path}")
        assert found.status_code == status, found.text[:200]
        return found

    def arrays(self, path: str):
        return unpack(self.ask(path).content)


def of_heads(att: Attention, table, column: str) -> np.ndarray:
    """A column of a table of heads as the browser gets it."""
    found = np.full((att.n_layers, att.n_heads), np.nan, np.float32)
    found[table["layer"], table["head"]] = table[column].to_numpy(dtype=float, na_value=np.nan)
    return found.ravel()


def test_tiles_are_the_weights_and_are_cached() -> None:
    att = causal_attention(150)
    answer = Browser(att).ask("tile/0/1/17-29:3-23")
    assert answer.headers["cache-control"] == "private, max-age=3600, immutable"
    assert answer.headers["content-type"] == "application/octet-stream"
    header, arrays = unpack(answer.content)
    assert header["region"] == [17, 29, 3, 23]
    weights, mask = att.weights(0, 1, slice(17, 30)), att.mask(0, 1, slice(17, 30), slice(3, 24))
    np.testing.assert_array_equal(arrays["cells"].reshape(13, 21), np.where(mask, weights[:, 3:24], -1))
    np.testing.assert_allclose(arrays["given"], 1, rtol=1e-6)
    header, arrays = Browser(att).arrays("tile/0/1")
    assert (header["block"], header["shape"], len(arrays["given"])) == ([2, 2], [75, 75], 0)


@pytest.mark.parametrize("att", [ragged(), with_nan()], ids=["ragged", "not a number"])
def test_details_are_measures_and_pairs_in_json(att: Attention) -> None:
    browser = Browser(att)
    for layer in range(att.n_layers):
        for head in range(att.heads_in(layer)):
            found = browser.ask(f"detail/{layer}/{head}").json()
            wanted = head_row(att, layer, head)
            numbers = [np.nan if value is None else value for value in found["measures"]]
            finite = [wanted[name] if np.isfinite(wanted[name]) else np.nan for name in FIGURES]
            np.testing.assert_array_equal(numbers, finite)
            table = strongest_pairs(att, layer, head, 40)[["query", "key", "weight"]].to_numpy()
            pairs = [[*place, np.nan if weight is None else weight] for *place, weight in found["pairs"]]
            np.testing.assert_array_equal(pairs, np.where(np.isinf(table), np.nan, table))
    part = browser.ask("detail/0/1/2-4:1-3").json()
    assert {tuple(pair[:2]) for pair in part["pairs"]} == {(q, k) for q in (2, 3, 4) for k in (1, 2, 3)}
    assert part["measures"] == browser.ask("detail/0/1").json()["measures"]


@pytest.mark.parametrize("att", [ragged(), with_nan(), causal_attention(7)], ids=["ragged", "not a number", "decoder"])
def test_pairs_and_tokens_of_all_heads(att: Attention) -> None:
    browser = Browser(att)
    header, arrays = browser.arrays("pair/4/3")
    assert header["heads"] == [att.heads_in(layer) for layer in range(att.n_layers)]
    for name in ("weight", "others"):
        np.testing.assert_allclose(arrays[name], of_heads(att, heads_for_pair(att, 4, 3), name), rtol=1e-6)
    for token in ("query:4", "key:3"):
        header, arrays = browser.arrays("token/" + token.replace(":", "/"))
        for name in ("entropy", "strongest", "weight"):
            wanted = of_heads(att, heads_for_token(att, token), name)
            np.testing.assert_allclose(arrays[name], wanted, rtol=1e-5, atol=1e-6)


def test_a_long_text_is_read_for_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    att, ranges = causal_attention(31), []
    monkeypatch.setattr("ui.services.attention_cache.MOST_WEIGHTS_AT_ONCE", 31 * 31 * 2 - 1)
    empty = Received.empty

    def watched(att: Attention, keys: range) -> Received:
        ranges.append(keys)
        return empty(att, keys)

    monkeypatch.setattr(Received, "empty", watched)
    browser = Browser(att)
    for path in ("pair/4/3", "pair/9/3", "token/key/3"):
        browser.ask(path)
    assert ranges == [range(3, 4)]


def test_thumbnails_come_layer_by_layer_until_all_are_there() -> None:
    att = attention(random_weights(5, 3, 7, 7))
    browser, wanted = Browser(att), pack_maps(HeadMaps.empty(att).fill(att))
    known = {"maps": np.empty(0, np.uint8), "broken": np.empty(0, np.uint8)}
    done = 0
    for _ in range(1000):
        answer = browser.ask(f"maps/{done}")
        assert answer.headers["cache-control"] == "no-store"
        header, arrays = unpack(answer.content)
        assert (header["first"], header["stopped"]) == (done, False)
        known = {name: np.concatenate([known[name], arrays[name]]) for name in known}
        done = header["done"]
        if done == 5:
            break
    for name, array in wanted.items():
        np.testing.assert_array_equal(known[name], array.ravel())


def test_thumbnails_stop_and_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    att, may_go, started = attention(random_weights(5, 3, 7, 7)), threading.Event(), threading.Event()
    pooled = Attention.pooled_layer

    def slowly(*arguments):
        started.set()
        assert may_go.wait(20)
        return pooled(*arguments)

    monkeypatch.setattr(Attention, "pooled_layer", slowly)
    browser, other = Browser(att), Browser(att, "another visitor")
    assert browser.arrays("maps/0")[0]["done"] == 0
    assert started.wait(20)
    header, arrays = browser.arrays("maps/stop")
    assert header == {"first": 0, "done": 0, "stopped": True, "seconds": None, "arrays": header["arrays"]}
    may_go.set()
    job = _cache_of(att).job
    assert job is not None
    assert job.wait(20)
    # The layer that was being computed is the last one.
    assert maps_of(att).n_done == 1
    for _ in range(1000):
        if browser.arrays("maps/0")[0]["done"] == 5:
            break
    header, arrays = other.arrays("maps/stop")
    assert (header["done"], header["stopped"], len(arrays["broken"])) == (5, False, 15)


def test_a_head_that_is_not_a_number_is_broken() -> None:
    att = with_nan()
    browser = Browser(att)
    for _ in range(1000):
        header, arrays = browser.arrays("maps/0")
        if header["done"] == 2:
            break
    np.testing.assert_array_equal(arrays["broken"], [0, 1, 0, 1, 0, 0])


def test_the_plotly_figure_can_be_downloaded() -> None:
    att = attention(random_weights(2, 3, 17, 17), tokens(*HOSTILE))
    answer = Browser(att).ask("plotly/1/2/2-12:3-9?palette=viridis&scale=root&truth=False")
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found["plotly"] == get_plotlyjs_version()
    assert "toImage" not in found["config"]["modeBarButtonsToRemove"]
    assert found["config"]["toImageButtonOptions"] == {"format": "svg", "filename": "encoder-layer1-head2-heatmap"}
    assert found["data"][0]["colorbar"]["title"]["text"] == "weight, square root"
    usual = Browser(att).ask("plotly/1/2").json()
    assert usual["data"][0]["colorbar"]["title"]["text"] == "weight"
    assert usual["layout"]["uirevision"] != found["layout"]["uirevision"]


def test_a_ranking_over_texts_of_one_visitor() -> None:
    one, other = attention(random_weights(2, 3, 5, 5)), attention(random_weights(2, 3, 7, 7, seed=1))
    browser = Browser(one)
    mine, strange = name_of(other, VISITOR), name_of(other, "stranger")
    _, arrays = browser.arrays(f"rank/{browser.name}:4:1,{mine}:6:2")
    table = heads_for_pairs([(one, 4, 1), (other, 6, 2)])
    assert set(arrays) == {"weight_mean", "weight_minimum", "ratio_mean", "ratio_minimum"}
    for name, array in arrays.items():
        np.testing.assert_allclose(array, of_heads(one, table, name), rtol=1e-6)
    browser.ask(f"rank/{browser.name}:4:1,{strange}:6:2", 404)
    browser.ask(f"rank/{browser.name}:4:1,{mine}:7:2", 400)
    browser.ask(f"rank/{browser.name}:4:1,{mine}:7", 400)
    unlike = ragged()
    refused = browser.ask(f"rank/{browser.name}:4:1,{name_of(unlike, VISITOR)}:0:0", 400)
    assert "different layers or heads" in refused.text
    browser.ask("rank/" + ",".join([f"{browser.name}:0:0"] * 33), 400)


@pytest.mark.parametrize(
    "path",
    [
        *("", "tile", "tile/1", "tile/1/2/0-1:0-1/3", "tile/", "tiles/1/2", "/", "maps", "maps/1/2", "pair/1"),
        *(
            "token/value/1",
            "token/query",
            "rank",
            "rank/x:1:1",
            "rank/:1:1",
            "..%2f..%2fetc%2fpasswd",
            "%00",
            "detail/1",
        ),
    ],
)
def test_unknown_paths_are_not_found(path: str) -> None:
    answer = Browser(CASE).ask(path, 404)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "path",
    [
        *("tile/2/0", "tile/0/3", "tile/-1/0", "tile/x/0", "tile/0/99999999999999999999", "tile/1e3/0", "tile/ 1/0"),
        *("tile/٣/0", "tile/1/0/0-5:0-6", "tile/1/0/3-2:0-6", "tile/1/0/all", "tile/1/0/0-4:0-7", "tile//0"),
        *("detail/2/0", "detail/0/0/0-9999999:0-9999999", "maps/x", "maps/-1", "maps/3", "maps/9999999"),
        *("pair/5/0", "pair/0/7", "pair/x/0", "token/query/5", "token/key/7", "token/key/-1"),
        *("plotly/2/0", "plotly/0/0?palette=nice", "plotly/0/0?scale=%00", "plotly/0/0/0-5:0-0"),
    ],
)
def test_bad_numbers_are_refused_in_one_sentence(path: str) -> None:
    answer = Browser(CASE).ask(path, 400)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.endswith((".", "palette", "greys", "root"))
    assert "\n" not in answer.text
    assert len(answer.text) < 200


@pytest.mark.slow
def test_unknown_and_forgotten_names_are_not_found() -> None:
    att = attention(np.eye(3))
    browser = Browser(att)
    browser.ask("tile/0/0")
    del att
    gc.collect()
    browser.ask("tile/0/0", 404)
    browser.name = "x" * 22
    browser.ask("tile/0/0", 404)
    assert browser.client.post(f"/instrument/{browser.name}/tile/0/0").status_code == 405


def test_an_unexpected_error_is_one_sentence_and_in_the_log(monkeypatch, caplog) -> None:
    def broken(*arguments, **given):
        raise RuntimeError("secret")

    monkeypatch.setattr("ui.services.instrument_answers.make_tile", broken)
    answer = Browser(CASE).ask("tile/0/0", 500)
    assert "secret" not in answer.text
    assert "server's log" in answer.text
    assert "secret" in caplog.text


def test_a_failed_computation_of_thumbnails_is_told(monkeypatch) -> None:
    att = attention(random_weights(2, 3, 5, 7))

    def broken(*arguments):
        raise RuntimeError("secret")

    monkeypatch.setattr(Attention, "pooled_layer", broken)
    browser = Browser(att)
    for _ in range(1000):
        answer = browser.client.get(f"/instrument/{browser.name}/maps/0")
        if answer.status_code != 200:
            break
    assert (answer.status_code, "secret" in answer.text) == (500, False)


def test_the_routes_follow_the_base_path() -> None:
    att = attention(np.eye(3))
    before = config.get_option("server.baseUrlPath")
    config.set_option("server.baseUrlPath", "/lab/headlight/")
    try:
        client = TestClient(Starlette(routes=instrument_routes()))
    finally:
        config.set_option("server.baseUrlPath", before)
    name = name_of(att, VISITOR)
    assert client.get(f"/lab/headlight/instrument/{name}/tile/0/0").status_code == 200
    assert client.get(f"/instrument/{name}/tile/0/0").status_code == 404
