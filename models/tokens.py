"""Text to tokens: what the model reads."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerBase

from models.display import PieceDisplay, visible
from models.encoding import HowToRead, encode, lock_of, refuse_failures, refuse_panics
from models.errors import NoText
from models.given_text import Text, clean_text, read_text
from models.losses import describe_losses
from models.piece_names import CACHED_PIECES, PieceNames
from models.text_trial import TextTrial
from models.tokenizer_parts import read_parts, state_of
from models.words import Splitter, split_as_given

# How many token sequences are cached, the fewest characters and the most tokens of one: an estimate and the trace after
# it tokenize the same texts, and a long one takes a second. A short one is always read anew.
CACHE_SIZE, MIN_CACHED_CHARACTERS, MAX_CACHED_TOKENS = 4, 5_000, 20_000


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
    texts, of which the longer one is cut first. `keeps_end` is True if a cut removed the beginning.
    """

    tokens: tuple[Token, ...]
    inputs: dict[str, list[int]]
    n_total: int
    n_unknown: int
    unknown_token: str | None
    replaced: int
    is_pair: bool = False
    keeps_end: bool = False

    @property
    def notices(self) -> tuple[str, ...]:
        """One sentence for each loss, empty if the model reads the whole text, and a pair as two texts."""
        return tuple(describe_losses(self))


class TokenReader:
    """Turns texts into tokens with one tokenizer, as the tokenizer is at the time; there is one for each model."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_tokens: int | None) -> None:
        self.tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._lock = lock_of(tokenizer)
        self._recent: dict[Hashable, TokenSequence] = {}
        self._known: Hashable = None
        self._look_at_tokenizer()

    @property
    def max_tokens(self) -> int | None:
        """The most tokens that are read at once: the model's maximum, or less if the tokenizer has a smaller one."""
        return None if self._max_tokens is None else min(self._max_tokens, self.tokenizer.model_max_length)

    def _look_at_tokenizer(self) -> Hashable:
        """Follow the changes that were made to the tokenizer, and return its state."""
        with self._lock:
            state = state_of(self.tokenizer)
            if state != self._known:
                parts, self._known = read_parts(self.tokenizer), state
                self._trial = self._trial_of(parts)
                self._show = lru_cache(CACHED_PIECES)(PieceDisplay(parts).show)
                self._splitter = Splitter.of_tokenizer(parts if self.tokenizer.is_fast else {})
                self._names = PieceNames(self.tokenizer)
                self._special = _special_ids(self.tokenizer)
            return state

    def _trial_of(self, parts: dict[str, Any]) -> TextTrial:
        """Return the trial of texts, which is a process: the one before if it has the same parts."""
        tried = {name: parts.get(name) for name in ("normalizer", "pre_tokenizer")}
        if getattr(self, "_tried", None) == tried:
            return self._trial
        self._tried = tried
        return TextTrial(tried)

    def tokenize(self, text: Text, text_pair: Text | None = None, **how: Any) -> TokenSequence:
        """Return the tokens of `text`, cut to the model's maximum. Given words are read with a space between them.

        `how` are the fields of `HowToRead`. Given ids are the tokens, and nothing is added to them.

        Raises:
            NoText: the text or a given word is empty, has no visible character, leaves no token, or exceeds
                the maximum; or the tokenizer does not read the given words one by one.
        """
        first, pair = read_text(text), None if text_pair is None else read_text(text_pair, "second text")
        if first.ids is not None:
            return self.read_ids(first.ids)
        options, state = HowToRead(**how), self._look_at_tokenizer()
        key = (first, pair, options, state)
        with self._lock:
            sequence = self._recent.get(key)
        if sequence is None:
            sequence = self._tokenize(first.text, None if pair is None else pair.text, options)
            for segment, given in enumerate((first, pair)):
                if given is not None and given.words is not None:
                    sequence = self._split(sequence, given.words, segment)
        n_characters = len(first.text) + len(pair.text if pair else "")
        if n_characters >= MIN_CACHED_CHARACTERS and len(sequence.tokens) <= MAX_CACHED_TOKENS:
            with self._lock:
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

    def _tokenize(self, text: str, text_pair: str | None, how: HowToRead) -> TokenSequence:
        text, replaced = clean_text(text, name="target" if how.as_target else "text")
        if text_pair is not None:
            text_pair, replaced_in_pair = clean_text(text_pair, name="second text")
            replaced += replaced_in_pair
            self._trial.check(text_pair)
        self._trial.check(text)
        encoding, n_total = self._encode_cut(text, text_pair, how)
        inputs = dict(encoding)
        ids = [int(number) for number in inputs["input_ids"]]
        special: list[int] = inputs.pop("special_tokens_mask", [])
        if len(special) != len(ids) or not how.add_special_tokens:
            special = [number in self._special for number in ids]
        offsets: list[Any] = inputs.pop("offset_mapping", [None] * len(ids))
        names = [self._names.of_id(number, as_target=how.as_target) for number in ids]
        tokens = tuple(self._token(*row) for row in zip(ids, names, special, offsets, strict=True))
        found = list(zip(encoding.sequence_ids(), encoding.word_ids(), strict=True)) if encoding.is_fast else None
        unknown = self.tokenizer.unk_token_id
        if found is not None and unknown in ids:
            texts = (text, text_pair or "")
            tokens = tuple(
                _show_unknown(token, texts[number or 0]) if token.id == unknown else token
                for token, (number, _) in zip(tokens, found, strict=True)
            )
        tokens = _with_segments(tokens, encoding, inputs.get("token_type_ids"))
        splitter = self._splitter or Splitter.of_pieces(tokens, characters=True)
        tokens = splitter.number(tokens, (text, text_pair or ""), found)
        if all(token.special for token in tokens) and (how.add_special_tokens or not tokens):
            raise NoText("This text has no token that the model can read: type at least one word.")
        return self._sequence(tokens, inputs, n_total, replaced=replaced, is_pair=text_pair is not None)

    def _sequence(
        self, tokens: tuple[Token, ...], inputs: dict[str, list[int]], n_total: int, **more: Any
    ) -> TokenSequence:
        unknown, keeps_end = self.tokenizer.unk_token_id, self.tokenizer.truncation_side == "left"
        n_unknown = sum(token.id == unknown and not token.special for token in tokens) if unknown is not None else 0
        return TokenSequence(tokens, inputs, n_total, n_unknown, self.tokenizer.unk_token, keeps_end=keeps_end, **more)

    def _encode_cut(self, text: str, text_pair: str | None, how: HowToRead) -> tuple[BatchEncoding, int]:
        """Return the encoding, cut to the model's maximum, and the number of tokens before the cut."""
        maximum = self.max_tokens
        if maximum is not None and self.tokenizer.is_fast and text_pair is None:
            # The encoding also contains the rest of a single text, in pieces as long as the first one, each with its
            # own special tokens.
            encoding = self._encode(text, None, how, maximum)
            first = (encoding.encodings or [])[0]
            return encoding, len(first) + sum(piece.special_tokens_mask.count(0) for piece in first.overflowing)
        encoding = self._encode(text, text_pair, how)
        n_total = len(encoding["input_ids"])
        if maximum is not None and n_total > maximum:
            encoding = self._encode(text, text_pair, how, maximum)
        return encoding, n_total

    def _encode(self, text: str, text_pair: str | None, how: HowToRead, max_tokens: int | None = None) -> BatchEncoding:
        return encode(self.tokenizer, text, text_pair, how, max_tokens)

    def read_ids(self, ids: tuple[int, ...]) -> TokenSequence:
        """Return given ids as tokens, cut to the model's maximum."""
        self._look_at_tokenizer()
        n_kept = min(len(ids), self.max_tokens or len(ids))
        kept = list(ids[len(ids) - n_kept :] if self.tokenizer.truncation_side == "left" else ids[:n_kept])
        tokens = self._tokens_of_ids(kept, [self._names.of_id(number, as_target=False) for number in kept])
        inputs = {"input_ids": kept, "attention_mask": [1] * n_kept}
        return self._sequence(tokens, inputs, len(ids), replaced=0)

    def from_ids(self, ids: list[int], after: tuple[Token, ...] = ()) -> tuple[Token, ...]:
        """Return tokens for ids that the model generated, without characters in a source text.

        `after` are the tokens that they follow: the first new token may continue a word.
        """
        return self._tokens_of_ids(ids, list(map(self._names.of_generated, ids)), after)

    def _tokens_of_ids(
        self, ids: list[int], names: list[str | None], after: tuple[Token, ...] = ()
    ) -> tuple[Token, ...]:
        rows = zip(ids, names, strict=True)
        tokens = tuple(self._token(number, name, number in self._special, None) for number, name in rows)
        splitter = self._splitter or Splitter.of_pieces((*after, *tokens), characters=True)
        return splitter.continue_words(after, tokens)

    def decode(self, ids: list[int]) -> str:
        """Return the text of ids, special tokens included, as a record of what the model read."""
        # A model may generate ids beyond its vocabulary if its embedding was padded to a round number.
        known = [number for number in ids if self._names.of_generated(number) is not None]
        with self._lock, refuse_panics(), refuse_failures(self.tokenizer, HowToRead()):
            return str(self.tokenizer.decode(known, clean_up_tokenization_spaces=False))

    def _token(self, number: int, name: str | None, special: int | bool, offset: tuple[int, int] | None) -> Token:
        if name is None:  # a model may generate ids beyond its vocabulary, see `decode`
            nameless = f"⟨id {number}⟩"
            return Token(nameless, number, None, None, bool(special), nameless)
        start, end = offset if offset is not None and offset[1] > offset[0] else (None, None)
        display = visible(self._names.of_special(number, name)) if special else self._show(name)
        return Token(name, number, start, end, bool(special), display)


def _show_unknown(token: Token, text: str) -> Token:
    """Return an unknown token with the characters that the vocabulary lacks: `[UNK] 猫` instead of `[UNK]`."""
    if token.special or token.start is None:
        return token
    return replace(token, display=f"{token.display} {visible(text[token.start : token.end])}")


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Return the ids of special tokens that stand for no text: no bytes, not the unknown token, nor that of a gap."""
    known = tokenizer.added_tokens_decoder.items()
    added = {number for number, token in known if token.special and not str(token).startswith("<0x")}
    return added.union(tokenizer.all_special_ids) - {tokenizer.unk_token_id, tokenizer.mask_token_id}


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
