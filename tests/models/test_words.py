"""Which pieces are a word, for every kind of tokenizer, and words as they are given."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from models import Attention, Token
from models.capture.masks import Spans
from models.capture.replay import Replay
from models.errors import BadSelection, NoText
from models.tokens import TokenReader
from models.words import group_pieces, join_pieces
from tests.helpers import small_models
from tests.helpers.hand_made import attention, causal_attention, random_weights, source, tokens

KINDS = {
    "wordpiece": small_models.wordpiece,
    "byte level": small_models.byte_level,
    "unigram": small_models.unigram,
    "byte fallback": small_models.byte_fallback,
}


def reader(kind: str) -> TokenReader:
    return TokenReader(PreTrainedTokenizerFast(tokenizer_object=KINDS[kind]()), None)


def read(kind: str, text, pair=None) -> list[str]:
    found = reader(kind).tokenize(text, pair).tokens
    texts = [each if isinstance(each, str) else " ".join(each or ()) for each in (text, pair)]
    words = [join_pieces([found[at] for at in group], texts) for group in group_pieces(found)]
    return [word.display for word in words if not word.special]


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("wordpiece", "Mats, the cats.", "Mats , the cats ."),
        ("byte level", "The cat don't sit, (neuro) 12.5!", "The cat don 't sit , ( neuro ) 12 . 5 !"),
        ("byte level", "naïve 猫😀 cats", "naïve 猫 😀 cats"),
        ("byte level", "我们GPT模型", "我 们 GPT 模 型"),
        ("unigram", "The cat sits, tired", "The cat sits , tired"),
        ("byte fallback", "The cat don't sit, (neuro)", "The cat don't sit , ( neuro )"),
        ("byte fallback", "今日は sea 我们", "今 日 は sea 我 们"),
    ],
)
def test_words_of_a_text(kind, text, words):
    assert read(kind, text) == words.split(" ")


@pytest.mark.parametrize("kind", ["byte level", "byte fallback"])
@pytest.mark.parametrize("cut", [1, 3, 5, 8])
def test_generated_pieces_continue_the_word_before(kind, cut):
    made = reader(kind)
    ids = [token.id for token in made.tokenize("The shells don't 我们 sit").tokens if not token.special]
    whole = made.from_ids(ids)
    first = made.from_ids(ids[:cut])
    assert group_pieces((*first, *made.from_ids(ids[cut:], first))) == group_pieces(whole)
    words = [join_pieces([whole[at] for at in group], ()).display for group in group_pieces(whole)]
    assert [word.strip("␣ ") for word in words] == ["The", "shells", "don't", "我", "们", "sit"]


@pytest.mark.parametrize("kind", KINDS)
def test_given_words_are_kept(kind):
    words = ["New York", "cat's", "我们", "a,b", "the", "cat."]
    assert read(kind, words[:4], words[4:]) == words


def test_a_trace_of_words_can_be_made_again(minilm):
    trace = minilm.trace(["Unbelievably", "good", "!"], text_pair=["So", "it's"])
    words = trace["encoder"].words()
    assert [token.display for token in words.key_tokens if not token.special] == [
        "Unbelievably",
        "good",
        "!",
        "so",
        "it's",
    ]
    assert trace.source.words == ("Unbelievably", "good", "!")
    assert trace.source.words_pair == ("So", "it's")
    joined = minilm.trace(trace.source.text, text_pair=trace.source.text_pair)
    np.testing.assert_array_equal(joined["encoder"].layer(3), trace["encoder"].layer(3))


@pytest.mark.parametrize("words", [["a", ""], ["a", " "], ["\u200b", "a"], []])
def test_an_empty_word_is_refused(minilm, words):
    with pytest.raises(NoText):
        minilm.trace(words)


def test_pieces_made_by_hand_are_grouped_by_their_markers():
    att = attention(random_weights(1, 1, 5, 5), tokens("un", "##able", ".", "Ġ", "##s", special=(3,)))
    assert att.words().pieces[0] == ((0, 1), (2,), (3,), (4,))


def numbered(words: list[int], special: tuple[int, ...] = ()) -> tuple[Token, ...]:
    return tuple(
        Token(f"t{at}", at, None, None, at in special, f"t{at}", word=None if at in special else word)
        for at, word in enumerate(words)
    )


def test_views_are_kept_and_copied_without_a_cycle():
    att = causal_attention(11)
    words = att.words()
    assert att.words() is words
    assert words.words() is words
    assert att.hide(first=True).words() is att.hide(first=True).words()
    view = att.hide(first=True).combine([(0, 1), (0, 0)], "mean", name="Mean of layer 0")
    for other in (pickle.loads(pickle.dumps(view)), copy.deepcopy(view)):
        np.testing.assert_array_equal(other.weights(0, 0), view.weights(0, 0))
        assert other.head_name(0, 0) == "Mean of layer 0"
        assert other.hidden_keys == {0}


def test_the_order_of_the_calls_does_not_matter():
    layer = Replay(torch.randn(3, 7, 5), torch.randn(3, 7, 5), 0.5, causal=True)
    shown = numbered([0, 0, 1, 2, 2, 2, 3], special=(6,))
    att = Attention("decoder", [layer], shown, shown, source())
    one = att.hide(first=True, special=True, renormalise=True).words().combine([(0, 2)], "maximum")
    other = att.combine([(0, 2)], "maximum").words().hide(first=True, special=True, renormalise=True)
    np.testing.assert_array_equal(one.weights(0, 0), other.weights(0, 0))
    assert one.hidden_keys == other.hidden_keys == {0, 3}  # the first word, not its first piece
    np.testing.assert_allclose(one.weights(0, 0)[1:3].sum(1), 1, atol=1e-6)
    assert not one.weights(0, 0)[0].any()


def test_grouped_queries_and_names():
    layers = [Replay(torch.randn(6, 5, 3), torch.randn(2, 5, 3), 0.5), Replay(*torch.randn(2, 4, 5, 3), 0.5)]
    shown = numbered([0, 0, 1, 1, 2])
    att = Attention("encoder", layers, shown, shown, source())
    assert att.key_heads(0) == att.words().hide(first=True).key_heads(0) == (0, 0, 0, 1, 1, 1)
    assert att.key_heads(1) == (0, 1, 2, 3)
    assert att.head_name(1, 3) == "Layer 1, head 3"
    assert att.combine([(0, 5), (1, 3)], "mean").key_heads(0) == (0,)
    for heads, how in [([], "mean"), ([(0, 6)], "mean"), ([(2, 0)], "maximum"), ([(0, 0)], "sum")]:
        with pytest.raises(BadSelection):
            att.combine(heads, how)
    with pytest.raises(BadSelection, match="no queries and keys of their own"):
        att.words().replay(0)


def test_words_of_a_long_window_read_few_pieces():
    """A sliding window of 2,000 tokens: the mask of words stays a run, and a block costs its band."""
    n = 2_003
    rows = torch.arange(n)
    spans = Spans((rows - 31).clamp(min=0), rows + 1)
    layer = Replay(torch.randn(2, n, 5), torch.randn(2, n, 5), 0.5, mask=spans)
    shown = numbered([at // 3 for at in range(n)])
    words = Attention("decoder", [layer], shown, shown, source()).words()
    assert words._layers[0].spans() is not None
    assert words._layers[0].reach(slice(0, 7)) < 64
    band, low = words._layers[0].band(slice(0, 1), slice(300, 310))
    assert (low, band.shape[2]) == (289, 21)
    assert all(after >= before for before, after in pairwise(words._layers[0].spans().first.tolist()))
    np.testing.assert_allclose(words.weights(0, 1).sum(1), 1, atol=1e-5)


def test_a_word_whose_pieces_see_runs_apart_has_no_run():
    spans = Spans(torch.tensor([0, 4, 4]), torch.tensor([1, 5, 5]))
    layer = Replay(torch.randn(1, 3, 2), torch.randn(1, 5, 2), 0.5, mask=spans)
    att = Attention("cross", [layer], numbered([0, 0, 1]), numbered([0, 1, 2, 3, 4]), source()).words()
    assert att.mask(0, 0).tolist() == [[True, False, False, False, True], [False, False, False, False, True]]
    assert att.pooled_mask(0)[0].tolist() == att.mask(0, 0).tolist()
