"""The token that a visitor locked is part of what is seen, so every export draws its lines alone."""

from xml.etree import ElementTree

import numpy as np
import pytest

import viz
from analysis.selection import TokenRef
from models.errors import BadSelection
from tests.helpers.draw import packed, paper, view_of
from tests.helpers.read_back import unpack
from viz import DrawOptions
from viz.figures.token_graph import describe

CHOSEN = {"token": "query:8", "options": DrawOptions(threshold=0.05)}


@pytest.fixture(scope="module")
def att(minilm):
    return minilm.trace("The cat sat on the mat because it was tired.")["encoder"]


@pytest.mark.parametrize(("token", "side", "position"), [("query:8", "query", 8), ("key:2", "key", 2)])
def test_the_lines_are_those_of_the_token(att, token, side, position):
    view = view_of("flow", att, 5, 11, token=token, options=DrawOptions(threshold=0.05)).isolate()
    weights = att.weights(5, 11)
    expected = np.argwhere(weights >= 0.05)
    expected = expected[expected[:, 0 if side == "query" else 1] == position]
    found = np.stack([view.query, view.key], axis=1)
    assert sorted(map(tuple, found)) == sorted(map(tuple, expected))
    assert len(found) > 0


def test_every_renderer_draws_them_alone(att):
    expected = int((att.weights(5, 11)[8] >= 0.05).sum())
    figure = viz.flow(att, 5, 11, **CHOSEN)
    curves = sum(np.isnan(np.array(trace.x, dtype=float)).sum() for trace in figure.data if trace.mode == "lines")
    assert curves == expected
    said = "it (8) attends to cat 0.712, mat 0.099, [CLS] 0.086; lines from 0.05 up hold 90% of its attention"
    assert figure.layout.title.text == f"Layer 5, head 11, encoder attention<br>{said}"
    svg = viz.export(att, "flow", "svg", layer=5, head=11, **CHOSEN)
    root = ElementTree.fromstring(svg.data)
    texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert said in " ".join(texts)
    every = viz.export(att, "flow", "svg", layer=5, head=11, options=DrawOptions(threshold=0.05))
    assert every.data.count(b"<path") - svg.data.count(b"<path") > 10
    assert svg.origin["transformations"]["token"] == "query:8"


def test_a_key_says_who_attends_to_it(att):
    chosen = {"token": "key:2", "options": DrawOptions(threshold=0.3)}
    said = describe(view_of("flow", att, 5, 11, **chosen), chosen["options"])
    column = att.weights(5, 11)[:, 2]
    share = column[column >= 0.3].sum() / column.sum()
    assert said.startswith("cat (2) is attended to by cat 0.918, the (1) 0.803, sat 0.774")
    assert said.endswith(
        f"and {(column >= 0.3).sum() - 6} more; lines from 0.30 up hold {share:.0%} of the attention to it"
    )
    nothing = {"token": "query:8", "options": DrawOptions(threshold=0.9)}
    said = describe(view_of("flow", att, 5, 11, **nothing), nothing["options"])
    assert said == "it (8) attends to nothing shown; lines from 0.90 up hold 0% of its attention"


def test_paper_fades_and_marks_the_tokens_as_the_page_does(att):
    axes = paper("flow", att, 5, 11, **CHOSEN).axes[0]
    shown = [text for text in axes.texts if text.get_text() not in ("query", "key")]
    alphas = np.array([text.get_alpha() for text in shown]).reshape(2, 13)
    weights = att.weights(5, 11)[8]
    np.testing.assert_array_equal(alphas[0], np.where(np.arange(13) == 8, 1, 0.35))
    np.testing.assert_array_equal(alphas[1], np.where(weights >= 0.05, 1, 0.35))
    marked = {(patch.get_x() > 0.5, round(patch.get_y() + 0.45)): patch.get_alpha() for patch in axes.patches}
    reached = np.flatnonzero(weights >= 0.05)
    expected = {(True, int(key)): pytest.approx(0.08 + 0.5 * weights[key]) for key in reached}
    assert marked == {(False, 8): 0.22, **expected}
    every = paper("flow", att, 5, 11).axes[0]
    assert {text.get_alpha() for text in every.texts} <= {None, 1.0}
    assert not every.patches


def test_the_browser_picture_opens_locked_and_keeps_the_other_lines(att):
    header, arrays = unpack(packed("flow", att, 5, 11, **CHOSEN))
    assert header["opening"]["selection"].startswith("layer=5&head=11&token=query:8&threshold=0.05&")
    np.testing.assert_array_equal(arrays["cells0"].reshape(13, 13), att.weights(5, 11))


@pytest.mark.parametrize("token", ["query", "row:1", "query:-1", "key:x", "query:123456"])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(BadSelection, match="given as query:8 or key:2"):
        TokenRef.parse(token)


def test_a_token_that_the_text_does_not_have_is_refused(att):
    with pytest.raises(BadSelection, match="There is no key 13 to isolate: this text has key tokens 0 to 12"):
        viz.flow(att, 5, 11, token="key:13")
