"""One function for every method: rows divided by their sums, refusals with the reason, estimates before the work."""

import numpy as np
import pytest

from analysis import METHODS, attention_flow, derive, rollout
from analysis.maps import cost
from analysis.maps.derivation import divide_rows
from models import Attention, AttentionTrace
from models.capture.cost import Budget
from models.errors import BadSelection, BadTrace, TooLong
from tests.helpers.hand_made import attention, causal_attention, random_weights
from tests.helpers.same_trace import assert_same_attention

TEXT = "The cat sat on the mat."
OF_LAYERS = {"rollout": rollout, "flow": attention_flow}


def small() -> Attention:
    return attention(random_weights(3, 2, 5, 5, seed=3))


def test_each_method_says_what_it_is():
    assert list(METHODS) == ["attention", "value-weighted", "rollout", "flow", "gradient"]
    for method in METHODS.values():
        assert all(sentence.endswith(".") and ". " not in sentence for sentence in (method.shows, method.hides))
        assert method.paper.link.startswith("https://arxiv.org/abs/")
        assert method.equation.count("{") == method.equation.count("}")


@pytest.mark.parametrize("name", OF_LAYERS)
def test_rows_are_divided_by_their_sums(name):
    calls = []
    plain = OF_LAYERS[name](small(), heads="mean")
    found = derive(name, small(), progress=lambda *done: calls.append(done))
    assert calls[-1][0] == calls[-1][1] == len(calls)
    assert (found.method, found.notices) == (name, ("Each row is divided by its sum.",))
    for layer in range(3):
        expected = plain.weights(layer, 0) / plain.weights(layer, 0).sum(-1, keepdims=True)
        assert np.abs(found.weights(layer, 0) - expected).max() < 1e-6
    as_it_is = derive(name, small(), normalise=False)
    np.testing.assert_array_equal(as_it_is.weights(2, 0), plain.weights(2, 0))
    assert as_it_is.notices == plain.notices


def test_rows_without_a_sum_stay_as_they_are():
    weights = np.tril(random_weights(1, 2, 5, 5))
    weights[0, :, 1] = 0
    weights[0, :, 3, 0] = np.nan
    made = attention_flow(attention(weights, kind="decoder", causal=True), residual=0.0)
    rows = divide_rows(made).weights(0, 0)
    assert not rows[1].any()
    assert np.isnan(rows[3]).all()
    assert np.abs(rows[[0, 2, 4]].sum(-1) - 1).max() < 1e-6


def test_a_map_can_be_viewed_and_stopped():
    found = derive("rollout", causal_attention(7))
    assert found.hide(first=True).weights(0, 0)[:, 0].tolist() == [0.0] * 7
    with pytest.raises(KeyError):
        derive("flow", small(), progress=lambda *_: {}["stop"])


def test_what_does_not_fit_is_refused_with_the_reason():
    cross = attention(random_weights(2, 3, 5, 7))
    assert [method.fits(cross) for method in METHODS.values()] == [True, False, False, False, False]
    assert [method.fits(small().words().hide(first=True)) for method in METHODS.values()] == [True] + [False] * 4
    some = small()
    part = Attention(
        "encoder", some.layers, *2 * (some.query_tokens,), some.source, annotations={"head_numbers": (((0, 1),),) * 3}
    )
    assert "save the whole trace" in METHODS["flow"].refusal(part)
    for name, remedy in (
        ("rollout", "choose the attention of the encoder"),
        ("value-weighted", "open the text with its model"),
        ("gradient", "open the text with its model"),
        ("sorcery", "choose one of attention, value-weighted"),
    ):
        with pytest.raises(BadSelection, match=remedy):
            derive(name, cross)


def test_what_takes_too_long_is_refused_with_the_estimate_before_it_starts():
    long = causal_attention(131)
    with pytest.raises(TooLong, match=r"Flow of 131 tokens would take about .* are allowed: .* or choose Rollout"):
        derive("flow", long, budget=Budget(seconds=1.0))
    with pytest.raises(TooLong, match=r"Rollout of 131 tokens would take about .* or choose Attention"):
        derive("rollout", long, budget=Budget(seconds=1e-9))
    estimates = [cost.estimate("flow", causal_attention(n)) for n in (11, 23)]
    assert estimates[1].seconds / estimates[0].seconds == pytest.approx((23 / 11) ** 4, rel=0.05)


@pytest.mark.parametrize("suffix", ["npz", "json"])
def test_a_saved_map_is_the_same_map(suffix, tmp_path):
    made = derive("flow", causal_attention(5))
    path = tmp_path / f"map.{suffix}"
    AttentionTrace.of(made).save(path)
    read = AttentionTrace.load(path)["decoder"]
    assert (read.method, read.notices) == ("flow", made.notices)
    assert_same_attention(made, read, views=True)
    np.testing.assert_array_equal(read.mask(0, 0), made.mask(0, 0))
    if suffix == "json":
        path.write_text(path.read_text().replace('"flow"', '"<b>"'))
        with pytest.raises(BadTrace, match="its method is"):
            AttentionTrace.load(path)


@pytest.mark.slow
def test_weights_of_a_map_are_those_of_the_trace(minilm):
    att = minilm.trace(TEXT)["encoder"]
    found = derive("value-weighted", att, minilm, {"text": TEXT}, normalise=False)
    assert all(made.layer is layer for made, layer in zip(found.layers, att.layers, strict=True))
    divided = derive("value-weighted", att, minilm, {"text": TEXT})
    assert np.abs(divided.layer(3).sum(-1) - 1).max() < 1e-6
    with pytest.raises(BadSelection, match="give those that made it"):
        derive("value-weighted", att, minilm, {"text": "Another text."})
