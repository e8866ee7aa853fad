"""Sinks and patterns: published thresholds, on maps that are known, and never where chance passes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.measures import head_row, head_table, label_patterns
from analysis.measures.chance import by_chance
from analysis.measures.positions import Positions
from tests.helpers.hand_made import attention, tokens

N = 23
SHOWN = tokens("[CLS]", *(f"w{n}" for n in range(10)), ",", *(f"w{n}" for n in range(10)), "[SEP]", special=(0, 22))


def mixed(**shares: float) -> np.ndarray:
    """Rows with these shares on kinds of positions, and what is left on all positions alike."""
    at = {
        "first": np.eye(N)[np.zeros(N, int)],
        "comma": np.eye(N)[np.full(N, 11)],
        "separator": np.eye(N)[np.full(N, 22)],
        "previous": np.eye(N)[np.maximum(np.arange(N) - 1, 0)],
        "next": np.eye(N)[np.minimum(np.arange(N) + 1, N - 1)],
        "same": np.eye(N),
        "word": np.eye(N)[np.full(N, 5)],
    }
    weights = np.full((N, N), (1 - sum(shares.values())) / N)
    for name, share in shares.items():
        weights += share * at[name]
    return weights


@pytest.mark.parametrize(
    ("shares", "label"),
    [
        ({}, "broad"),
        ({"first": 0.6}, "vertical"),
        ({"first": 0.2, "comma": 0.2, "separator": 0.2}, "vertical"),
        ({"previous": 0.6}, "diagonal"),
        ({"previous": 0.2, "next": 0.2, "same": 0.2}, "diagonal"),
        ({"first": 0.35, "next": 0.35}, "vertical + diagonal"),
        ({"word": 0.9}, "heterogeneous"),
    ],
)
def test_a_pattern_is_what_takes_over_half(shares: dict[str, float], label: str) -> None:
    assert head_row(attention(mixed(**shares), SHOWN), 0, 0)["pattern"] == label


@pytest.mark.parametrize(("share", "is_sink"), [(0.27, False), (0.28, True)])
def test_a_sink_gets_more_than_three_tenths(share: float, is_sink: bool) -> None:
    # What is left is uniform: 0.27 + 0.73 / 23 = 0.302, of which the threshold sees 0.3; 0.26 is below it.
    share = share if is_sink else 0.26
    assert head_row(attention(mixed(first=share), SHOWN), 0, 0)["sink"] == is_sink


def test_only_the_first_64_queries_make_a_sink() -> None:
    weights = np.full((101, 101), 1 / 101)
    weights[64:] = np.eye(101)[0]
    table = head_table(attention(np.stack([[weights, weights[::-1]]])))
    assert table["sink"].tolist() == [False, True]
    assert (table["first"] > 0.3).all()


def test_what_uniform_attention_passes_is_not_said() -> None:
    def uniform_decoder(n: int) -> pd.Series:
        weights = np.tril(np.ones((n, n))) / np.arange(1, n + 1)[:, None]
        return head_row(attention(weights, kind="decoder", causal=True), 0, 0)

    # Uniform attention of 9 tokens of a decoder gives the first token 0.31, of 10 tokens 0.29.
    assert uniform_decoder(9)["first"] > 0.3 > uniform_decoder(10)["first"]
    assert pd.isna(uniform_decoder(9)["sink"])
    assert not uniform_decoder(10)["sink"]
    for n in (1, 2, 3, 5, 7, 11, 19, 29):
        pattern = uniform_decoder(n)["pattern"]
        assert pd.isna(pattern) or pattern in ("broad", "heterogeneous"), n
    short = attention(
        np.stack([[np.full((3, 3), 1 / 3), np.eye(3)[[0, 0, 0]]]]), tokens("[CLS]", "a", ".", special=[0])
    )
    assert head_table(short)[["sink", "pattern"]].isna().all(axis=None)


def test_what_uniform_attention_gets_by_hand() -> None:
    # A decoder's 3 queries: 1, 1/2, 1/3 for the first token and for itself; 1/2, 1/3 for the previous one.
    decoder = attention(np.eye(3), tokens("a", "b", "c"), kind="decoder", causal=True)
    found = by_chance(Positions.of(decoder))
    assert found == pytest.approx((11 / 18, 11 / 18, 11 / 18 + 5 / 12))
    encoder = attention(np.eye(3), tokens("[CLS]", "a", "[SEP]", special=(0, 2)))
    assert by_chance(Positions.of(encoder)) == pytest.approx((1 / 3, 2 / 3, 1))


def test_a_label_needs_every_share_that_it_rests_on() -> None:
    table = head_table(attention(np.stack([[mixed(first=0.9), mixed(word=0.9)]]), SHOWN))
    table.loc[(0, 0), "self"] = np.nan
    assert pd.isna(label_patterns(table)[(0, 0)])
    assert label_patterns(table)[(0, 1)] == "heterogeneous"


def test_rows_that_are_no_distribution_have_no_figures() -> None:
    negative, large = mixed(first=0.5), mixed(first=0.5)
    negative[7, 4:6] = -0.25, 0.25
    large[7] *= 1.5
    table = head_table(attention(np.stack([[negative, large, mixed(first=0.5)]]), SHOWN))
    assert table.loc[[(0, 0), (0, 1)]].isna().all(axis=None)
    assert table.loc[(0, 2)].drop("same_token").notna().all()
