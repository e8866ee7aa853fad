"""What the benchmarks measure is what their tables say."""

import pytest

import models
from benchmarks.views import LENGTHS, text_of_pieces


@pytest.mark.parametrize("n_tokens", LENGTHS)
def test_texts_of_views_have_their_length_and_words_of_several_pieces(minilm: models.Model, n_tokens: int) -> None:
    att = minilm.trace(text_of_pieces(n_tokens, "1"))["encoder"]
    several = [pieces for pieces in att.words().pieces[0] if len(pieces) > 1]
    assert att.n_query == n_tokens
    assert len(several) >= att.words().n_query // 6
