"""Weights that came from elsewhere: every figure, export and analysis works on them, and says what is strange."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import analysis
import viz
from models import Attention, AttentionTrace
from tests.helpers.given_weights import TOKENS, causal, spoilt, weights
from tests.helpers.read_back import data_of_page
from viz.figures.base import Subject
from viz.figures.registry import FIGURES

pytestmark = pytest.mark.slow
NOTICE = "1 of 30 rows does not sum to 1: its sum is 0.8, in layer 1, head 2, query 2."
# These need a picture, a sound or numbers beside the weights.
NEED_MORE = {"patches", "signal", "sound"}


def with_a_finding() -> Attention:
    found = spoilt()
    found[1, 2, 2] *= 0.8
    with pytest.warns(UserWarning, match="does not sum to 1"):
        return Attention.from_weights(found, TOKENS)


GIVEN = {
    "encoder": with_a_finding,
    "decoder": lambda: Attention.from_weights([*causal(2, 3, 5, 5), causal(1, 5, 5)], TOKENS, kind="decoder"),
    "cross": lambda: Attention.from_weights(weights(2, 3, 4, 5), ["Ġthe", "Ġca", "t", "."], TOKENS, "cross"),
}


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("name", [name for name in FIGURES if name not in NEED_MORE])
def test_every_figure_of_given_weights_is_written_with_its_notices(name, kind):
    att = GIVEN[kind]()
    assert FIGURES[name].fits(Subject(att))
    for file_format in FIGURES[name].formats:
        made = viz.export(att, name, file_format, **({} if name in ("grid", "view") else {"layer": 1, "head": 0}))
        assert made.origin["source"]["capture"] == "given"
        assert made.origin.get("notices", []) == ([NOTICE] if kind == "encoder" else [])
        if file_format == "png":
            assert json.loads(Image.open(io.BytesIO(made.data)).text["headlight"]) == made.origin
        if file_format == "npz":
            with np.load(io.BytesIO(made.data), allow_pickle=False) as arrays:
                assert any(NOTICE in str(arrays[part]) for part in arrays.files) == (kind == "encoder")
        if file_format in ("svg", "html"):
            assert (NOTICE.encode() in made.data) == (kind == "encoder")


def test_figures_that_need_more_do_not_offer_themselves():
    assert not any(FIGURES[name].fits(Subject(with_a_finding())) for name in NEED_MORE)


def test_a_table_has_the_bits_of_the_weights():
    att = with_a_finding()
    table = pd.read_csv(io.BytesIO(viz.export(att, "table", "csv", layer=1, head=2).data))
    found = np.zeros((5, 5), np.float32)
    found[table["query"], table["key"]] = table["weight"]
    np.testing.assert_array_equal(found, att.weights(1, 2))


def test_a_notebook_and_interactive_figures_show_the_notices():
    att = with_a_finding()
    for shown in (att, AttentionTrace.of(att)):
        assert NOTICE in viz.show(shown)._repr_html_()
    for figure in (viz.heatmap(att, 0, 0), viz.grid(att), viz.flow(att, 0, 0)):
        assert NOTICE in figure.layout.title.text


def test_notices_that_a_file_invents_are_text():
    layers = [weights(1, 5, 5)]
    tokens = Attention.from_weights([*layers], TOKENS).query_tokens
    source = Attention.from_weights([*layers], TOKENS).source
    hostile = ("<b>$x$\u202e\ud800</b>\n" + "x" * 10_000,) * 50
    att = Attention("encoder", layers, tokens, tokens, source, notices=hostile)
    page = viz.export(att, "heatmap", "html", layer=0, head=0).data
    assert b"<b>" not in page.partition(b'<script type="module">')[0]
    assert "&lt;b&gt;&#36;x&#36;" in viz.heatmap(att, 0, 0).layout.title.text
    assert "<b>" not in viz.grid(att).layout.title.text
    assert len(viz.export(att, "heatmap", "png", layer=0, head=0).data) < 1_000_000
    assert data_of_page(page)


@pytest.mark.parametrize("kind", GIVEN)
def test_analyses_count_given_weights_as_they_are(kind):
    att = GIVEN[kind]()
    table = analysis.head_table(att)
    assert len(table) == sum(att.heads_in(layer) for layer in range(att.n_layers))
    # Rows that do not sum to 1 are no distribution, and have no entropy.
    whole = [np.allclose(att.weights(layer, head).sum(-1), 1, atol=0.01) for layer, head in table.index]
    assert list(np.isfinite(table["entropy_bits"])) == whole
    assert any(whole)
    ranked = analysis.heads_for_pair(att, 2, 1)
    first = ranked.iloc[0]
    largest = max(att.weights(n, head)[2, 1] for n in range(att.n_layers) for head in range(att.heads_in(n)))
    assert first["weight"] == pytest.approx(largest)
    assert len(analysis.strongest_pairs(att, 1, 0, 3)) == 3
    assert len(analysis.heads_for_token(att, "query:1"))
    pd.testing.assert_series_equal(analysis.head_row(att, 1, 0), table.loc[(1, 0)], check_names=False)
