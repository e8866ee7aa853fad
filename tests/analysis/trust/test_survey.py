"""What the quick checks read of all rows, against loops over single weights, and what they say of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis import Finding, check_trace
from analysis.trust import survey as surveys
from analysis.trust.finding import at_most, worst_first
from analysis.trust.survey import is_sampled, survey
from models import Attention, AttentionTrace
from models.capture.replay import Replay
from tests.helpers.hand_made import attention, causal_attention, random_weights, source, tokens

SHAPE = (2, 3, 7, 7)


def said(att: Attention, name: str) -> list[Finding]:
    """Return the findings of a name."""
    return [finding for finding in check_trace(AttentionTrace.of(att)) if finding.name == name]


def test_a_copy_is_found_but_for_rounding():
    weights = random_weights(1, 7, 11, 11, seed=3)[0]
    rounded = np.random.default_rng(4).uniform(1 - 2e-5, 1 + 2e-5, weights[0].shape)
    weights[2], weights[4], weights[6] = weights[0] * rounded, weights[3], weights[0]
    weights[5] = weights[1]
    weights[5, 7, 3] *= 1.001  # one weight of 121
    weights[3, 0, 0] = weights[4, 0, 0] = np.nan
    (layer,) = survey(attention(weights[None])).layers
    assert layer.twin.tolist() == [0, 1, 0, 3, 4, 5, 0]


def test_heads_with_one_pattern_and_other_numbers_are_no_copies():
    """Their sums with signs are near each other, so each pair is compared."""
    weights = np.repeat(random_weights(1, 1, 7, 7, seed=5)[0], 5, 0) ** np.linspace(1, 1.01, 5)[:, None, None]
    (layer,) = survey(attention(weights[None])).layers
    assert layer.twin.tolist() == list(range(5))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("causal", [False, True])
def test_the_survey_is_what_loops_over_single_weights_give(seed, causal):
    att = causal_attention(7, seed=seed) if causal else attention(random_weights(2, 3, 5, 7, seed=seed))
    seen = survey(att)
    assert seen.is_whole
    for layer in range(att.n_layers):
        found = seen.layers[layer]
        for head in range(att.heads_in(layer)):
            weights = att.weights(layer, head)
            even, sure = [], []
            for query, row in enumerate(weights):
                n_allowed = query + 1 if causal else 7
                if n_allowed > 1:
                    entropy = -sum(float(one) * math.log(float(one)) for one in row if one > 0)
                    even.append(entropy / math.log(n_allowed))
                    sure.append(max(map(float, row)))
            assert found.evenness[head] == pytest.approx(sum(even) / len(even), abs=1e-6)
            assert found.surest[head] == pytest.approx(sum(sure) / len(sure), abs=1e-6)
            for key in range(7):
                received = sum(float(row[key]) for row in weights) / len(weights)
                assert found.received[head, key] == pytest.approx(received, abs=1e-6)
            assert found.later[head] == 0 or not causal


def test_given_weights_are_judged_by_what_they_are_given_in():
    weights = random_weights(*SHAPE)
    half = Attention.from_weights(torch.from_numpy(weights).bfloat16(), list("abcdefg"))
    assert [each.level for each in said(half, "rows")] == ["ok"]
    with pytest.warns(UserWarning, match="do not sum to 1"):
        large = Attention.from_weights(weights * 30, list("abcdefg"))
    # A key that gets more than 0.99 of rows that sum to 30 does not get all.
    assert [each.level for each in said(large, "rows")] == ["warning"]
    assert said(large, "collapsed heads") == []


def test_a_sample_of_rows_gives_what_those_rows_give(monkeypatch):
    att = attention(random_weights(2, 3, 31, 31))
    trace = AttentionTrace.of(att)
    assert not is_sampled(trace)
    monkeypatch.setattr(surveys, "QUICK_WEIGHTS", 7 * 31 * 6)
    assert is_sampled(trace)
    seen = survey(att)
    assert (seen.n_read, seen.n_rows) == (7, 31)
    rows = [0, 5, 10, 15, 20, 25, 30]
    assert seen.layers[1].received[2] == pytest.approx(att.weights(1, 2)[rows].mean(0), abs=1e-6)
    assert said(att, "rows")[0].sentence.startswith("Every row that was read (7 of 31 of every head) sums to 1")
    monkeypatch.setattr(surveys, "ROWS_AT_ONCE", 5)
    done: list[tuple[int, int]] = []
    whole = check_trace(trace, every_row=True, progress=lambda *counts: done.append(counts))
    assert done == [(1, 2), (2, 2)]
    assert any(each.sentence.startswith("Every row of every head sums to 1") for each in whole)


@pytest.mark.parametrize(
    ("value", "level", "says"),
    [
        (np.nan, "fault", "7 weights of 1 head are no number (NaN) (layer 1 head 2)."),
        (np.inf, "fault", "7 weights of 1 head are infinite (layer 1 head 2)."),
        (-0.25, "fault", "7 weights of 1 head are negative (layer 1 head 2)."),
        (0.5, "fault", "Rows of 1 head do not sum to 1; the furthest sum is 1.3"),
    ],
)
def test_values_that_are_no_weights(value, level, says):
    weights = random_weights(*SHAPE)
    assert [finding.level for finding in said(attention(weights), "rows")] == ["ok"]
    weights[1, 2, :, 3] = value
    found = said(attention(weights), "rows")[0]
    assert found.level == level
    assert found.sentence.startswith(says[:45])
    assert found.remedy


def test_rows_that_sum_to_less_because_of_a_sink_are_explained():
    generator = torch.Generator().manual_seed(2)
    query, key = (torch.randn(3, 7, 5, generator=generator) for _ in range(2))
    texts = tokens(*"abcdefg")
    layer = Replay(query, key, 0.4, sinks=torch.tensor([0.5, 1.0, 2.0]))
    (found,) = said(Attention("encoder", [layer], texts, texts, source()), "rows")
    assert found.level == "ok"
    assert "goes to the model's own sink, which is not a token" in found.sentence
    assert 0.1 < found.number < 0.9


def test_given_weights_are_judged_by_what_was_said_of_them():
    weights = random_weights(*SHAPE)
    weights[0, 0, 2] *= 0.5
    with pytest.warns(UserWarning, match="does not sum to 1"):
        att = Attention.from_weights(weights, list("abcdefg"))
    (found,) = said(att, "rows")
    assert found.level == "warning"
    assert found.sentence == att.notices[0]


@pytest.mark.parametrize(
    ("name", "level", "change"),
    [
        ("uniform heads", "note", lambda weights: weights[1, 2].fill(1 / 7)),
        ("uniform heads", "warning", lambda weights: weights[1].fill(1 / 7)),
        ("collapsed heads", "warning", lambda weights: np.copyto(weights[0, 1], np.eye(7)[[3, 1, 1, 0, 5, 6, 2]])),
        ("collapsed heads", "note", lambda weights: np.copyto(weights[0, 1], 0.995 * np.eye(7)[[3] * 7] + 0.005 / 7)),
    ],
)
def test_heads_that_distinguish_no_tokens(name, level, change):
    weights = random_weights(*SHAPE)
    assert [finding.level for finding in said(attention(weights), "heads")] == ["ok"]
    change(weights)
    (found,) = said(attention(weights), name)
    assert found.level == level
    assert said(attention(weights), "heads") == []


def test_zeros_of_rounded_weights_are_no_warning():
    weights = random_weights(*SHAPE)
    weights[0, 1] = np.eye(7)[[3, 1, 1, 0, 5, 6, 2]]
    (found,) = said(Attention.from_weights(weights, list("abcdefg")), "collapsed heads")
    assert found.level == "note"


def test_the_first_token_is_a_resting_place_and_no_warning():
    weights = np.full(SHAPE, 0.05 / 6, np.float32)
    weights[..., 0] = 0.95
    moved = 1e-3 * np.arange(3, dtype=np.float32)[:, None]  # no head is a copy of another one
    weights[..., 1] += moved
    weights[..., 2] -= moved
    found = check_trace(AttentionTrace.of(attention(weights, tokens(*"abcdefg", special=[0, 6]))))
    (resting,) = [finding for finding in found if finding.name == "resting place"]
    assert (resting.level, resting.number) == ("note", pytest.approx(0.95))
    assert "more than 30% in 6 of 6 heads, and the other special tokens get 1%" in resting.sentence
    assert {finding.level for finding in found} <= {"ok", "note"}


def test_a_decoder_that_sees_later_tokens():
    weights = random_weights(*SHAPE)
    (found,) = said(attention(weights, kind="decoder"), "causal mask")
    assert found.level == "fault"
    assert found.number == pytest.approx(max(np.triu(head, 1).max() for layer in weights for head in layer))
    assert said(causal_attention(7), "causal mask") == []


def test_padding_is_a_warning_if_it_gets_attention():
    weights = random_weights(*SHAPE)
    texts = tokens("[CLS]", "a", "b", "c", "[SEP]", "[PAD]", "[PAD]", special=[0, 4, 5, 6])
    (found,) = said(attention(weights, texts), "padding")
    assert found.level == "warning"
    assert found.number == pytest.approx(weights[..., 5:].sum(-1).mean(), abs=1e-6)
    weights[..., 5:] = 0
    weights /= weights.sum(-1, keepdims=True)
    assert said(attention(weights, texts), "padding")[0].level == "note"


def test_one_token_and_hidden_rows_say_nothing_of_heads():
    assert said(attention(np.ones((1, 2, 1, 1))), "heads") == []
    found = check_trace(AttentionTrace.of(attention(np.zeros((1, 1, 5, 5)))))
    assert [finding.level for finding in found if finding.name == "rows"] == ["fault"]
    assert not any(finding.name == "heads" and finding.level == "ok" for finding in found)


def test_every_notice_is_said_in_its_own_words():
    att = attention(random_weights(*SHAPE))
    sentences = (
        "3 of 9 tokens are [UNK]: the model's vocabulary does not cover this text, so it cannot distinguish those "
        "words from each other.",
        "The first 9 of 40 tokens are shown: this is the maximum that the model reads at once.",
        "Something that no check knows.",
    )
    found = check_trace(replace(AttentionTrace.of(att), notices=sentences))
    assert [(each.name, each.level) for sentence in sentences for each in found if each.sentence == sentence] == [
        ("unknown tokens", "warning"),
        ("truncation", "warning"),
        ("reading", "note"),
    ]
    assert next(each.number for each in found if each.name == "unknown tokens") == pytest.approx(1 / 3)


def test_the_worst_comes_first_and_numbers_are_round():
    levels = ["note", "ok", "fault", "warning", "note"]
    assert [each.level for each in worst_first(Finding(level, level, "") for level in levels)] == [
        "fault",
        "warning",
        "note",
        "note",
        "ok",
    ]
    assert [at_most(each) for each in (0, 4.2e-7, 1.2e-4, 0.3)] == ["0", "less than 0.000001", "less than 0.001", "0.3"]
