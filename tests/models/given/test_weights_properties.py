"""Whatever is given is an attention with the bits that came, or one sentence; what is told equals a brute force."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models import Attention, HeadlightError
from models.given.notices import SUM_TOLERANCE, describe_weights

pytestmark = pytest.mark.slow
SIZES = st.integers(1, 4)
FLOATS = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1.0, 1e-45, 3e38])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.complex_numbers(),
    st.builds(object),
    arrays.arrays(
        st.sampled_from([np.float32, np.float16, np.int8, np.object_]), arrays.array_shapes(max_dims=6, max_side=3)
    ),
    st.builds(torch.zeros, st.lists(st.integers(0, 2), max_size=6)),
)
JUNK = st.recursive(
    LEAVES,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part, max_size=2),
    max_leaves=30,
)


@st.composite
def layers(draw: st.DrawFn) -> list[np.ndarray]:
    n_query, n_key = draw(SIZES), draw(SIZES)
    heads = draw(st.lists(SIZES, min_size=1, max_size=3))
    return [draw(arrays.arrays(np.float32, (n, n_query, n_key), elements=FLOATS)) for n in heads]


def names(n_tokens: int) -> list[str]:
    return [f"t{number}" for number in range(n_tokens)]


def quietly(weights: Any, *tokens: Any, **options: Any) -> Attention:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Attention.from_weights(weights, *tokens, **options)


@given(layers(), st.sampled_from(["lists", "arrays", "tensors", "batch", "hooks", "rows of lists"]))
def test_any_weights_stay_to_the_bit_in_any_form(found, form):
    forms = {
        "lists": lambda: [each.tolist() for each in found],
        "arrays": lambda: tuple(found),
        "tensors": lambda: [torch.from_numpy(each).requires_grad_() for each in found],
        "batch": lambda: [np.stack([each * 0, each]) for each in found],
        "hooks": lambda: {f"blocks.{n}.attn.hook_pattern": found[n] for n in reversed(range(len(found)))},
        "rows of lists": lambda: [[[*map(list, head)] for head in each] for each in found],
    }
    _, n_query, n_key = found[0].shape
    with np.errstate(invalid="ignore"):
        made = quietly(forms[form](), names(n_query), names(n_key), row=1 if form == "batch" else None)
    for layer, weights in enumerate(found):
        if "lists" in form:  # Python's floats keep no bits of NaN
            np.testing.assert_array_equal(made.layer(layer), weights)
        else:
            assert made.layer(layer).tobytes() == weights.tobytes()


@given(JUNK, st.integers(1, 3), st.sampled_from(["encoder", "decoder", "cross"]), st.sampled_from([None, 0, 1]))
def test_junk_is_an_attention_or_one_sentence(junk, n_tokens, kind, row):
    sentence, made = "", None
    try:
        made = quietly(junk, names(n_tokens), names(n_tokens), kind=kind, row=row)
    except HeadlightError as error:
        sentence = str(error)
    assert made is not None or 10 < len(sentence) < 400
    assert "\n" not in sentence
    assert made is None or made.layer(0).shape[1:] == (n_tokens, n_tokens)


@given(st.lists(st.text(), min_size=1, max_size=6))
def test_any_texts_are_tokens_that_can_be_shown(texts):
    found = quietly(np.full((1, 1, len(texts), len(texts)), 1 / len(texts)), texts)
    for view in (found, found.words(), found.hide(special=True)):
        for token in view.query_tokens:
            assert token.display
            assert token.display.isprintable() or token.display.strip("\u200c\u200d ")
            assert token.display.encode()
    assert len(found.query_tokens) == len(texts)


@given(layers())
def test_what_is_told_equals_a_brute_force(found):
    told = " ".join(describe_weights([torch.from_numpy(each) for each in found]))
    values = np.concatenate([each.ravel() for each in found])
    rows = np.concatenate([each.reshape(-1, each.shape[2]) for each in found])
    n_nan, n_infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    n_negative = int(((values < 0) & np.isfinite(values)).sum())
    n_empty = int((rows == 0).all(1).sum())
    counted = {r"not (a number|numbers) \(NaN": n_nan, "infinite": n_infinite, "negative": n_negative}
    for words, count in (counted | {"only zeros": n_empty}).items():
        assert (re.search(words, told) is not None) == (count > 0)
        assert not count or f"{count:,} " in told
    # Sums of a few weights of a half type are allowed to be further from 1: these are random numbers of float32.
    with np.errstate(over="ignore", invalid="ignore"):
        distance = abs(rows.astype(np.float64).sum(1) - 1)
    far = np.isfinite(rows).all(1) & (distance > 0.02) & (rows != 0).any(1)
    near = (distance < SUM_TOLERANCE / 2) | ~np.isfinite(rows).all(1) | (rows == 0).all(1)
    assert "sum to 1" in told or not far.any()
    assert "sum to 1" not in told or not near.all()
