"""The browser's words, hidden tokens and combined heads are those of Python, for every combination."""

import base64
from dataclasses import replace
from itertools import product
from urllib.parse import urlencode

import numpy as np
import pytest
import torch

from analysis.measures import FIGURES, head_row
from analysis.selection import Region, Selection
from models import Attention, Token
from models.capture.replay import MaterialisedLayer, Replay
from tests.helpers.hand_made import attention, causal_attention, random_weights, source, tokens
from tests.helpers.node import call
from viz import DrawOptions
from viz.labels import boundaries
from viz.views import view_of
from viz.wire.instrument import Opening, trace_message

pytestmark = pytest.mark.slow

# One view after the other: labels, spans, and the weights of every head and of combined heads.
VIEWS = """
import { Trace } from "./viz/browser/instrument/trace.js";
import { deriveView, viewQuery } from "./viz/browser/instrument/view.js";
import { parseSelection } from "./viz/browser/instrument/link.js";
import { measuresOfTile } from "./viz/browser/instrument/measures.js";
import { nameShown, shadeOf } from "./viz/browser/instrument/shown.js";
const [message, links] = data;
const base = new Trace(new Uint8Array(Buffer.from(message, "base64")));
const numbers = (values) => Array.from(values, (value) => (Number.isNaN(value) ? null : value));
const result = links.map((link) => {
  const state = { ...parseSelection(link, base.header.defaults), side: "query", hover: null };
  const view = viewQuery(state) ? deriveView(base, state) : base;
  const shown = state.combine === "overlay" ? [state.layer, state.head] : [state.combine, state.heads];
  return {
    queries: view.queries, keys: view.keys, spans: view.header.spans, cuts: view.header.cuts,
    cells: numbers(view.tile(shown, null).cells), name: nameShown(view, state),
    measures: numbers(measuresOfTile(view, view.tile(shown, null), shadeOf(view, state).query)),
    shade: Object.values(shadeOf(view, state)).map((each) => Array.from(each)),
  };
});
"""


def with_words(names: str, *, special: tuple[int, ...] = (0,), second: int = 99) -> tuple[Token, ...]:
    """Tokens of which those that begin with "+" continue a word; from `second` on they are of the second text."""
    found, word = [], -1
    for position, token in enumerate(tokens(*names.split(), special=special)):
        word += not token.display.startswith("+")
        found.append(replace(token, word=word, segment=int(position >= second), generated=position > 8))
    return tuple(found)


SELF = with_words("[CLS] un +bel +ie vable , the [SEP] cat +s [SEP]", special=(0, 7, 10), second=8)
QUERIES, KEYS = (
    with_words("<s> le chat +on dor +t +ait", special=(0,)),
    with_words("the kit +ten s +lept </s> x", special=(5,)),
)


def masked() -> Attention:
    """A mask with holes, other in each head, and sinks that take a part of each row."""
    random = torch.Generator().manual_seed(3)
    query, key = torch.randn(3, 11, 5, generator=random), torch.randn(3, 11, 5, generator=random)
    mask = torch.rand(3, 11, 11, generator=random) > 0.4
    return Attention("encoder", [Replay(query, key, 0.7, mask=mask, sinks=torch.ones(3))], SELF, SELF, source())


def broken() -> Attention:
    weights = random_weights(2, 3, 11, 11)
    weights[1, 0, 4, 3] = weights[0, 1, 0, 5] = np.nan
    return attention(weights, SELF, SELF)


def ragged() -> Attention:
    layers = [MaterialisedLayer(torch.tensor(random_weights(n, 7, 7, seed=n))) for n in (2, 3)]
    return Attention("cross", layers, QUERIES, KEYS, source())


CASES = {
    "encoder": attention(random_weights(2, 3, 11, 11), SELF, SELF),
    "decoder": causal_attention(11),
    "masked": masked(),
    "not a number": broken(),
    "cross": ragged(),
}
HEADS = {
    "": ({},),
    "0.1,1": ({"combine": "mean"}, {"combine": "maximum"}),
    "all": ({"combine": "mean"},),
}


def views() -> list[dict[str, str]]:
    """The parameters of a link for every view: units, treatments and heads."""
    treatments = product(("pieces", "words"), ("show", "hide"), ("dim", "hide"), ("False", "True"))
    found = []
    for (unit, special, sink, renormalise), (heads, ways) in product(treatments, HEADS.items()):
        for way in ways:
            view = {"unit": unit, "special": special, "sink": sink, "renormalise": renormalise}
            found.append({"layer": "0", "head": "1", "heads": heads, **view, **way})
    return found


def shown_by_python(att: Attention, view: dict[str, str]) -> tuple[Attention, np.ndarray]:
    heads = {name: view[name] for name in ("heads", "unit", "combine") if name in view}
    options = DrawOptions(special=view["special"], sink=view["sink"], renormalise=view["renormalise"] == "True")
    shown, selection = view_of(att, Selection.parse(0, 1, **heads), options)  # type: ignore[arg-type]
    layer, head = selection.of_one_head()
    return shown, np.where(shown.mask(layer, head), shown.weights(layer, head), np.float32(-1))


@pytest.mark.parametrize("name", CASES)
def test_the_browser_computes_what_python_computes(name: str) -> None:
    att = CASES[name]
    wanted = [view for view in views() if att.n_layers > 1 or view["heads"] != "0.1,1"]
    message = base64.b64encode(trace_message(att, Opening("", ""))).decode()
    for view, found in zip(wanted, call(VIEWS, [message, [urlencode(view) for view in wanted]]), strict=True):
        shown, cells = shown_by_python(att, view)
        own = np.array([np.nan if cell is None else cell for cell in found["cells"]]).reshape(cells.shape)
        np.testing.assert_allclose(own, cells, rtol=2e-6, atol=1e-7, err_msg=str(view))
        assert [text for text, *_ in found["queries"]] == [token.display for token in shown.query_tokens], view
        assert [len(each) == 3 for each in found["keys"]] == [token.generated for token in shown.key_tokens], view
        hidden = [{at for at, shade in enumerate(side) if shade == 2} for side in found["shade"]]
        assert hidden == [shown.hidden_queries, shown.hidden_keys], view
        layer, head = (0, 0) if "combine" in view else (0, 1)
        assert found["name"] == shown.head_name(layer, head)
        figures = [np.nan if value is None else value for value in found["measures"]]
        wanted_figures = head_row(shown, layer, head)[list(FIGURES)].astype(float)
        np.testing.assert_allclose(figures, wanted_figures, rtol=1e-5, atol=1e-6, err_msg=str(view))


def test_a_pair_has_the_regions_of_its_texts() -> None:
    att = CASES["encoder"]
    message = base64.b64encode(trace_message(att, Opening("", ""))).decode()
    pieces, words = call(VIEWS, [message, ["unit=pieces", "unit=words"]])
    for found, shown in ((pieces, att), (words, att.words())):
        for query_text, key_text in product((0, 1), repeat=2):
            region = Region.of_texts(shown, query_text, key_text)
            spans = [found["spans"][0][query_text], found["spans"][1][key_text]]
            assert [range(first, last + 1) for first, last in spans] == [region.queries, region.keys]
    assert words["cuts"] == [boundaries(att.words().query_tokens)] * 2
