"""Tokens that are given as texts: how they are shown, which are special, and which pieces are a word."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Set
from typing import Any

from models.display import PieceDisplay, visible
from models.errors import BadMatrix
from models.given_text import MAX_CHARACTERS
from models.tokens import Token
from models.words import Splitter

# Texts that no vocabulary uses for a word. The mask and the unknown token stand for text, so they are not special.
_SPECIAL = frozenset({"[CLS]", "[SEP]", "[PAD]", "<s>", "</s>", "<pad>", "<bos>", "<eos>"})
_SPECIAL_BARS = re.compile(r"<[|\uff5c][^<>]{1,60}[|\uff5c]>")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BYTE_LEVEL = ("Ġ", "Ċ")
# A label is far shorter.
MOST_SHOWN = 200
EMPTY = "⟨empty⟩"


def read_tokens(tokens: Any) -> tuple[Token, ...]:
    """Return tokens for their texts, `Token`s as they are.

    Raises:
        BadMatrix: they are no list of texts.
    """
    given = _listed(tokens)
    texts = [_SURROGATE.sub("\ufffd", each) if isinstance(each, str) else each.text for each in given]
    if sum(map(len, texts)) > MAX_CHARACTERS:
        raise BadMatrix(f"The tokens have more than {MAX_CHARACTERS:,} characters together: shorten them.")
    ordinary = [text for text in texts if text and not _is_special(text)]
    display = _display_of(ordinary)
    found = [
        Token(text, -1, None, None, _is_special(text), _show(text, display)) if isinstance(each, str) else each
        for each, text in zip(given, texts, strict=True)
    ]
    if any(isinstance(each, Token) for each in given):
        return tuple(found)  # their own numbers of words stay
    splitter = Splitter.of_pieces(found)
    if not splitter.marker and any(text[:1] == " " and text.strip() for text in ordinary):
        splitter = Splitter("space")  # decoded pieces, as `to_str_tokens` of TransformerLens returns them
    return splitter.number(found, ()) if splitter.marker else tuple(found)


def _listed(tokens: Any) -> list[str | Token]:
    wrong = f"The tokens are a list of texts, one for each position, not a value of the type {type(tokens).__name__}."
    if isinstance(tokens, str | bytes | Mapping | Set | type) or not isinstance(tokens, Collection):
        raise BadMatrix(wrong)
    found: list[str | Token] = []
    try:
        parts = iter(tokens)
    except TypeError as error:  # an array without axes
        raise BadMatrix(wrong) from error
    for position, token in enumerate(parts):
        if not isinstance(token, str | Token):
            raise BadMatrix(
                f"Token {position} is of the type {type(token).__name__}: give texts, for ids those of "
                "tokenizer.convert_ids_to_tokens(ids)."
            )
        if position >= MAX_CHARACTERS:
            raise BadMatrix(f"There are more than {MAX_CHARACTERS:,} tokens: give weights of a part of the text.")
        found.append(str(token) if isinstance(token, str) else token)
    return found


def _is_special(text: str) -> bool:
    return text in _SPECIAL or _SPECIAL_BARS.fullmatch(text) is not None


def _display_of(pieces: list[str]) -> PieceDisplay:
    """Return the display of the tokenizer that these pieces are of, as far as their marks tell."""
    if any(piece.startswith("##") and len(piece) > 2 for piece in pieces):
        return PieceDisplay({"decoder": {"type": "WordPiece"}})
    if any(piece.startswith(_BYTE_LEVEL) for piece in pieces):
        return PieceDisplay({"decoder": {"type": "ByteLevel"}})
    if any(piece.endswith("</w>") and piece != "</w>" for piece in pieces):
        return PieceDisplay({"model": {"end_of_word_suffix": "</w>"}})
    return PieceDisplay({})


def _show(text: str, display: PieceDisplay) -> str:
    if not text:
        return EMPTY
    shown, rest = text[:MOST_SHOWN], text[MOST_SHOWN:]
    return (visible(shown) if _is_special(text) else display.show(shown)) + ("…" if rest else "")
