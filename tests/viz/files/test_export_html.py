"""HTML files, read by a parser that is no browser: whole, inert, asking nobody (tests/e2e opens them)."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest

import models
import viz
from analysis.selection import Region
from benchmarks.shapes import text_of
from tests.helpers.draw import INSTRUMENTS
from tests.helpers.hand_made import HOSTILE, attention, causal_attention, random_weights, tokens
from tests.helpers.read_back import data_of_page, unpack
from viz import DrawOptions, Export
from viz.wire.instrument import PARTS, all_measures
from viz.wire.tiles import make_tile

pytestmark = pytest.mark.slow

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)><!--"


class Reader(HTMLParser):
    """Collects elements and what scripts and styles hold, with HTML's own rule for where a script ends."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles = ""
        self._inside: tuple[str, dict[str, str | None]] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = (tag, dict(attrs))
            if tag == "script":
                self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside and self._inside[0] == "script":
            self.scripts[-1] = (self._inside[1], self.scripts[-1][1] + data)
        elif self._inside:
            self.styles += data

    def origin(self) -> dict:
        (text,) = [text for attributes, text in self.scripts if attributes.get("id") == "headlight-provenance"]
        return json.loads(text)


@pytest.fixture(params=INSTRUMENTS)
def figure(request: pytest.FixtureRequest) -> str:
    return request.param


def test_nothing_is_loaded_from_outside(exported: Callable[[str, str], Export], figure: str) -> None:
    page = Reader(exported(figure, "html").data.decode("utf-8"))
    for tag, attributes in page.elements:
        assert tag not in ("iframe", "object", "embed", "base", "link", "form")
        assert not {"src", "href", "srcset", "action", "data"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert "@import" not in page.styles
    assert "url(" not in page.styles


def test_our_own_scripts_ask_nobody(exported: Callable[[str, str], Export]) -> None:
    for name in INSTRUMENTS:
        code = "".join(text for _, text in Reader(exported(name, "html").data.decode("utf-8")).scripts)
        code = code.replace('"http', "")
        for word in ("fetch(", "XMLHttpRequest", "WebSocket", "import(", "importScripts", "innerHTML", "eval(", "http"):
            assert not re.search(rf"\b{re.escape(word)}", code), (name, word)


def test_the_page_forbids_its_own_requests(exported: Callable[[str, str], Export], figure: str) -> None:
    page = Reader(exported(figure, "html").data.decode("utf-8"))
    (policy,) = [
        attributes["content"]
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert not re.search(r"https?:|\*|unsafe-eval", policy)
    # The policy must stand before what it rules.
    names = [tag for tag, _ in page.elements]
    assert names.index("meta") < names.index("script")
    assert page.elements[0] == ("html", {"lang": "en"})


def test_the_origin_is_in_the_page(exported: Callable[[str, str], Export], figure: str) -> None:
    made = exported(figure, "html")
    assert Reader(made.data.decode("utf-8")).origin() == made.origin


def test_a_text_that_looks_like_markup_adds_no_element(figure: str) -> None:
    names = ("plain", ATTACK)
    plain, attacked = (
        Reader(
            viz.export(
                attention(np.eye(3), tokens(text[:24], text[-24:], text), text=text), figure, "html", layer=0, head=0
            ).data.decode("utf-8")
        )
        for text in names
    )
    assert attacked.elements == plain.elements
    assert len(attacked.scripts) == len(plain.scripts)
    assert attacked.origin()["source"]["text"] == ATTACK


@pytest.mark.parametrize("figure", INSTRUMENTS)
def test_a_file_carries_all_heads_and_opens_on_what_is_chosen(figure: str) -> None:
    weights = random_weights(3, 5, len(HOSTILE), 7)
    att = attention(weights, tokens(*HOSTILE), tokens(*"abcdefg"))
    look = DrawOptions(threshold=0.25, palette="viridis", scale="root")
    chosen = {"layer": 2, "head": 4, "token": "key:3", "region": "1-4:2-6"}
    header, arrays = unpack(data_of_page(viz.export(att, figure, "html", options=look, **chosen).data))
    assert [text for text, _ in header["queries"]] == list(HOSTILE)
    assert header["parts"] == list(PARTS)
    np.testing.assert_allclose(arrays["weights"], weights.ravel(), rtol=0, atol=1e-5)
    assert header["opening"]["selection"] == (
        "layer=2&head=4&token=key:3&region=1-4:2-6&threshold=0.25&palette=viridis&scale=root&truth=True"
        "&special=show&sink=show&renormalise=False"
    )
    assert header["source"]["text"] == att.source.text
    np.testing.assert_array_equal(arrays["measures"], all_measures(att).ravel())


@pytest.mark.parametrize(("n_tokens", "most"), [(64, 1_200_000), (128, 3_000_000)])
def test_a_file_of_minilm_is_small_and_right(minilm: models.Model, n_tokens: int, most: int) -> None:
    att = minilm.trace(text_of(n_tokens))["encoder"]
    assert att.n_query == n_tokens
    page = viz.export(att, "view", "html", layer=5, head=11).data
    assert len(page) < most
    found = unpack(data_of_page(page))[1]["weights"].reshape(6, 12, n_tokens, n_tokens)
    for layer in range(6):
        np.testing.assert_allclose(found[layer], att.layer(layer), rtol=0, atol=1e-4)


def test_a_file_of_a_long_text_says_what_it_lacks() -> None:
    att = causal_attention(300)
    page = viz.export(att, "view", "html", layer=0, head=1, token="query:200").data
    header, arrays = unpack(data_of_page(page))
    assert "weights" not in arrays
    assert [tile["region"] for tile in header["tiles"]] == [[0, 299, 0, 299], [136, 263, 136, 263]]
    assert header["done"] == att.n_layers
    assert "This file has exact weights of layer 0, head 1 alone" in page.decode()
    np.testing.assert_array_equal(arrays["cells1"].reshape(128, 128), tile_of(att, "136-263:136-263"))


def tile_of(att: models.Attention, region: str) -> np.ndarray:
    return make_tile(att, 0, 1, Region.parse(region)).cells


@pytest.mark.parametrize("figure", INSTRUMENTS)
def test_a_file_says_what_it_shows(exported: Callable[[str, str], Export], figure: str) -> None:
    """Away from the page, nothing else tells which model it is."""
    page = exported(figure, "html").data.decode()
    title = "Encoder attention of sentence-transformers/all-MiniLM-L6-v2"
    assert f"<h1>{title}</h1>" in page
    assert f"<title>{title}</title>" in page
    # Must not happen: a file of 250 kB brings a library of 5 MB.
    assert len(page) < 500_000
