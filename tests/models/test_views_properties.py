"""Words, hidden tokens and combined heads of layers of all sizes and masks, against brute force in float64."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Attention, Token
from tests.helpers.replay_cases import SOURCE, Case, cases, chosen, selections

pytestmark = pytest.mark.slow

# Float32 against float64, as for the weights of pieces: a word's sum has no more terms than a row.
TOLERANCE = 5e-6
STRIPS = st.sampled_from([1, 50, 2**22])


@st.composite
def groups_of(draw: st.DrawFn, n_pieces: int) -> list[range]:
    """A split of the positions into runs, the words."""
    cuts = sorted(draw(st.sets(st.integers(1, n_pieces), max_size=n_pieces), label="cuts") | {0, n_pieces})
    return [range(start, end) for start, end in pairwise(cuts)]


def tokens_of(groups: list[range], special: frozenset[int] = frozenset()) -> tuple[Token, ...]:
    return tuple(
        Token(f"t{position}", position, None, None, position in special, f"t{position}", word=number)
        for number, group in enumerate(groups)
        for position in group
    )


def attention(layers: list[Any], queries: list[range], keys: list[range], **special: frozenset[int]) -> Attention:
    sides = tokens_of(queries, special.get("q", frozenset())), tokens_of(keys, special.get("k", frozenset()))
    return Attention("cross", layers, *sides, SOURCE)


def word_weights(weights: np.ndarray, queries: list[range], keys: list[range]) -> np.ndarray:
    summed = np.stack([weights[..., list(group)].sum(-1) for group in keys], axis=-1)
    return np.stack([summed[..., list(group), :].mean(-2) for group in queries], axis=-2)


def word_mask(allowed: np.ndarray, queries: list[range], keys: list[range]) -> np.ndarray:
    columns = np.stack([allowed[..., list(group)].any(-1) for group in keys], axis=-1)
    return np.stack([columns[..., list(group), :].any(-2) for group in queries], axis=-2)


def pooled(values: np.ndarray, size: int) -> np.ndarray:
    """Block maxima of `[head, query, key]`."""
    high, wide = (max(1, -(-length // size)) for length in values.shape[1:])
    rows = [values[:, at : at + high].max(1) for at in range(0, values.shape[1], high)]
    rows = np.stack(rows, axis=1)
    return np.stack([rows[..., at : at + wide].max(2) for at in range(0, rows.shape[2], wide)], axis=2)


def compare(found: np.ndarray, weights: np.ndarray, bad: np.ndarray) -> None:
    """Compare weights; a bad one must be NaN. A key that a bad query may not see has 0 or NaN, as in the layer."""
    nan = np.isnan(found)
    assert not (bad & ~nan).any()
    assert not (nan & ~np.isnan(weights)).any()
    there = ~np.isnan(weights)
    np.testing.assert_allclose(found[there], weights[there], rtol=0, atol=TOLERANCE)


def check(att: Attention, layer: int, weights: np.ndarray, allowed: np.ndarray, bad: np.ndarray, data: Any) -> None:
    """Check every way of reading a layer against `[head, query, key]`; `bad` are the pairs that must be NaN."""
    with patch("models.derived.STRIP_WEIGHTS", data.draw(STRIPS, label="strip")):
        compare(att.layer(layer), weights, bad)
        head = data.draw(st.integers(0, len(weights) - 1), label="head")
        queries, keys = (data.draw(selections(n), label="positions") for n in (att.n_query, att.n_key))
        place = np.ix_(chosen(att.n_query, queries), chosen(att.n_key, keys))
        compare(att.weights(layer, head, queries, keys), weights[head][place], bad[head][place])
        np.testing.assert_array_equal(att.mask(layer, head, queries, keys), allowed[head][place])
        size = data.draw(st.sampled_from([1, 2, 3, 7, 64]), label="size")
        compare(att.pooled_layer(layer, size), pooled(weights, size), pooled(bad, size))
        np.testing.assert_array_equal(att.pooled_mask(layer, size), pooled(allowed, size))


def bad_pairs(case: Case) -> np.ndarray:
    return np.isnan(case.weights) & case.allowed


def hidden(weights: np.ndarray, queries: frozenset[int], keys: frozenset[int], renormalise: bool) -> np.ndarray:
    left = weights.copy()
    left[..., sorted(keys)] = 0
    if renormalise:
        total = left.sum(-1, keepdims=True)
        left = np.divide(left, total, where=total != 0, out=left)
    left[..., sorted(queries), :] = 0
    return left


def forms(case: Case, data: st.DataObject) -> Any:
    return case.replay if data.draw(st.booleans(), label="replayed") else case.materialised


@given(st.data(), st.booleans())
def test_words_equal_brute_force(data, bad):
    case = data.draw(cases(bad=bad))
    queries, keys = (data.draw(groups_of(size)) for size in case.replay.shape[1:])
    att = attention([case.replay], queries, keys).words()
    assert att.pieces == tuple(tuple(map(tuple, groups)) for groups in (queries, keys))
    check(
        att,
        0,
        word_weights(case.weights, queries, keys),
        word_mask(case.allowed, queries, keys),
        word_mask(bad_pairs(case), queries, keys),
        data,
    )


@given(st.data(), st.booleans())
def test_hidden_tokens_equal_brute_force(data, renormalise):
    case = data.draw(cases())
    sizes = case.replay.shape[1:]
    queries, keys = (data.draw(st.frozensets(st.integers(0, size - 1)), label="special") for size in sizes)
    first = data.draw(st.booleans(), label="first")
    alone = [[range(at, at + 1) for at in range(size)] for size in sizes]
    plain = attention([case.replay], *alone, q=queries, k=keys)
    att = plain.hide(special=True, first=first, renormalise=renormalise)
    keys |= {0} if first else set()
    assert (att.hidden_queries, att.hidden_keys) == (queries, keys)
    allowed = case.allowed.copy()
    allowed[:, sorted(queries)] = False
    allowed[..., sorted(keys)] = False
    # A quotient's error grows where little is left: those rows are compared after the pieces' own rounding.
    weights = hidden(plain.layer(0).astype(np.float64), queries, keys, renormalise)
    check(att, 0, weights, allowed, np.isnan(weights), data)


@given(st.data(), st.sampled_from(["mean", "maximum"]), st.booleans())
def test_combined_heads_equal_brute_force(data, how, bad):
    first = data.draw(cases(bad=bad))
    second = data.draw(cases(shape=first.replay.shape[1:]))
    queries, keys = (data.draw(groups_of(size)) for size in first.replay.shape[1:])
    att = attention([forms(first, data), second.replay], queries, keys)
    every = [(layer, head) for layer in range(2) for head in range(att.heads_in(layer))]
    heads = data.draw(st.lists(st.sampled_from(every), min_size=1, unique=True), label="heads")
    of_cases = [(case.weights, case.allowed, bad_pairs(case)) for case in (first, second)]
    if not isinstance(att._layers[0], type(first.replay)):  # materialised layers of this test have no mask
        of_cases[0] = (first.weights, np.ones_like(first.allowed), np.isnan(first.weights))
    words = data.draw(st.booleans(), label="words")
    if words:
        att = att.words()
        of_cases = [
            (word_weights(w, queries, keys), *(word_mask(each, queries, keys) for each in masks))
            for w, *masks in of_cases
        ]
    chosen_weights = np.stack([of_cases[layer][0][head] for layer, head in heads])
    allowed = np.stack([of_cases[layer][1][head] for layer, head in heads]).any(0)
    weights = chosen_weights.mean(0) if how == "mean" else chosen_weights.max(0)
    spoilt = np.stack([of_cases[layer][2][head] for layer, head in heads]).any(0)
    check(att.combine(heads, how), 0, weights[None], allowed[None], spoilt[None], data)
