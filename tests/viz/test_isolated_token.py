"""The token that a visitor locked is part of what is seen, so every export draws its lines alone."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

import viz
from models.errors import BadSelection
from viz.flow import pack_flow
from viz.view import flow_view, isolate

LOOK = viz.Look(threshold=0.05, token="query:8")


@pytest.fixture(scope="module")
def att(minilm):
    return minilm.trace("The cat sat on the mat because it was tired.")["encoder"]


@pytest.mark.parametrize(("token", "side", "position"), [("query:8", "query", 8), ("key:2", "key", 2)])
def test_the_lines_are_those_of_the_token(att, token, side, position):
    view = isolate(flow_view(att, 5, 11, viz.Look(threshold=0.05, token=token)))
    weights = att.weights(5, 11)
    expected = np.argwhere(weights >= 0.05)
    expected = expected[expected[:, 0 if side == "query" else 1] == position]
    found = np.stack([view.query, view.key], axis=1)
    assert sorted(map(tuple, found)) == sorted(map(tuple, expected))
    assert len(found) > 0


def test_every_renderer_draws_them_alone(att):
    expected = int((att.weights(5, 11)[8] >= 0.05).sum())
    figure = viz.flow(att, 5, 11, look=LOOK)
    curves = sum(np.isnan(np.array(trace.x, dtype=float)).sum() for trace in figure.data if trace.mode == "lines")
    assert curves == expected
    assert "only it (query 8)" in figure.layout.title.text
    svg = viz.export(att, "flow", "svg", layer=5, head=11, look=LOOK)
    root = ElementTree.fromstring(svg.data)
    titles = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any("only it (query 8), lines from 0.05 up" in text for text in titles)
    every = viz.export(att, "flow", "svg", layer=5, head=11, look=viz.Look(threshold=0.05))
    assert every.data.count(b"<path") - svg.data.count(b"<path") > 10
    assert svg.origin["transformations"]["token"] == "query:8"


def test_the_browser_picture_opens_locked_and_keeps_the_other_lines(att):
    packed = pack_flow(att, 5, 11, LOOK)
    header = json.loads(packed[4 : 4 + int.from_bytes(packed[:4], "little")])
    assert header["locked"] == ["query", 8]
    assert header["arrays"]["weight"][2] == int((att.weights(5, 11) >= 0.05).sum())


@pytest.mark.parametrize("token", ["query", "row:1", "query:-1", "key:x", "query:123456"])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(BadSelection, match="given as query:8 or key:2"):
        viz.Look(token=token)


def test_a_token_that_the_text_does_not_have_is_refused(att):
    with pytest.raises(BadSelection, match="There is no key 13 to isolate: this text has key tokens 0 to 12"):
        viz.flow(att, 5, 11, look=viz.Look(token="key:13"))
