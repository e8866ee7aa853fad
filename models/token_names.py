"""A token by the text that a person types for it, and the other way round."""

from __future__ import annotations

from dataclasses import dataclass

from models.display import visible
from models.errors import BadSelection
from models.input_builder import InputBuilder

_LONGEST = 40
# No token is nearly as long, and some tokenizers take minutes over a long text.
_LONGEST_TOKEN = 500


@dataclass(frozen=True)
class TokenNames:
    """The vocabulary of what a model predicts."""

    inputs: InputBuilder

    def find(self, text: str) -> int:
        """Return the id of a text that is one token, such as " Paris", or of a raw piece, such as "ĠParis".

        Raises:
            BadSelection: it is none, or several.
        """
        reader = self.inputs.target_reader
        if reader is None:
            raise BadSelection('This model has no vocabulary of texts: name a token by its id, such as "token:7".')
        tokenizer, shown = reader.tokenizer, visible(text[:_LONGEST])
        readable = len(text) <= _LONGEST_TOKEN and not any("\ud800" <= letter <= "\udfff" for letter in text)
        if not readable:
            raise BadSelection(f"{shown!r} is no token of this model: give the text or the id of one.")
        ids = tokenizer.encode(text, add_special_tokens=False)
        # A tokenizer may add a space itself, so that two would stand before the text.
        for found in (ids, tokenizer.encode(text.strip(), add_special_tokens=False)):
            known = len(found) == 1 and (found[0] != tokenizer.unk_token_id or text == tokenizer.unk_token)
            if known and (found is ids or self.show(found[0]) == text):
                return int(found[0])
        vocabulary = tokenizer.get_vocab()
        if text in vocabulary:
            return int(vocabulary[text])
        if len(ids) > 1:
            parts = ", ".join(repr(token.display) for token in reader.from_ids(ids[:5]))
            raise BadSelection(f"{shown!r} is {len(ids)} tokens ({parts}): give the text or the id of one token.")
        raise BadSelection(f"{shown!r} is no token of this model: give the text of one, or its id, such as token:7.")

    def show(self, number: int) -> str:
        """Return a token as a person reads it."""
        return self.inputs.show_ids([number])[0].display
