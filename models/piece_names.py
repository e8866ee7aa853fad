"""The piece of the vocabulary for an id, on the side that the id is from."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

# Most tokens of many texts are of a few thousand pieces.
CACHED_PIECES = 4_096


class PieceNames:
    """Names the ids of one tokenizer. Marian and FSMT may have one vocabulary for texts and another one for targets."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        # `convert_ids_to_tokens` of these two names ids as a decoder generates them, by the vocabulary of targets.
        has_two = not tokenizer.is_fast and hasattr(tokenizer, "get_tgt_vocab")
        self._of_texts = {number: piece for piece, number in tokenizer.get_vocab().items()} if has_two else {}
        # ByT5 and Perceiver name an id beyond the bytes by a character that they cannot decode.
        self._of_bytes = hasattr(tokenizer, "_utf_vocab_size")
        self._switches = hasattr(tokenizer, "_switch_to_target_mode")
        self.of_generated = lru_cache(CACHED_PIECES)(self._of_generated)

    def of_id(self, number: int, *, as_target: bool) -> str | None:
        """Return the piece of an id that the tokenizer read in a text or in a target; None if it has none."""
        if not as_target or not self._switches:
            piece = self._of_texts.get(number)
            if piece is not None:
                return piece
        return self.of_generated(number)

    def _of_generated(self, number: int) -> str | None:
        """Return the piece of an id that the model generated; None if the vocabulary has none."""
        try:
            piece = self._tokenizer.convert_ids_to_tokens(number)
        except (LookupError, ValueError, OverflowError, TypeError):  # an id beyond a slow tokenizer's vocabulary
            return None
        name = "" if piece is None else str(piece)
        nameless = piece is None or (self._of_bytes and len(name) == 1 and ord(name) > 255)
        return None if nameless else name

    def of_special(self, number: int, piece: str) -> str:
        """Return the piece of a special token, or the name of CANINE's, whose pieces are of the private use area."""
        if len(piece) == 1 and unicodedata.category(piece) == "Co":
            return str(getattr(self._tokenizer, "_convert_id_to_token", chr)(number))
        return piece
