"""Text to tokens: what the model reads, and how a person reads it."""

from __future__ import annotations

import json
import logging
import re
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

from models.errors import NoText, is_panic
from models.text_trial import ReadingCheck

log = logging.getLogger("headlight.models")

MAX_CHARACTERS = 2_000_000
# Readings that are kept: an estimate and the trace after it read the same texts, and a long one takes a second.
REMEMBERED, MOST_REMEMBERED = 4, 20_000
JOINER = "·"
_BYTE_OF = {character: byte for byte, character in bytes_to_unicode().items()}
_BYTE_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_VISIBLE = {" ": "␣", "\u00a0": "␣", "\u3000": "␣", "\n": "⏎", "\r": "␍", "\t": "⇥"}
# Invisible characters that reorder or hide what stands around them, and letters that are blank by definition (Hangul
# fillers): a label must show that they are there. The zero-width joiners stay, emoji and Persian are made of them.
_DECEPTIVE = re.compile(
    r"[\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    r"\u3164\ufeff\uffa0\ufff9-\ufffb]"
)


@dataclass(frozen=True)
class Token:
    """One position of the model's input.

    `text` is the raw piece of the vocabulary (`⟨id 77⟩` of an id that it has no piece for), `display` the form a person
    reads, `start` and `end` its characters in the source text (None where it stands for no text), `special` whether the
    tokenizer added it, `segment` which text of a pair it belongs to (0 or 1), `generated` whether the model itself
    wrote it.
    """

    text: str
    id: int
    start: int | None
    end: int | None
    special: bool
    display: str
    segment: int = 0
    generated: bool = False


@dataclass(frozen=True)
class TokenSequence:
    """The tokens that the model is given, with what was lost on the way.

    `n_total` counts the tokens before the cut to the model's maximum, `n_unknown` the ordinary tokens that the
    vocabulary does not cover, `replaced` the characters that are no valid Unicode; `is_pair` says that two texts were
    given, of which the longer one is cut first.
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
        """One sentence for each loss, empty if the model sees the whole text, and both of a pair apart."""
        notices = []
        n_ordinary = sum(not token.special for token in self.tokens)
        if self.n_total > len(self.tokens):
            notices.append(self._cut())
        if any(
            one.segment != after.segment and not one.special | after.special for one, after in pairwise(self.tokens)
        ):
            notices.append(
                "The two texts are read as one, with nothing between them: the model's tokenizer has no separator for "
                "pairs, so the model cannot tell where the second text begins."
            )
        if self.n_unknown:
            one = self.n_unknown == 1
            which = (
                "The only token of the text is"
                if n_ordinary == 1
                else f"{self.n_unknown:,} of {n_ordinary:,} tokens {'is' if one else 'are'}"
            )
            apart = "that word from others that it lacks" if one else "those words apart"
            notices.append(
                f"{which} {self.unknown_token}: the model's vocabulary does not cover this text, "
                f"so it cannot tell {apart}."
            )
        if self.replaced:
            plural = "" if self.replaced == 1 else "s"
            notices.append(f"{self.replaced:,} invalid character{plural} (lone surrogates) became \ufffd.")
        return tuple(notices)

    def _cut(self) -> str:
        shown, why = f"{len(self.tokens):,} of {self.n_total:,} tokens are shown", "the most the model can read at once"
        if not self.is_pair:
            return f"The first {shown}: this is {why}."
        second = sum(token.segment == 1 and not token.special for token in self.tokens)
        if not second:  # nothing is left of it, or a slow tokenizer does not tell the texts apart
            return f"{shown}: this is {why}, and the longer of the two texts is cut first."
        first = sum(token.segment == 0 and not token.special for token in self.tokens)
        return f"{shown}, {first:,} of them from the first text and {second:,} from the second: this is {why}."


class TokenReader:
    """Reads text with one tokenizer; built once per model, since finding out the tokenizer's kind takes a while."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_tokens: int | None) -> None:
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        # A cut sets a state of the tokenizer, which another visitor's thread must not find there.
        self._one_at_a_time = threading.Lock()
        self._recent: dict[tuple[str, str | None, bool], TokenSequence] = {}
        tokenizer.truncation_side = "right"
        backend = getattr(tokenizer, "backend_tokenizer", None)
        description = backend.to_str() if backend is not None else ""
        parts = json.loads(description) if description else {}
        self._check = ReadingCheck(parts)
        decoders = json.dumps([parts.get("decoder"), parts.get("pre_tokenizer")])
        self._bytes = '"ByteLevel"' in decoders
        self._wordpiece = '"WordPiece"' in decoders
        self._suffix = (parts.get("model") or {}).get("end_of_word_suffix") or ""

    def read(self, text: str, text_pair: str | None = None, *, as_target: bool = False) -> TokenSequence:
        """Return the tokens of `text`, cut to the model's maximum.

        Raises:
            NoText: the text is empty, has no visible character, leaves no token, or exceeds `MAX_CHARACTERS`.
        """
        key = (text, text_pair, as_target)
        sequence = self._recent.get(key) or self._read(text, text_pair, as_target)
        if len(sequence.tokens) <= MOST_REMEMBERED:
            with self._one_at_a_time:
                self._recent[key] = sequence
                while len(self._recent) > REMEMBERED:
                    del self._recent[next(iter(self._recent))]
        return sequence

    def _read(self, text: str, text_pair: str | None, as_target: bool) -> TokenSequence:
        text, replaced = checked(text, name="target" if as_target else "text")
        if text_pair is not None:
            text_pair, more = checked(text_pair, name="second text")
            replaced += more
            self._check.check(text_pair)
        self._check.check(text)
        if self.max_tokens is not None and self.tokenizer.is_fast and text_pair is None:
            # What is cut off a single text comes along in pieces as long as what is kept, each with its own marks.
            encoding = self._encode(text, None, as_target, cut=True)
            kept = (encoding.encodings or [])[0]
            n_total = len(kept) + sum(piece.special_tokens_mask.count(0) for piece in kept.overflowing)
        else:
            encoding = self._encode(text, text_pair, as_target, cut=False)
            n_total = len(encoding["input_ids"])
            if self.max_tokens is not None and n_total > self.max_tokens:
                encoding = self._encode(text, text_pair, as_target, cut=True)
        encoded = dict(encoding)
        ids = encoded["input_ids"]
        special: list[int] = encoded.pop("special_tokens_mask", [0] * len(ids))
        offsets: list[Any] = encoded.pop("offset_mapping", [None] * len(ids))
        tokens = tuple(self._token(*row) for row in zip(ids, special, offsets, strict=True))
        if self.tokenizer.is_fast:
            texts = (text, text_pair or "")
            tokens = tuple(
                self._with_source(token, texts[number or 0])
                for token, number in zip(tokens, encoding.sequence_ids(), strict=True)
            )
        tokens = _with_segments(tokens, encoding, encoded.get("token_type_ids"))
        ordinary = [token for token in tokens if not token.special]
        if not ordinary:
            raise NoText("This text has no token that the model can read: type at least one word.")
        unknown = self.tokenizer.unk_token_id
        n_unknown = sum(token.id == unknown for token in ordinary) if unknown is not None else 0
        is_pair, unknown_token = text_pair is not None, self.tokenizer.unk_token
        return TokenSequence(tokens, dict(encoded), n_total, n_unknown, unknown_token, replaced, is_pair)

    def from_ids(self, ids: list[int]) -> tuple[Token, ...]:
        """Return tokens for ids that come from the model (a generated text), without places in a source text."""
        special = set(self.tokenizer.all_special_ids)
        return tuple(self._token(number, number in special, None) for number in ids)

    def decoded(self, ids: list[int]) -> str:
        """Return the text that ids stand for, special tokens included, as a record of what was read."""
        # A model may write ids beyond its vocabulary, where the embedding was padded to a round number.
        known = [number for number in ids if self.tokenizer.convert_ids_to_tokens(number) is not None]
        with panics_refused():
            return str(self.tokenizer.decode(known, clean_up_tokenization_spaces=False))

    def _encode(self, text: str, text_pair: str | None, as_target: bool, *, cut: bool) -> BatchEncoding:
        options: dict[str, Any] = {"text_target" if as_target else "text": text}
        if text_pair is not None:
            options["text_pair"] = text_pair
        if cut:
            options.update(truncation="longest_first" if text_pair else "only_first", max_length=self.max_tokens)
        with self._one_at_a_time, panics_refused():
            return self.tokenizer(
                **options,
                add_special_tokens=True,
                padding=False,
                return_special_tokens_mask=True,
                return_offsets_mapping=self.tokenizer.is_fast,
                verbose=False,
            )

    def _with_source(self, token: Token, text: str) -> Token:
        """Let an unknown token show the characters that the vocabulary lacks: `[UNK] 猫` says more than `[UNK]`."""
        if token.special or token.id != self.tokenizer.unk_token_id or token.start is None:
            return token
        return replace(token, display=f"{token.display} {visible(text[token.start : token.end])}")

    def _token(self, number: int, special: int | bool, offset: tuple[int, int] | None) -> Token:
        piece = self.tokenizer.convert_ids_to_tokens(number)
        if piece is None:  # a model may write ids beyond its vocabulary, see `decoded`
            nameless = f"⟨id {number}⟩"
            return Token(nameless, int(number), None, None, bool(special), nameless)
        text = str(piece)
        placed = offset is not None and not special and offset[1] > offset[0]
        start, end = offset if placed and offset is not None else (None, None)
        return Token(text, int(number), start, end, bool(special), visible(text) if special else self.display(text))

    def display(self, piece: str) -> str:
        """Return the form of a raw piece that a person reads: joiners and spaces for markers, no invisible character.

        `##ing` becomes `·ing`, `Ġcat` and `▁cat` become ` cat`, byte-level pieces are decoded, bytes that are only a
        part of a character are shown in hexadecimal, white space and control characters as visible signs.
        """
        fallback = _BYTE_FALLBACK.fullmatch(piece)
        if fallback:
            return _readable(bytes([int(fallback[1], 16)]))
        if self._bytes and all(character in _BYTE_OF for character in piece):
            return _readable(bytes(_BYTE_OF[character] for character in piece))
        if self._wordpiece and piece.startswith("##") and len(piece) > 2:
            return JOINER + visible(piece[2:])
        if self._suffix and piece.endswith(self._suffix):
            piece = piece.removesuffix(self._suffix)
        return visible(piece.replace("▁", " "))


@contextmanager
def panics_refused() -> Iterator[None]:
    """Turn a panic of the tokenizers' Rust code, which is no Exception, into a refusal.

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
    """Return the tokens with the text of a pair that each belongs to; a separator closes the text before it."""
    numbers = encoding.sequence_ids() if encoding.is_fast else types
    if numbers is None or 1 not in numbers:
        return tokens
    placed, segment = [], 0
    for token, number in zip(tokens, numbers, strict=True):
        segment = segment if number is None else number
        placed.append(replace(token, segment=segment))
    return tuple(placed)


def checked(text: str, name: str = "text") -> tuple[str, int]:
    """Return the text with lone surrogates replaced by U+FFFD, and how many there were.

    Raises:
        NoText: nothing visible in the text, or more than `MAX_CHARACTERS`.
    """
    if len(text) > MAX_CHARACTERS:
        raise NoText(
            f"The {name} has more than {MAX_CHARACTERS:,} characters, the most that is read: inspect a part at a time."
        )
    replaced = sum("\ud800" <= character <= "\udfff" for character in text)
    if replaced:
        text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    if not any(unicodedata.category(character)[0] not in "ZC" for character in text):
        raise NoText(f"There is nothing to inspect: the {name} is empty or has no visible character; type a sentence.")
    return text, replaced


def visible(text: str) -> str:
    """Return text in which no character is invisible or reorders its surroundings."""
    if text and not text.strip():
        return "".join(_VISIBLE.get(character, f"⟨U+{ord(character):04X}⟩") for character in text)
    shown = "".join(_visible_character(character) for character in text)
    if shown and all(unicodedata.category(character) in ("Cf", "Mn", "Me") for character in shown):
        return "".join(f"⟨U+{ord(character):04X}⟩" for character in shown)
    return shown


def _visible_character(character: str) -> str:
    code = ord(character)
    if character in "\n\r\t":
        return _VISIBLE[character]
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    # U+FFFE, U+FFFF and their like are no characters, and no XML file may hold them.
    if (
        0x80 <= code < 0xA0
        or code & 0xFFFE == 0xFFFE
        or _DECEPTIVE.match(character)
        or unicodedata.category(character) in ("Zl", "Zp")
    ):
        return f"⟨U+{code:04X}⟩"
    return character


def _readable(raw: bytes) -> str:
    try:
        return visible(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return f"⟨{raw.hex(' ').upper()}⟩"
