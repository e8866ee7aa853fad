"""Tokens as the model reads them: characters in the text, losses, cuts, pairs."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from models.errors import NoText
from models.given_text import clean_text
from models.tokens import TokenReader
from tests.helpers import small_models as small

TOKENIZERS = {
    "wordpiece": (small.wordpiece, small.BERT_NAMES),
    "bytes": (small.byte_level_marked, small.ROBERTA_NAMES),
    "unigram": (small.unigram, small.FAMILIES["t5"]().special),
    "fallback": (small.byte_fallback, small.FAMILIES["llama"]().special),
}


def reader(name: str, max_tokens: int | None = None) -> TokenReader:
    build, special = TOKENIZERS[name]
    names = ["input_ids", "token_type_ids", "attention_mask"]
    return TokenReader(
        PreTrainedTokenizerFast(tokenizer_object=build(), model_input_names=names, **special), max_tokens
    )


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("text", [small.SENTENCE, "  two  blanks, a\nnew line", "naïve 中文 👩\u200d👧 cat"])
def test_places_point_into_the_text(tokenizer, text):
    sequence = reader(tokenizer).tokenize(text)
    assert [token.id for token in sequence.tokens] == sequence.inputs["input_ids"]
    covered: set[int] = set()
    for token in sequence.tokens:
        if token.start is None or token.end is None:
            assert token.special or token.text.strip("▁Ġ") == ""
            continue
        assert 0 <= token.start < token.end <= len(text)
        covered.update(range(token.start, token.end))
        piece = token.text.lstrip("▁Ġ").removeprefix("##")
        if piece.isascii() and piece.isalpha() and tokenizer != "wordpiece":
            assert text[token.start : token.end].strip() == piece
        elif piece.isascii() and piece.isalpha():
            assert text[token.start : token.end].lower().strip() in (piece, "naïve", "ï")
    # Between them the tokens cover every visible character.
    assert not {place for place, character in enumerate(text) if character.isalnum()} - covered


def test_what_the_tokenizer_added_is_special_and_stands_for_no_text():
    tokens = reader("wordpiece").tokenize("the cat [SEP] sat").tokens
    assert [token.text for token in tokens if token.special] == ["[CLS]", "[SEP]"]
    assert [(token.start, token.end) for token in tokens if token.special] == [(None, None)] * 2
    # One that the visitor typed is text: it has its place.
    typed = next(token for token in tokens[1:-1] if token.text == "[SEP]")
    assert (typed.special, typed.start, typed.end) == (False, 8, 13)
    assert all(token.display == token.text for token in tokens if token.special)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("the cat", None),
        ("中文 cat", "2 of 3 tokens are [UNK]: the model's vocabulary does not cover this text, {many}."),
        ("cat 中 cat", "1 of 3 tokens is [UNK]: the model's vocabulary does not cover this text, {one}."),
        ("中文文文", "4 of 4 tokens are [UNK]: the model's vocabulary does not cover this text, {many}."),
        ("中", "The only token of the text is [UNK]: the model's vocabulary does not cover this text, {one}."),
    ],
)
def test_words_that_the_vocabulary_lacks_are_counted(text, sentence):
    many, one = (
        "so it cannot distinguish those words from each other",
        "so it cannot distinguish that word from other unknown words",
    )
    notices = reader("wordpiece").tokenize(text).notices
    assert notices == ((sentence.format(many=many, one=one),) if sentence else ())


def test_byte_level_vocabularies_lack_nothing():
    sequence = reader("bytes").tokenize("中文 👍")
    assert (sequence.n_unknown, sequence.notices) == (0, ())


def test_the_real_model_says_what_it_cannot_read(minilm):
    notices = minilm.trace("The cat 鿿鿾 sat.").notices
    assert notices[0].startswith("2 of 6 tokens are [UNK]")


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_a_long_text_is_cut_to_what_the_model_reads(tokenizer):
    text = "the quick cat " * 50
    whole, cut = reader(tokenizer).tokenize(text), reader(tokenizer, max_tokens=17).tokenize(text)
    assert len(cut.tokens) == 17
    assert cut.n_total == len(whole.tokens)
    assert whole.notices == ()
    assert cut.notices == (
        f"The first 17 of {cut.n_total} tokens are shown: this is the maximum that the model reads at once.",
    )
    n_special = sum(token.special for token in whole.tokens)
    assert sum(token.special for token in cut.tokens) == n_special  # the end mark is kept, the text is cut
    ordinary = [token for token in cut.tokens if not token.special]
    assert ordinary == [token for token in whole.tokens if not token.special][: len(ordinary)]


def test_a_tokenizer_that_cuts_the_beginning_keeps_the_end():
    one = reader("wordpiece", max_tokens=5)
    one.tokenizer.truncation_side = "left"
    sequence = one.tokenize("cat dog fox the mat was")
    assert [token.text for token in sequence.tokens][1:-1] == ["the", "mat", "was"]
    assert sequence.notices[0].startswith("The last 5 of 8 tokens are shown")
    assert [token.id for token in one.tokenize([5, 6, 7, 8, 9, 10, 11]).tokens] == [7, 8, 9, 10, 11]


def test_exactly_as_many_as_the_model_reads_are_not_cut():
    n_tokens = len(reader("wordpiece").tokenize(small.SENTENCE).tokens)
    assert reader("wordpiece", max_tokens=n_tokens).tokenize(small.SENTENCE).notices == ()
    assert len(reader("wordpiece", max_tokens=n_tokens - 1).tokenize(small.SENTENCE).notices) == 1


def test_a_pair_has_two_segments():
    sequence = reader("wordpiece").tokenize("the cat", "the lazy dog")
    assert [token.text for token in sequence.tokens if token.special] == ["[CLS]", "[SEP]", "[SEP]"]
    types = sequence.inputs["token_type_ids"]
    assert types == sorted(types)
    assert set(types) == {0, 1}
    # Places count within their own segment.
    second = [token for token, kind in zip(sequence.tokens, types, strict=True) if kind == 1 and not token.special]
    assert "the lazy dog"[second[0].start : second[0].end] == "the"


def test_a_long_pair_keeps_some_of_both():
    sequence = reader("wordpiece", max_tokens=19).tokenize("cat " * 60, "dog " * 60)
    types = sequence.inputs["token_type_ids"]
    assert len(sequence.tokens) == 19
    assert min(types.count(0), types.count(1)) >= 8


@pytest.mark.parametrize(
    ("n_first", "n_second", "kept"), [(60, 60, (8, 8)), (60, 3, (13, 3)), (5, 59, (5, 11)), (1, 2000, (1, 15))]
)
def test_a_cut_pair_says_how_much_of_each_text_is_kept(n_first, n_second, kept):
    """The longer text is cut first, so the tokens that are kept are not the first ones of both."""
    sequence = reader("wordpiece", max_tokens=19).tokenize("cat " * n_first, "dog " * n_second)
    texts = [token.text for token in sequence.tokens]
    assert (texts.count("cat"), texts.count("dog")) == kept
    assert sequence.notices == (
        f"19 of {n_first + n_second + 3:,} tokens are shown, {kept[0]} of them from the first text and {kept[1]} from "
        "the second: this is the maximum that the model reads at once.",
    )


def test_a_pair_without_a_separator_is_said_to_be_read_as_one_text():
    plain = TokenReader(PreTrainedTokenizerFast(tokenizer_object=small.byte_level()), None)
    assert plain.tokenize("the cat", "a lazy dog").notices == (
        "The model reads the two texts as one: its tokenizer has no separator for pairs, so the model cannot know "
        "where the second text begins.",
    )
    assert plain.tokenize("the cat").notices == ()


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_a_pair_with_a_separator_needs_no_word(tokenizer):
    assert reader(tokenizer).tokenize("the cat", "a lazy dog").notices == ()


def test_generated_ids_have_no_place_in_a_text():
    tokens = reader("bytes").from_ids([0, 77, 2])
    assert [token.special for token in tokens] == [True, False, True]
    assert {token.start for token in tokens} == {None}


def test_an_id_without_a_piece_is_shown_as_its_number_and_not_as_a_word():
    """Embeddings are padded to round numbers, and a model may write such an id."""
    one = reader("wordpiece")
    known, *nameless = one.from_ids([85, 157, 1009])
    assert (known.text, known.display) == (one.tokenizer.convert_ids_to_tokens(85),) * 2
    assert [(token.text, token.display, token.id) for token in nameless] == [
        ("⟨id 157⟩", "⟨id 157⟩", 157),
        ("⟨id 1009⟩", "⟨id 1009⟩", 1009),
    ]
    assert one.decode([85, 157]) == known.text


def test_lone_surrogates_are_replaced_and_said():
    assert clean_text("a\ud800b\udfffc") == ("a\ufffdb\ufffdc", 2)
    assert reader("bytes").tokenize("a\ud800b").notices == ("1 invalid character (lone surrogates) became \ufffd.",)
    assert reader("bytes").tokenize("\ud800b\udfff").notices == (
        "2 invalid characters (lone surrogates) became \ufffd.",
    )


@pytest.mark.parametrize("text", ["", " ", " \t\r\n\u00a0\u3000", "\x00\x01", "\u200d\u200d", "\u202e", "\ufeff"])
def test_nothing_visible_is_refused(text):
    with pytest.raises(NoText, match=r"^There is nothing to inspect: the text is empty or has no visible character;"):
        reader("bytes").tokenize(text)
    with pytest.raises(NoText, match=r"^There is nothing to inspect: the second text is empty"):
        reader("bytes").tokenize("cat", text)


def test_visible_text_that_leaves_no_token_is_refused():
    # BERT's normaliser strips an accent that stands alone.
    with pytest.raises(NoText, match=r"^This text has no token that the model can read: type at least one word\.$"):
        reader("wordpiece").tokenize("\u0301")


def test_far_too_long_is_refused_before_it_is_read():
    with pytest.raises(
        NoText,
        match=r"^The text has more than 2,000,000 characters, the maximum: inspect a part at a time\.$",
    ):
        reader("wordpiece").tokenize("a" * 2_000_001)


def test_an_unknown_token_shows_what_it_stands_for(minilm):
    """Nine times `[UNK]` says nothing; the characters that the vocabulary lacks say which words are lost."""
    sequence = minilm.trace("the 這 cat 🙂", text_pair="a 這隻 cat")["encoder"].query_tokens
    unknown = [token for token in sequence if token.text == "[UNK]"]
    assert [token.display for token in unknown] == ["[UNK] 這", "[UNK] 🙂", "[UNK] 這", "[UNK] 隻"]
    # The raw piece stays what the vocabulary has.
    assert {token.text for token in unknown} == {"[UNK]"}


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("max_tokens", [3, 7, 64])
@pytest.mark.slow
def test_the_tokens_of_a_cut_text_are_counted_to_the_last(tokenizer, max_tokens):
    """One reading counts and cuts: special tokens, which come with every piece of what is cut off, count once."""
    for n_words in (1, 5, 30, 31, 32, 33, 300):
        text = "cat [SEP] 中文 </s> fox " * n_words
        whole = reader(tokenizer).tokenize(text)
        assert reader(tokenizer, max_tokens).tokenize(text).n_total == len(whole.tokens)


def test_a_long_text_is_read_once(monkeypatch):
    """An estimate and the trace after it ask for the same reading, which takes a second for a million characters."""
    one, encode, asked = reader("wordpiece", max_tokens=17), TokenReader._encode, []

    def encoding(self, *texts):
        asked.append(texts[-1])
        return encode(self, *texts)

    monkeypatch.setattr(TokenReader, "_encode", encoding)
    text = "the quick cat " * 500
    assert one.tokenize(text) is one.tokenize(text)
    assert asked == [17]
    assert one.tokenize(text, as_target=True) is not one.tokenize(text)
    for number in range(9):
        one.tokenize(f"{number} {text}")
    assert len(one._recent) == 4
    assert one.tokenize(text).n_total == 1502


@pytest.mark.slow
def test_what_is_huge_is_not_kept():
    one = reader("wordpiece")
    assert len(one.tokenize("cat " * 30_000).tokens) == 30_002
    assert not one._recent
