"""Words as groups of the pieces that a model reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from models.display import join_displays, visible
from models.tokens import Token

if TYPE_CHECKING:
    from models.attention import Attention

# The positions of the pieces of each word.
Pieces = tuple[tuple[int, ...], ...]


def words_of(att: Attention, side: str) -> tuple[tuple[Token, ...], Pieces]:
    """Return the words of the queries or the keys of an attention, and the positions of their pieces."""
    tokens = att.query_tokens if side == "query" else att.key_tokens
    source = att.source
    is_target = source.target is not None and (att.kind == "decoder" or (att.kind == "cross" and side == "query"))
    texts = (source.target or "",) if is_target else (source.text, source.text_pair or "")
    groups = group_pieces(tokens)
    return tuple(join_pieces([tokens[at] for at in group], texts) for group in groups), groups


def group_pieces(tokens: Sequence[Token]) -> Pieces:
    """Return the positions of each word: runs of tokens with one number in `Token.word`; others are alone."""
    groups: list[list[int]] = []
    before: Token | None = None
    for position, token in enumerate(tokens):
        if before is not None and not token.special and token.word is not None and token.word == before.word:
            groups[-1].append(position)
        else:
            groups.append([position])
        before = None if token.special else token
    return tuple(map(tuple, groups))


def join_pieces(pieces: Sequence[Token], texts: Sequence[str]) -> Token:
    """Return one token for the pieces of a word: as written in its text, or else joined as they are shown."""
    first, last = pieces[0], pieces[-1]
    if first.special:
        return first
    if len(pieces) == 1:
        shown = first.display.strip(" ")
        return replace(first, display=shown) if shown and shown != first.display else first
    written = ""
    start, end = first.start, last.end
    if start is not None and end is not None and first.segment < len(texts):
        written = texts[first.segment][start:end].strip()
    shown = visible(written) if written else join_displays([piece.display for piece in pieces])
    return replace(
        first,
        text=written or shown,
        display=shown,
        end=end,
        start=start,
        generated=any(piece.generated for piece in pieces),
    )


def starts_of(pieces: Pieces) -> Int[np.ndarray, " words_and_one"]:
    """Return the first piece of each word and, at the end, the number of pieces."""
    return np.cumsum([0, *(len(each) for each in pieces)])
