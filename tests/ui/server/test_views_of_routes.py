"""Requests of a view: words, hidden tokens and combined heads are those of `view_of`, for every kind of path."""

from itertools import product

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from analysis import heads_for_pair, shares, strongest_pairs
from analysis.selection import Region, Selection
from models import Attention
from tests.helpers.hand_made import causal_attention, long_text
from tests.helpers.read_back import unpack
from ui.server.routes import instrument_routes
from ui.services.instrument_traces import name_of
from viz import DrawOptions
from viz.labels import label
from viz.views import view_of

pytestmark = pytest.mark.slow

ATT = long_text()
VIEWS = {
    "unit=words": ("words", {}),
    "special=hide": ("pieces", {"special": "hide"}),
    "unit=words&special=hide&sink=hide&renormalise=True": (
        "words",
        {"special": "hide", "sink": "hide", "renormalise": True},
    ),
}


def ask(att: Attention, path: str, status: int = 200):
    client = TestClient(Starlette(routes=instrument_routes()), raise_server_exceptions=False)
    found = client.get(f"/instrument/{name_of(att, 'visitor')}/{path}")
    assert found.status_code == status, found.text[:200]
    return found


def shown_of(query: str, **heads: str) -> tuple[Attention, int, int]:
    unit, options = VIEWS[query]
    selection = Selection.parse(1, 2, unit=unit, **heads)  # type: ignore[arg-type]
    att, selection = view_of(ATT, selection, DrawOptions(**options))
    return att, *selection.of_one_head()


@pytest.mark.parametrize("query", VIEWS)
def test_a_view_sends_its_tokens_and_its_name(query: str) -> None:
    header, arrays = unpack(ask(ATT, f"view?{query}").content)
    att, _, _ = shown_of(query)
    assert header["trace"] == name_of(ATT, "visitor")
    assert [label[0] for label in header["queries"]] == [label(token) for token in att.query_tokens]
    assert header["words"] is None or "unit" not in query
    assert "weights" not in arrays


@pytest.mark.parametrize(("query", "place"), list(product(VIEWS, ["1/2", "mean/1", "maximum/0.1,1.0,1.2"])))
def test_tiles_and_details_of_a_view(query: str, place: str) -> None:
    how, heads = place.split("/")
    given = {} if how == "1" else {"heads": heads, "combine": how}
    att, layer, head = shown_of(query, **given)
    region = Region(range(3, 40), range(0, 90))
    header, arrays = unpack(ask(ATT, f"tile/{place}/{region}?{query}").content)
    wanted = np.where(att.mask(layer, head), att.weights(layer, head), -1)[3:40, :90]
    np.testing.assert_allclose(arrays["cells"].reshape(37, 90), wanted, rtol=1e-6)
    assert header["shown"] == ([1, 2] if how == "1" else [how, heads])
    detail = ask(ATT, f"detail/{place}?{query}").json()
    pairs = strongest_pairs(att, layer, head, 40)
    assert [pair[:2] for pair in detail["pairs"]] == pairs[["query", "key"]].to_numpy().tolist()
    unit, _ = VIEWS[query]
    shown = Selection.parse(1, 2, unit=unit, **given)  # type: ignore[arg-type]
    whole, selection = view_of(ATT, shown, DrawOptions())
    wanted_shares = shares(whole, *selection.of_one_head(), without=att.hidden_queries)
    np.testing.assert_allclose(detail["shares"], wanted_shares, rtol=1e-6)
    assert detail["shares"][0] >= detail["shares"][1] > 0


@pytest.mark.parametrize("query", VIEWS)
def test_pairs_and_rankings_of_a_view(query: str) -> None:
    att, _, _ = shown_of(query)
    _, arrays = unpack(ask(ATT, f"pair/4/3?{query}").content)
    table = heads_for_pair(att, 4, 3).sort_values(["layer", "head"])
    np.testing.assert_allclose(arrays["weight"], table["weight"], rtol=1e-6)
    np.testing.assert_allclose(arrays["others"], table["others"], rtol=1e-5)
    _, ranked = unpack(ask(ATT, f"rank/{name_of(ATT, 'visitor')}:4:3?{query}").content)
    np.testing.assert_allclose(ranked["weight_mean"], table["weight"], rtol=1e-6)


def test_a_figure_of_plotly_is_of_the_view() -> None:
    found = ask(ATT, "plotly/mean/1?unit=words&special=hide").json()
    assert found["layout"]["title"]["text"].startswith("Mean of layer 1, ")
    assert found["config"]["toImageButtonOptions"]["filename"] == "encoder-mean-1-heatmap"


@pytest.mark.parametrize(
    "path",
    [
        *("view?unit=letters", "view?special=remove", "tile/0/0?sink=1", "detail/mean/9", "tile/mean/0.9"),
        *("tile/maximum/x", "tile/mean/", "tile/overlay/1", "tile/mean/" + "1," * 5000, "plotly/mean/7.7"),
    ],
)
def test_a_bad_view_is_refused_in_one_sentence(path: str) -> None:
    answer = ask(causal_attention(5), path, 400)
    assert answer.headers["content-type"].startswith("text/plain")
    assert "\n" not in answer.text
    assert len(answer.text) < 200
