"""What the tokens of a text say about its positions: which are separators, punctuation, or the same token again."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import repeat

import numpy as np
from jaxtyping import Bool, Int

from models import Attention, Token


@dataclass(frozen=True, eq=False)
class Positions:
    """The positions of an attention as its tokens name them.

    `query_ids` and `key_ids` are the same number for the same token, or the same word. `hidden` and `hidden_keys` are
    what a view hides. `two_texts`: queries and keys are of different texts. `causal`: a query sees no key after it.
    `partial`: a row may sum to less than 1, since the rest goes to hidden tokens or to a sink that is no token.
    """

    n_query: int
    n_key: int
    separators: Int[np.ndarray, " separator"]
    punctuation: Int[np.ndarray, " mark"]
    query_ids: Int[np.ndarray, " query"]
    key_ids: Int[np.ndarray, " key"]
    hidden: Bool[np.ndarray, " query"]
    hidden_keys: Bool[np.ndarray, " key"]
    two_texts: bool
    causal: bool
    partial: bool

    @classmethod
    def of(cls, att: Attention) -> Positions:
        """Return the positions of an attention."""
        pieces = [[len(of_word) for of_word in of_side] for of_side in att.pieces]
        found = cls.of_tokens(att.kind, (att.query_tokens, att.key_tokens), pieces, att.hidden_keys)
        found.hidden[sorted(att.hidden_queries)] = True
        return replace(found, partial=_is_partial(att))

    @classmethod
    def of_tokens(
        cls,
        kind: str,
        sides: tuple[Sequence[Token], Sequence[Token]],
        pieces: Sequence[Sequence[int]] | None = None,
        hidden_keys: Collection[int] = (),
    ) -> Positions:
        """Return the positions of a model's own attention, of which no query is hidden.

        `sides` are the tokens that attend and those that are attended to. `pieces` has for each token of both how many
        pieces it is joined of, by default 1.
        """
        queries, keys = sides
        after = [(at, token) for at, token in enumerate(keys) if at > 0 and at not in hidden_keys]
        numbers: dict[Hashable, int] = {}
        query_ids, key_ids = (
            [numbers.setdefault(name, len(numbers)) for name in _identities(tokens, of_tokens)]
            for tokens, of_tokens in zip(sides, pieces or (repeat(1), repeat(1)), strict=True)
        )
        return cls(
            len(queries),
            len(keys),
            np.array([at for at, token in after if token.special], np.int64),
            np.array([at for at, token in after if is_punctuation(token)], np.int64),
            np.array(query_ids, np.int64),
            np.array(key_ids, np.int64),
            np.zeros(len(queries), bool),
            np.array([at in hidden_keys for at in range(len(keys))]),
            kind == "cross",
            kind == "decoder",
            True,
        )

    @cached_property
    def repeats(self) -> bool:
        """Whether any token comes twice."""
        return not self.two_texts and len(np.unique(self.key_ids)) < self.n_key


def _identities(tokens: Sequence[Token], pieces: Iterable[int]) -> Iterator[Hashable]:
    """Yield what makes each position's token the same as another: its id, or its text where an id does not say it.

    Tokens that were given as texts have the id -1, and a joined word has that of its first piece.
    """
    for token, n_pieces in zip(tokens, pieces, strict=False):
        if n_pieces > 1:
            yield token.id, token.text.casefold()
        else:
            yield token.id if token.id >= 0 else token.text


def _is_partial(att: Attention) -> bool:
    """Return whether rows that sum to less than 1 are still shares of one whole, which goes elsewhere too."""
    if any("not sum to 1" in notice for notice in att.notices):
        return False
    return bool(att.hidden_keys) or (att.method == "attention" and att.source.capture != "given")


def is_punctuation(token: Token) -> bool:
    """Return whether a token of the text consists of punctuation marks of Unicode (the categories P)."""
    return not token.special and _has_marks_only(token.display)


@lru_cache(4096)
def _has_marks_only(display: str) -> bool:
    marks = display.strip()
    return bool(marks) and all(unicodedata.category(mark)[0] == "P" for mark in marks)
