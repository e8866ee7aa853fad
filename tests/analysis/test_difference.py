"""How far a change moved each weight: arrays by hand, windows, what does not fit, and the pictures of it."""

import numpy as np
import pytest

import viz
from analysis import difference
from models import Attention, errors
from tests.helpers.small_models import SENTENCE

TOKENS = ["a", "b", "c"]
NAN = float("nan")


def attention(*rows: list[list[float]], tokens: list[str] | None = None) -> Attention:
    return Attention.from_weights(np.array([[row] for row in rows], np.float32), tokens or TOKENS)


def test_the_difference_of_two_attentions_by_hand():
    one = attention([[1, 0, 0], [0.5, 0.5, 0], [0.25, 0.25, 0.5]], [[1, 0, 0]] * 3)
    other = attention([[1, 0, 0], [0.25, 0.75, 0], [0.5, NAN, 0.5]], [[0, 1, 0]] * 3)
    found = difference(one, other)
    np.testing.assert_allclose(found.weights(0, 0), [[0, 0, 0], [0.25, 0.25, 0], [0.25, NAN, 0]])
    np.testing.assert_array_equal(found.weights(1, 0), [[1, 1, 0]] * 3)
    assert (found.method, found.source, found.is_view) == ("difference", other.source, False)
    assert "rows do not sum to 1" in found.notices[-1]
    assert viz.heatmap(found, 0, 0).layout.title.text.startswith("Difference: layer 0, head 0")
    same = difference(one, one)
    assert same.weights(0, 0).max() == 0


def test_what_cannot_be_compared_is_one_sentence():
    one = attention([[1, 0, 0]] * 3)
    for other, sentence in (
        (attention([[1, 0, 0]] * 3, tokens=["a", "b", "x"]), "the same kind, heads and tokens"),
        (attention([[1, 0, 0]] * 3, [[1, 0, 0]] * 3), "the same kind, heads and tokens"),
        (difference(one, one), "attentions of two traces"),
        (one.words(), "attentions of two traces"),
    ):
        with pytest.raises(errors.BadSelection, match=sentence):
            difference(one, other)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "kind"), [("gpt2", "decoder"), ("modernbert", "encoder"), ("t5", "cross")])
def test_the_difference_of_traces_has_the_mask_of_the_first(family, kind, loaded):
    model, given = loaded(family), {"target": SENTENCE} if family == "t5" else {}
    place = (kind, 1, 2)
    traces = [
        model.trace(SENTENCE, **given),
        model.trace(SENTENCE, ablate={place: "uniform"}, mask_tokens=[3], **given),
    ]
    one, other = (trace[kind] for trace in traces)
    found = difference(one, other)
    for layer, head in ((0, 0), (1, 2), (1, 0)):
        expected = np.abs(other.weights(layer, head) - one.weights(layer, head))
        np.testing.assert_allclose(found.weights(layer, head), expected, rtol=0, atol=1e-6)
        block = found.weights(layer, head, slice(2, 5), slice(1, 4))
        np.testing.assert_allclose(block, expected[2:5, 1:4], rtol=0, atol=1e-6)
        assert found.pooled(layer, head, 1).item() == pytest.approx(expected.max(), abs=1e-6)
        np.testing.assert_array_equal(found.mask(layer, head), one.mask(layer, head))
    assert found.weights(1, 2).max() > 0.05
    assert set(other.notices) < set(found.notices)
