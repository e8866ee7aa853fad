"""Text to tokens: what the model reads."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerBase

from models.display import PieceDisplay, visible
from models.errors import NoText, is_panic
from models.given_text import Text, clean_text, join_words
from models.text_trial import TextTrial
from models.words import Splitter, split_as_given

log = logging.getLogger("headlight.models")

# How many token sequences are cached, and the most tokens of one: an estimate and the trace after it tokenize the same
# texts, and a long one takes a second.
CACHE_SIZE, MAX_CACHED_TOKENS = 4, 20_000


@dataclass(frozen=True)
class Token:
    """One position of the model's input.

    `text` is the raw piece of the vocabulary (`⟨id 77⟩` for an id without a piece), `display` the form that a person
    reads, `start` and `end` its characters in the source text (None if it represents no text), `special` whether the
    tokenizer added it, `segment` its text of a pair (0 or 1), `generated` whether the model itself generated it, `word`
    the number of the word that it is a piece of, None if it is not known or the token is no piece of a word. `role` is
    the role of its message in a conversation ("system", "user", "assistant"), `seconds` where its sound begins.
    """

    text: str
    id: int
    start: int | None
    end: int | None
    special: bool
    display: str
    segment: int = 0
    generated: bool = False
    word: int | None = None
    role: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class TokenSequence:
    """The tokens that the model reads, with what was lost in tokenization.

    `n_total` counts the tokens before the cut to the model's maximum, `n_unknown` the ordinary tokens that the
    vocabulary does not cover, `replaced` the characters that are not valid Unicode. `is_pair` is True if there were two
    texts, of which the longer one is cut first.
    """

    tokens: tuple[Token, ...]
    inputs: dict[str, list[int]]
    n_total: int
    n_unknown: int
    unknown_token: str | None
    replaced: int
    is_pair: bool = False

    @property
    def notices(self) -> tuple[str, ...]:
        """One sentence for each loss, empty if the model reads the whole text, and a pair as two texts."""
        notices = []
        n_ordinary = sum(not token.special for token in self.tokens)
        if self.n_total > len(self.tokens):
            notices.append(self._describe_cut())
        if any(
            one.segment != after.segment and not one.special | after.special for one, after in pairwise(self.tokens)
        ):
            notices.append(
                "The model reads the two texts as one: its tokenizer has no separator for pairs, so the model cannot "
                "know where the second text begins."
            )
        if self.n_unknown:
            one = self.n_unknown == 1
            which = (
                "The only token of the text is"
                if n_ordinary == 1
                else f"{self.n_unknown:,} of {n_ordinary:,} tokens {'is' if one else 'are'}"
            )
            apart = "that word from other unknown words" if one else "those words from each other"
            notices.append(
                f"{which} {self.unknown_token}: the model's vocabulary does not cover this text, "
                f"so it cannot distinguish {apart}."
            )
        if self.replaced:
            plural = "" if self.replaced == 1 else "s"
            notices.append(f"{self.replaced:,} invalid character{plural} (lone surrogates) became \ufffd.")
        return tuple(notices)

    def _describe_cut(self) -> str:
        shown, why = (
            f"{len(self.tokens):,} of {self.n_total:,} tokens are shown",
            "the maximum that the model reads at once",
        )
        if not self.is_pair:
            return f"The first {shown}: this is {why}."
        second = sum(token.segment == 1 and not token.special for token in self.tokens)
        if not second:  # nothing is left of it, or a slow tokenizer does not mark the second text
            return f"{shown}: this is {why}, and the longer of the two texts is cut first."
        first = sum(token.segment == 0 and not token.special for token in self.tokens)
        return f"{shown}, {first:,} of them from the first text and {second:,} from the second: this is {why}."


class TokenReader:
    """Turns texts into tokens with one tokenizer. There is one reader for each model: making one takes a while."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_tokens: int | None) -> None:
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        # A cut changes the tokenizer's state, which another visitor's thread must not use.
        self._one_at_a_time = threading.Lock()
        self._recent: dict[tuple[Any, Any, bool], TokenSequence] = {}
        tokenizer.truncation_side = "right"
        backend = getattr(tokenizer, "backend_tokenizer", None)
        description = backend.to_str() if backend is not None else ""
        parts = json.loads(description) if description else {}
        self._trial = TextTrial(parts)
        self._display = PieceDisplay(parts)
        self._splitter = Splitter.of_tokenizer(parts)

    def tokenize(self, text: Text, text_pair: Text | None = None, *, as_target: bool = False) -> TokenSequence:
        """Return the tokens of `text`, cut to the model's maximum. Given words are read with a space between them.

        Raises:
            NoText: the text or a given word is empty, has no visible character, leaves no token, or exceeds
                the maximum; or the tokenizer does not read the given words one by one.
        """
        given = [each if each is None or isinstance(each, str) else tuple(each) for each in (text, text_pair)]
        key = (given[0], given[1], as_target)
        sequence = self._recent.get(key)
        if sequence is None:
            sequence = self._tokenize(join_words(text), None if text_pair is None else join_words(text_pair), as_target)
            for segment, words in enumerate(given):
                if isinstance(words, tuple):
                    sequence = self._split(sequence, words, segment)
        if len(sequence.tokens) <= MAX_CACHED_TOKENS:
            with self._one_at_a_time:
                self._recent[key] = sequence
                while len(self._recent) > CACHE_SIZE:
                    del self._recent[next(iter(self._recent))]
        return sequence

    def _split(self, sequence: TokenSequence, words: tuple[str, ...], segment: int) -> TokenSequence:
        """Return the sequence with words as they are given."""
        if not self.tokenizer.is_fast:
            raise NoText(
                "This model's tokenizer does not say which characters a token is read from, so it cannot keep given "
                "words: give the text as one string."
            )
        return replace(sequence, tokens=split_as_given(sequence.tokens, words, segment))

    def _tokenize(self, text: str, text_pair: str | None, as_target: bool) -> TokenSequence:
        text, replaced = clean_text(text, name="target" if as_target else "text")
        if text_pair is not None:
            text_pair, replaced_in_pair = clean_text(text_pair, name="second text")
            replaced += replaced_in_pair
            self._trial.check(text_pair)
        self._trial.check(text)
        encoding, n_total = self._encode_cut(text, text_pair, as_target)
        inputs = dict(encoding)
        ids = inputs["input_ids"]
        special: list[int] = inputs.pop("special_tokens_mask", [0] * len(ids))
        offsets: list[Any] = inputs.pop("offset_mapping", [None] * len(ids))
        tokens = tuple(self._token(*row) for row in zip(ids, special, offsets, strict=True))
        if self.tokenizer.is_fast:
            texts = (text, text_pair or "")
            tokens = tuple(
                self._show_unknown(token, texts[number or 0])
                for token, number in zip(tokens, encoding.sequence_ids(), strict=True)
            )
        tokens = _with_segments(tokens, encoding, inputs.get("token_type_ids"))
        found = list(zip(encoding.sequence_ids(), encoding.word_ids(), strict=True)) if encoding.is_fast else None
        splitter = self._splitter or Splitter.of_pieces(tokens, characters=True)
        tokens = splitter.number(tokens, (text, text_pair or ""), found)
        ordinary = [token for token in tokens if not token.special]
        if not ordinary:
            raise NoText("This text has no token that the model can read: type at least one word.")
        unknown = self.tokenizer.unk_token_id
        n_unknown = sum(token.id == unknown for token in ordinary) if unknown is not None else 0
        is_pair, unknown_token = text_pair is not None, self.tokenizer.unk_token
        return TokenSequence(tokens, inputs, n_total, n_unknown, unknown_token, replaced, is_pair)

    def _encode_cut(self, text: str, text_pair: str | None, as_target: bool) -> tuple[BatchEncoding, int]:
        """Return the encoding, cut to the model's maximum, and the number of tokens before the cut."""
        if self.max_tokens is not None and self.tokenizer.is_fast and text_pair is None:
            # The encoding also contains the rest of a single text, in pieces as long as the first one, each with its
            # own special tokens.
            encoding = self._encode(text, None, as_target, cut=True)
            first = (encoding.encodings or [])[0]
            return encoding, len(first) + sum(piece.special_tokens_mask.count(0) for piece in first.overflowing)
        encoding = self._encode(text, text_pair, as_target, cut=False)
        n_total = len(encoding["input_ids"])
        if self.max_tokens is not None and n_total > self.max_tokens:
            encoding = self._encode(text, text_pair, as_target, cut=True)
        return encoding, n_total

    def from_ids(self, ids: list[int], after: tuple[Token, ...] = ()) -> tuple[Token, ...]:
        """Return tokens for ids that the model generated, without characters in a source text.

        `after` are the tokens that they follow: the first new token may continue a word.
        """
        special = set(self.tokenizer.all_special_ids)
        tokens = tuple(self._token(number, number in special, None) for number in ids)
        splitter = self._splitter or Splitter.of_pieces((*after, *tokens), characters=True)
        return splitter.continue_words(after, tokens)

    def decode(self, ids: list[int]) -> str:
        """Return the text of ids, special tokens included, as a record of what the model read."""
        # A model may generate ids beyond its vocabulary if its embedding was padded to a round number.
        known = [number for number in ids if self.tokenizer.convert_ids_to_tokens(number) is not None]
        with refuse_panics():
            return str(self.tokenizer.decode(known, clean_up_tokenization_spaces=False))

    def _encode(self, text: str, text_pair: str | None, as_target: bool, *, cut: bool) -> BatchEncoding:
        options: dict[str, Any] = {"text_target" if as_target else "text": text}
        if text_pair is not None:
            options["text_pair"] = text_pair
        if cut:
            options.update(truncation="longest_first" if text_pair else "only_first", max_length=self.max_tokens)
        with self._one_at_a_time, refuse_panics():
            return self.tokenizer(
                **options,
                add_special_tokens=True,
                padding=False,
                return_special_tokens_mask=True,
                return_offsets_mapping=self.tokenizer.is_fast,
                verbose=False,
            )

    def _show_unknown(self, token: Token, text: str) -> Token:
        """Return an unknown token with the characters that the vocabulary lacks: `[UNK] 猫` instead of `[UNK]`."""
        if token.special or token.id != self.tokenizer.unk_token_id or token.start is None:
            return token
        return replace(token, display=f"{token.display} {visible(text[token.start : token.end])}")

    def _token(self, number: int, special: int | bool, offset: tuple[int, int] | None) -> Token:
        piece = self.tokenizer.convert_ids_to_tokens(number)
        if piece is None:  # a model may generate ids beyond its vocabulary, see `decode`
            nameless = f"⟨id {number}⟩"
            return Token(nameless, int(number), None, None, bool(special), nameless)
        text = str(piece)
        has_characters = offset is not None and not special and offset[1] > offset[0]
        start, end = offset if has_characters and offset is not None else (None, None)
        display = visible(text) if special else self._display.show(text)
        return Token(text, int(number), start, end, bool(special), display)


@contextmanager
def refuse_panics() -> Iterator[None]:
    """Turn a panic of the tokenizers' Rust code, which is not an `Exception`, into a refusal.

    Raises:
        NoText: it panicked.
    """
    try:
        yield
    except BaseException as error:
        if not is_panic(error):
            raise
        log.exception("a tokenizer panicked")
        raise NoText("This model's tokenizer fails on the text: change the text, or choose another model.") from error


def _with_segments(tokens: tuple[Token, ...], encoding: BatchEncoding, types: list[int] | None) -> tuple[Token, ...]:
    """Return the tokens with the number of their text in a pair; a separator belongs to the text before it."""
    numbers = encoding.sequence_ids() if encoding.is_fast else types
    if numbers is None or 1 not in numbers:
        return tokens
    found, segment = [], 0
    for token, number in zip(tokens, numbers, strict=True):
        segment = segment if number is None else number
        found.append(replace(token, segment=segment))
    return tuple(found)
