"""Words as groups of the pieces that a model reads, and how each tokenizer marks where a word begins.

A fast tokenizer splits a text into words before it splits these into pieces, and its split is used. Tokenizers that
only mark spaces (`▁`), slow ones, and tokens that a model generated have no such split: there, the pieces' own markers
decide, and each punctuation mark is a word. Chinese, Japanese, Thai and other scripts write no spaces, and a
tokenizer's split would make a whole sentence one word: there, a word is what the model reads as one piece.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from models.display import JOINER, join_displays, visible
from models.errors import NoText

if TYPE_CHECKING:
    from models.attention import Attention
    from models.tokens import Token

# The positions of the pieces of each word.
Pieces = tuple[tuple[int, ...], ...]
# The text of a pair and the word in it, by the tokenizer's own split; None if it has none.
Found = Sequence[tuple[int | None, int | None]] | None

_NO_SPACES = re.compile(
    r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\ua000-\ua4cf\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
_SPACES = " ␣⏎⇥␍▁Ġ"
_APOSTROPHES = ("'", "\u2019")
_BYTES = re.compile(r"⟨([0-9A-F]{2})(?: [0-9A-F]{2})*⟩")


@dataclass(frozen=True)
class Splitter:
    """How one tokenizer splits words: `marker` is "space", "##", "@@", a suffix such as "</w>", or "" for none.

    `trusted` is True if the tokenizer's own split into words can be used.
    """

    marker: str
    trusted: bool = False

    @classmethod
    def of_tokenizer(cls, parts: dict[str, Any]) -> Splitter | None:
        """Return how a tokenizer with this tokenizer.json splits, None for a slow tokenizer, which has none."""
        if not parts:
            return None
        model, first = parts.get("model") or {}, parts.get("pre_tokenizer")
        described = [json.dumps(parts.get(name), ensure_ascii=False) for name in ("normalizer", "pre_tokenizer")]
        spaces = '"Metaspace"' in described[1] or "▁" in described[0]
        if model.get("type") == "WordPiece":
            marker = model.get("continuing_subword_prefix") or "##"
        elif model.get("end_of_word_suffix"):
            marker = model["end_of_word_suffix"]
        else:
            marker = "space" if spaces or '"ByteLevel"' in described[1] or model.get("type") == "Unigram" else ""
        return cls(marker, trusted=first is not None and not spaces)

    @classmethod
    def of_pieces(cls, tokens: Sequence[Token], *, characters: bool = False) -> Splitter:
        """Return how pieces of an unknown tokenizer are split, by their markers.

        With `characters`, pieces that are single characters are letters of words.
        """
        pieces = [token.text for token in tokens if not token.special]
        if any(piece.startswith("##") and len(piece) > 2 for piece in pieces):
            return cls("##")
        if any(piece.startswith(("▁", "Ġ")) for piece in pieces):
            return cls("space")
        for suffix in ("</w>", "@@"):
            if any(piece.endswith(suffix) and piece != suffix for piece in pieces):
                return cls(suffix)
        return cls("space" if characters and all(len(piece) == 1 for piece in pieces) else "")

    def number(self, tokens: Sequence[Token], texts: Sequence[str], found: Found = None) -> tuple[Token, ...]:
        """Return the tokens with the numbers of their words; special tokens are no pieces of a word.

        `texts` are the source texts, which the characters of the tokens refer to.
        """
        numbered, number = [], -1
        before: Token | None = None
        end = ""
        for position, token in enumerate(tokens):
            if token.special:
                numbered.append(token)
                before = None
                continue
            same = _same_word(found, position) if self.trusted and found is not None else None
            start = _read(token, texts)
            if (
                before is None
                or before.segment != token.segment
                or not self._continues(before, token, end, start, same)
            ):
                number += 1
            numbered.append(_with_word(token, number))
            before, end = token, start
        return tuple(numbered)

    def continue_words(self, before: Sequence[Token], new: Sequence[Token]) -> tuple[Token, ...]:
        """Return the new tokens, which a model generated, with numbers after those of the tokens before them."""
        last = [token for token in before[-1:] if not token.special]
        new = [replace(token, segment=one.segment) for one in last for token in new] or new
        numbered = self.number([*last, *new], ())[len(last) :]
        first = max((token.word for token in before if token.word is not None), default=-1) + (not last)
        return tuple(token if token.word is None else replace(token, word=token.word + first) for token in numbered)

    def _continues(self, before: Token, token: Token, end: str, start: str, same: bool | None) -> bool:
        """Return whether a token continues the word of the token before it.

        `end` and `start` are the characters of the two (`_read`), `same` is the tokenizer's own split.
        """
        byte = _BYTES.match(start)
        if byte and _BYTES.search(end) and 0x80 <= int(byte[1], 16) < 0xC0:
            return True  # the next byte of one character
        if same is None:
            same = self._marked_same(before.text, token.text, end, start)
        if not same:
            return False
        if not end.strip(_SPACES):
            return True  # a space belongs to the word after it
        if _shares_character(before, token):
            return True
        return not (_NO_SPACES.match(end[-1:]) or _NO_SPACES.match(start[:1]) or (byte and int(byte[1], 16) >= 0xE0))

    def _marked_same(self, before: str, piece: str, end: str, start: str) -> bool:
        if self.marker == "space":
            return _space_same(end, start)
        if self.marker == "##" or not self.marker:
            return bool(self.marker) and piece.startswith(self.marker) and piece != self.marker
        if self.marker == "@@":
            return before.endswith(self.marker)
        return not before.endswith(self.marker)


def _with_word(token: Token, number: int) -> Token:
    # Every token of every text comes here, and `dataclasses.replace` takes three times as long.
    return type(token)(
        token.text,
        token.id,
        token.start,
        token.end,
        token.special,
        token.display,
        token.segment,
        token.generated,
        number,
        token.role,
        token.seconds,
    )


def split_as_given(tokens: Sequence[Token], words: Sequence[str], segment: int) -> tuple[Token, ...]:
    """Return the tokens with the numbers of given words, which, joined by spaces, are one text of a pair.

    The numbers of other tokens stay, and those of the words follow them.

    Raises:
        NoText: the tokenizer joins a word to another one, or reads nothing of it.
    """
    text = " ".join(words)
    ends = list(accumulate((len(word) + 1 for word in words), initial=-1))[1:]
    first_number = 1 + max((token.word or 0 for token in tokens if token.segment != segment), default=0)
    numbered, at = [], 0
    seen: set[int] = set()
    for token in tokens:
        if token.special or token.start is None or token.end is None or token.segment != segment:
            numbered.append(token)
            continue
        written = text[token.start : token.end]
        start = token.start + len(written) - len(written.lstrip())
        # A piece that is only a space belongs to the word after it.
        last = token.end - (len(written) - len(written.rstrip()) if written.strip() else 0) - 1
        while at < len(ends) - 1 and last >= ends[at]:
            at += 1
        if written.strip() and start < ends[at] - len(words[at]):
            raise _not_a_word(words[at])
        seen.add(at)
        numbered.append(replace(token, word=first_number + at))
    for at in range(max(seen, default=-1)):
        if at not in seen:
            raise _not_a_word(words[at])
    return tuple(numbered)


def _not_a_word(word: str) -> NoText:
    return NoText(
        f"This model's tokenizer does not read {visible(word[:40])!r} as one word: give the text as one string."
    )


def words_of(att: Attention, side: str) -> tuple[tuple[Token, ...], Pieces]:
    """Return the words of the queries or the keys of an attention, and the positions of their pieces."""
    tokens = att.query_tokens if side == "query" else att.key_tokens
    source = att.source
    is_target = source.target is not None and (att.kind == "decoder" or (att.kind == "cross" and side == "query"))
    texts = (source.target or "",) if is_target else (source.text, source.text_pair or "")
    groups = group_pieces(tokens)
    return tuple(join_pieces([tokens[at] for at in group], texts) for group in groups), groups


def group_pieces(tokens: Sequence[Token]) -> Pieces:
    """Return the positions of each word: runs of tokens with one number in `Token.word`; others are alone.

    Where no token has a number, because they were made by hand, the markers of the pieces decide.
    """
    if all(token.word is None for token in tokens):
        tokens = Splitter.of_pieces(tokens).number(tokens, ())
    groups: list[list[int]] = []
    before: int | None = None
    for position, token in enumerate(tokens):
        word = None if token.special else token.word
        if word is not None and word == before:
            groups[-1].append(position)
        else:
            groups.append([position])
        before = word
    return tuple(map(tuple, groups))


def join_pieces(pieces: Sequence[Token], texts: Sequence[str]) -> Token:
    """Return one token for the pieces of a word: as written in its text, or else joined as they are shown."""
    first, last = pieces[0], pieces[-1]
    if first.special:
        return first
    if len(pieces) == 1:
        shown = first.display.strip(" ")
        return replace(first, display=shown) if shown and shown != first.display else first
    whole = replace(first, end=last.end, generated=any(piece.generated for piece in pieces))
    written = _written(whole, texts).strip()
    shown = visible(written) if written else join_displays([piece.display for piece in pieces])
    return replace(whole, text=written or shown, display=shown)


def _written(token: Token, texts: Sequence[str]) -> str:
    """Return the characters of a token in its source text, empty if they are not known."""
    if token.start is None or token.end is None or token.segment >= len(texts):
        return ""
    return texts[token.segment][token.start : token.end]


def _read(token: Token, texts: Sequence[str]) -> str:
    """Return the characters of a token as they are written, or else as they are shown, without a joiner."""
    if _BYTES.search(token.display):  # a part of a character
        return token.display if token.start is None else _written(token, texts) or token.display
    written = _written(token, texts)
    shown = token.display.removeprefix(JOINER)
    return shown if shown[:1] in tuple(_SPACES) or not written else written


def _same_word(found: Sequence[tuple[int | None, int | None]], position: int) -> bool | None:
    """Return whether the tokenizer's split has a token in one word with the one before; None if it does not say."""
    if position >= len(found):
        return None
    word, before = found[position], found[position - 1]
    return word[1] is not None and word == before


def _space_same(end: str, start: str) -> bool:
    """Return whether a piece continues a word: no space before it, and both are letters or both punctuation."""
    if start[:1] in tuple(_SPACES) or start[:1].isspace():
        return False
    if not end.strip(_SPACES) or end.isspace():
        return end[-1:] not in ("⏎", "␍", "⇥", "\n", "\r", "\t")
    # An apostrophe between letters is a part of the word.
    if (start in _APOSTROPHES and _is_letter(end[-1])) or (end in _APOSTROPHES and _is_letter(start[:1])):
        return True
    return _is_letter(end[-1]) == _is_letter(start[:1])


def _is_letter(character: str) -> bool:
    return bool(character) and unicodedata.category(character)[0] in "LMN"


def _shares_character(before: Token, token: Token) -> bool:
    """Return whether two tokens are bytes of one character."""
    return before.end is not None and token.start is not None and token.start < before.end


def starts_of(pieces: Pieces) -> list[int]:
    """Return the first piece of each word and, at the end, the number of pieces."""
    starts = [0]
    for each in pieces:
        starts.append(starts[-1] + len(each))
    return starts
