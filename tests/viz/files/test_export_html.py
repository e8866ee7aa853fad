"""HTML files, read by a parser that is no browser: whole, inert, asking nobody (tests/e2e opens them)."""

import base64
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest

import models
import viz
from tests.helpers.draw import TEXT_FIGURES
from tests.helpers.hand_made import HOSTILE, attention, random_weights, tokens
from tests.helpers.read_back import unpack
from viz import Export

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


@pytest.fixture(params=TEXT_FIGURES)
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
    for name in ("flow", "grid"):
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


def test_flow_and_grid_carry_the_data_of_the_page() -> None:
    weights = random_weights(len(HOSTILE), 7)
    att = attention(weights, tokens(*HOSTILE), tokens(*"abcdefg"))
    for name in ("flow", "grid"):
        page = Reader(viz.export(att, name, "html", layer=0, head=0).data.decode("utf-8"))
        (packed,) = re.findall(r'atob\("([A-Za-z0-9+/=]+)"\)', page.scripts[-1][1])
        header, arrays = unpack(base64.b64decode(packed))
        if name == "flow":
            assert [text for text, _ in header["queries"]] == list(HOSTILE)
            np.testing.assert_array_equal(arrays["cells0"].reshape(weights.shape), weights)
        else:
            assert header["parts"] == ["heads"]
            assert header["opening"]["selection"].startswith("layer=0&head=0&")
            np.testing.assert_array_equal(arrays["weights"], weights.ravel())


def test_a_heatmap_brings_its_own_plotly(exported: Callable[[str, str], Export]) -> None:
    text = exported("heatmap", "html").data.decode("utf-8")
    assert len(text) > 1_000_000
    assert "cdn.plot.ly" not in re.sub(r"/\*.*?\*/", "", text[:2000])


@pytest.mark.parametrize(("figure", "title"), [("flow", "Layer 5, head 11, encoder"), ("grid", "All heads, encoder")])
def test_a_file_says_what_it_shows(minilm: models.Model, figure: str, title: str) -> None:
    """Away from the page, nothing else tells which head the lines are of."""
    att = minilm.trace("The cat sat.")["encoder"]
    page = viz.export(att, figure, "html", layer=5, head=11).data.decode()
    assert f"<h1>{title} attention</h1>" in page
