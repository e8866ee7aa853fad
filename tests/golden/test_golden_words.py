"""Words of the bundled encoder against figures that were computed elsewhere (float32 eager)."""

from __future__ import annotations

import numpy as np

from tests.helpers.paths import golden

GOLDEN = golden("minilm_words")


def test_words_of_the_bundled_model(minilm):
    att = minilm.trace(GOLDEN["text"])["encoder"]
    assert [token.text for token in att.query_tokens] == GOLDEN["tokens"]
    words = att.words()
    assert [list(group) for group in words.pieces[0]] == GOLDEN["groups"]
    assert words.pieces[1] == words.pieces[0]
    found = words.weights(GOLDEN["layer"], GOLDEN["head"])
    assert np.abs(found - np.array(GOLDEN["weights"])).max() <= 1e-5
    assert np.abs(found.sum(-1) - 1).max() <= 1e-6


def test_words_read_as_they_are_written(minilm):
    words = minilm.trace(GOLDEN["text"])["encoder"].words()
    assert [token.display for token in words.key_tokens] == [
        "[CLS]", "Unbelievably", ",", "the", "neurophysiologist", "misdiagnosed", "pneumonia", ".", "[SEP]",
    ]  # fmt: skip
    assert words.key_tokens[1].start == 0
    assert words.key_tokens[1].end == 12
