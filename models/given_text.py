"""Texts as they are given, before a tokenizer reads them: cleaned, or refused in one sentence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from models.errors import NoText

# A text, or its words.
Text = str | Sequence[str]
MAX_CHARACTERS = 2_000_000


def join_words(text: Text) -> str:
    """Return a text, or words with a space between them.

    Raises:
        NoText: a word is no text, or has no visible character.
    """
    if isinstance(text, str):
        return text
    if len(text) > MAX_CHARACTERS:
        raise NoText(f"The text has more than {MAX_CHARACTERS:,} words: inspect a part at a time.")
    for number, word in enumerate(text):
        if not isinstance(word, str) or not _has_visible(word):
            raise NoText(f"Word {number} of the text is empty or has no visible character: leave it out.")
    return " ".join(text)


def _has_visible(text: str) -> bool:
    return any(unicodedata.category(character)[0] not in "ZC" for character in text)


def clean_text(text: str, name: str = "text") -> tuple[str, int]:
    """Return the text with lone surrogates replaced by U+FFFD, and how many there were.

    Raises:
        NoText: nothing visible in the text, or more than `MAX_CHARACTERS`.
    """
    if len(text) > MAX_CHARACTERS:
        raise NoText(f"The {name} has more than {MAX_CHARACTERS:,} characters, the maximum: inspect a part at a time.")
    replaced = sum("\ud800" <= character <= "\udfff" for character in text)
    if replaced:
        text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    if not _has_visible(text):
        raise NoText(f"There is nothing to inspect: the {name} is empty or has no visible character; type a sentence.")
    return text, replaced
