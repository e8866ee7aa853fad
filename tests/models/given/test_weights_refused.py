"""What cannot be weights, or does not fit the tokens, is refused in one sentence, before memory is taken."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from models import Attention, HeadlightError
from models.errors import BadMatrix
from tests.helpers.given_weights import THREE, TOKENS, TWO_TEXTS, Cache, Readable, weights

NEVER_READ = 10**5


def itself() -> list:
    found: list = []
    found.append(found)
    return found


# What is given, and a part of the sentence that refuses it. Each claims much and has little.
WRONG = {
    "None": (lambda: None, 'attn_implementation="eager"'),
    "no layers": (lambda: (), 'attn_implementation="eager"'),
    "layers of None": (lambda: (None, None), 'attn_implementation="eager"'),
    "steps of None": (lambda: ((None,), (None,)), 'attn_implementation="eager"'),
    "a number": (lambda: 0.5, "shape []"),
    "a text": (lambda: "abc", "of the type str"),
    "an object": (object, "of the type object"),
    "a class": (lambda: np.ndarray, "of the type type"),
    "a generator": (lambda: (each for each in THREE), "of the type generator"),
    "a range": (lambda: range(10**9), "of the type range"),
    "an output": (lambda: {"last_hidden_state": 0, "attentions": THREE}, "outputs.attentions"),
    "scores": (lambda: Cache({"blocks.0.attn.hook_attn_scores": THREE[0]}), "hook_attn_scores"),
    "another mapping": (lambda: {"a": THREE}, "blocks.0.attn.hook_pattern"),
    "one layer": (lambda: THREE[0], "[weights]"),
    "six axes": (lambda: THREE[None, None], "shape [1, 1, 2, 3, 5, 5]"),
    "nested too deep": (itself, "shape [1, 1, 1, 1, 1, 1, 1]"),
    "no keys": (lambda: np.zeros((2, 3, 5, 0)), "is empty"),
    "an empty layer": (lambda: [THREE[0], []], "Layer 1 has the shape [0]"),
    "whole numbers": (lambda: THREE.astype(int), "type int64"),
    "Booleans": (lambda: torch.from_numpy(THREE) > 0, "type bool"),
    "complex": (lambda: THREE * 1j, "type complex64"),
    "objects": (lambda: THREE.astype(object), "type object"),
    "texts": (lambda: [[[["a"] * 5] * 5] * 3] * 2, "of the type str"),
    "a text in a row": (lambda: [[[[0.1, 0.1, 0.1, 0.1, "a"]] * 5]], "no list of numbers"),
    "None in a row": (lambda: [[[[0.1, 0.1, 0.1, 0.1, None]] * 5]], "no list of numbers"),
    "rows of other lengths": (lambda: [[[[0.2] * 5] * 4 + [[0.2] * 4]]], "of 5 and of 4 parts"),
    "heads of other lengths": (lambda: [[THREE[0, 0], THREE[0, 0, :4]]], "shapes [5, 5] and [4, 5]"),
    "layers of other lengths": (lambda: [THREE[0], THREE[0, :, :4, :4]], "Layer 1 has 4 queries"),
    "a layer without heads": (lambda: [THREE[0], THREE[0, 0]], "Layer 1 has the shape [5, 5]"),
    "masked": (lambda: np.ma.masked_less(THREE, 0.1), "filled(0)"),
    "sparse": (lambda: torch.from_numpy(THREE).to_sparse(), "weights.to_dense()"),
    "meta": (lambda: torch.zeros(2, 3, 5, 5, device="meta"), "without values"),
    "quantised": (lambda: torch.quantize_per_tensor(torch.from_numpy(THREE), 0.1, 0, torch.quint8), "dequantize()"),
    "a batch": (lambda: TWO_TEXTS, "row=0"),
    "many heads": (lambda: np.broadcast_to(np.float32(1), (1, 10**11, 5, 5)), "need"),
    "many layers": (lambda: torch.zeros(1).expand(10**9, 1, 5, 5), "1,000,000,000 layers"),
    "many keys": (lambda: [[[[0.1] * NEVER_READ] * NEVER_READ] * NEVER_READ] * 9, "100,000 queries"),
    "a lie of layers": (lambda: [Readable(THREE[0], (10**4, 5, 5))], "shapes [10000, 5, 5] and [3, 5, 5]"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_weights_is_refused_in_one_sentence(what):
    make, part = WRONG[what]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch will not make quantised tensors in its next version
        given = make()
    with pytest.raises(HeadlightError) as refused:
        Attention.from_weights(given, TOKENS)
    assert part in str(refused.value)
    assert "\n" not in str(refused.value)
    assert isinstance(refused.value, BadMatrix) or what == "many heads"


MISFITS = {
    "too few tokens": (THREE, {"tokens": TOKENS[:4]}, "5 queries, but there are 4 tokens"),
    "one token": (THREE, {"tokens": ["a"]}, "there is 1 token"),
    "too many keys": (THREE, {"key_tokens": [*TOKENS, "a"]}, "5 keys, but there are 6 key tokens"),
    "keys of another text": (weights(1, 2, 5, 7), {}, "5 queries and 7 keys: give tokens of both"),
    "cross without keys": (weights(1, 2, 5, 7), {"kind": "cross"}, "key_tokens"),
    "kind": (THREE, {"kind": "self"}, "'self'"),
    "row without a batch": (THREE, {"row": 0}, "no batch axis"),
    "no such row": (TWO_TEXTS, {"row": 2}, "the rows are 0 to 1"),
    "negative row": (TWO_TEXTS, {"row": -1}, "the rows are 0 to 1"),
    "a text": (THREE, {"tokens": "abcde"}, "not a value of the type str"),
    "ids": (THREE, {"tokens": [1, 2, 3, 4, 5]}, "convert_ids_to_tokens"),
    "a range": (THREE, {"tokens": range(10**30)}, "convert_ids_to_tokens"),
    "a set": (THREE, {"tokens": set(TOKENS)}, "of the type set"),
    "missing texts": (THREE, {"tokens": pd.Series(["a", None, "b", "c", "d"])}, "Token 1"),
    "rows of texts": (THREE, {"tokens": np.array([TOKENS])}, "Token 0"),
    "an array without axes": (THREE, {"tokens": np.array("a")}, "ndarray"),
    "long texts": (THREE, {"tokens": ["a" * 3_000_000, *TOKENS[1:]]}, "2,000,000 characters"),
}


@pytest.mark.parametrize("what", MISFITS)
def test_what_does_not_fit_is_refused_with_both_numbers(what):
    given, more, part = MISFITS[what]
    with pytest.raises(BadMatrix) as refused:
        Attention.from_weights(given, **{"tokens": TOKENS, **more})
    assert part in str(refused.value)
