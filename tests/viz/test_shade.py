"""Words, hidden tokens and several heads in pictures and tables: the numbers, and what is said of them."""

import io

import numpy as np
import pytest

import models
import viz
from models.errors import BadSelection
from tests.helpers.draw import paper, view_of
from tests.helpers.hand_made import attention, random_weights, tokens
from tests.helpers.read_back import read_csv
from viz import DrawOptions

WEIGHTS = random_weights(2, 3, 5, 5, seed=3)
ATT = attention(WEIGHTS, tokens("[CLS]", "a", "b", "c", "[SEP]", special=[0, 4]))
HIDE = DrawOptions(special="hide", sink="hide", renormalise=True)


@pytest.mark.slow
def test_the_mean_of_a_layer_is_one_map_with_its_own_title() -> None:
    drawn = viz.heatmap(ATT, heads="1", combine="mean")
    np.testing.assert_allclose(drawn.data[0].z, WEIGHTS[1].mean(0), atol=1e-6)
    assert drawn.layout.title.text.startswith("Mean of layer 1, encoder attention")
    table = read_csv(viz.export(ATT, "table", "csv", heads="1", combine="maximum").data)
    np.testing.assert_allclose(table["weight"], WEIGHTS[1].max(0).ravel(), atol=1e-6)
    assert set(table["layer"]) == set(table["head"]) == {-1}


def test_a_mean_without_heads_is_refused() -> None:
    with pytest.raises(BadSelection, match="A mean needs several heads"):
        viz.heatmap(ATT, 0, 0, combine="mean")


def test_hidden_tokens_are_hatched_with_their_share_of_what_is_shown() -> None:
    share = (WEIGHTS[1, 2, 1:4, [0, 4]].sum() / 3) * 100
    drawn = viz.heatmap(ATT, 1, 2, options=DrawOptions(special="hide"))
    assert f"special tokens: {share:.1f}% of the attention, hidden; rows not renormalised" in drawn.layout.title.text
    assert "hatched: hidden tokens" in drawn.layout.title.text
    assert "masked" not in drawn.layout.title.text
    assert drawn.data[-1].fillpattern.shape == "/"
    title = paper("heatmap", ATT, 1, 2, options=DrawOptions(special="dim")).get_suptitle().replace("\n", " ")
    assert "faded: dimmed tokens" in title
    np.testing.assert_array_equal(
        view_of("heatmap", ATT, 1, 2, options=DrawOptions(special="dim")).weights, WEIGHTS[1, 2]
    )


def test_a_table_leaves_hidden_pairs_out_and_says_so() -> None:
    made = viz.export(ATT, "table", "csv", layer=1, head=2, options=HIDE)
    table = read_csv(made.data)
    inner = WEIGHTS[1, 2, 1:4, 1:4]
    np.testing.assert_allclose(table["weight"], (inner / inner.sum(1, keepdims=True)).ravel(), atol=1e-6)
    assert sorted(set(table["query"])) == [1, 2, 3]
    told = made.origin["transformations"]
    assert (told["hidden pairs"], told["special"], told["sink"], told["renormalise"]) == (
        "left out",
        "hide",
        "hide",
        True,
    )
    with np.load(io.BytesIO(viz.export(ATT, "table", "npz", heads="0.1,1.2", options=HIDE).data)) as arrays:
        assert arrays["weights"].shape == (2, 3, 3)
        assert list(zip(arrays["layer"], arrays["head"], strict=True)) == [(0, 1), (1, 2)]


def test_the_lines_of_several_heads_have_colours_of_their_own_and_a_legend() -> None:
    view = view_of("flow", ATT, heads="0.1,1.2")
    for number, (layer, head) in enumerate([(0, 1), (1, 2)]):
        chosen = view.number == number
        expected = WEIGHTS[layer, head]
        np.testing.assert_array_equal(view.weight[chosen], expected[view.query[chosen], view.key[chosen]])
        assert chosen.sum() == (expected >= 0.05).sum()
    drawn = viz.flow(ATT, heads="0.1,1.2")
    legend = [trace for trace in drawn.data if trace.name]
    assert [trace.name for trace in legend] == ["0.1", "1.2"]
    assert legend[0].line.color != legend[1].line.color
    assert drawn.layout.title.text.startswith("Heads 0.1 and 1.2, encoder attention")


def test_at_most_as_many_heads_are_drawn_as_can_be_told_apart() -> None:
    many = attention(random_weights(5, 7, 3, 3))
    view = view_of("flow", many, heads="all")
    assert set(view.number) == set(range(24))
    assert "the first 24 of 35 heads" in viz.flow(many, heads="all").layout.title.text
    viz.export(many, "flow", "svg", heads="all", width="8cm")


def test_words_are_drawn_at_their_own_positions(minilm: models.Model) -> None:
    att = minilm.trace("An unbelievably tired cat.")["encoder"]
    words = att.words()
    assert words.n_key < att.n_key
    drawn = viz.heatmap(att, 2, 3, unit="words")
    np.testing.assert_array_equal(drawn.data[0].z, words.weights(2, 3))
    assert "unit: words" in drawn.layout.title.text
    table = read_csv(viz.export(att, "table", "csv", layer=2, head=3, unit="words").data)
    assert "unbelievably" in set(table["key_token"])


def test_a_decoder_says_what_a_row_is() -> None:
    decoder = attention(random_weights(3, 3), causal=True, kind="decoder")
    for name in ("heatmap", "flow"):
        title = paper(name, decoder, 0, 0).get_suptitle().replace("\n", " ")
        assert "what the model reads there to predict the next token" in title
