"""Tokens that are given as texts: how they are shown, which are special, and which are a word."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models import Attention, Token
from tests.helpers.given_weights import THREE, TOKENS

STYLES = {
    "WordPiece": (["[CLS]", "un", "##able", "[MASK]", "[SEP]"], ["[CLS]", "unable", "[MASK]", "[SEP]"]),
    "byte-level": (["<|endoftext|>", "Ġcaf", "Ã©", "Ġis", "ĠæĿ"], ["<|endoftext|>", "café", "is", "⟨20 E6 9D⟩"]),
    "SentencePiece": (["<s>", "▁ca", "t", "▁", "</s>"], ["<s>", "cat", "␣", "</s>"]),
    "decoded": (["<|im_start|>", " un", "able", " cat", "s"], ["<|im_start|>", "unable", "cats"]),
    "suffixes": (["ca", "t</w>", "s</w>", "<pad>", "a</w>"], ["cat", "s", "<pad>", "a"]),
    "plain": (["The", "cat", "[UNK]", "##", "<unk>"], ["The", "cat", "[UNK]", "##", "<unk>"]),
}


@pytest.mark.parametrize("style", STYLES)
def test_pieces_are_shown_and_joined_by_their_marks(style):
    pieces, words = STYLES[style]
    found = Attention.from_weights(THREE, pieces)
    assert [token.text for token in found.query_tokens] == pieces
    assert [token.display for token in found.words().query_tokens] == words
    special = [token.text for token in found.query_tokens if token.special]
    assert special == [piece for piece in pieces if piece in ("[CLS]", "[SEP]", "<s>", "</s>", "<pad>") or "|" in piece]
    hidden = found.hide(special=True)
    assert hidden.hidden_keys == {at for at, token in enumerate(found.query_tokens) if token.special}


def test_hostile_texts_are_shown_visibly():
    texts = ["", "\ud800a", "\x00\x1b[31m", "\u202eabc", "x" * 100_000]
    found = Attention.from_weights(THREE, texts).query_tokens
    assert [token.display for token in found[:4]] == ["⟨empty⟩", "\ufffda", "␀␛[31m", "⟨U+202E⟩abc"]
    assert len(found[4].display) < 300
    assert "".join(token.text for token in found).encode()


LISTS = {
    "Series": lambda: pd.Series(TOKENS),
    "Series of strings": lambda: pd.Series(TOKENS, dtype="string"),
    "array": lambda: np.array(TOKENS),
    "tuple": lambda: tuple(TOKENS),
    "Tokens": lambda: Attention.from_weights(THREE, TOKENS).query_tokens,
}


@pytest.mark.parametrize("kind", LISTS)
def test_tokens_come_in_every_list(kind):
    assert Attention.from_weights(THREE, LISTS[kind]()).query_tokens == LISTS["Tokens"]()


def test_tokens_beside_texts_stay_as_they_are():
    token = Token("x", 5, 0, 1, True, "X", word=3)
    assert Attention.from_weights(THREE, [token, *TOKENS[1:]]).query_tokens[0] == token
