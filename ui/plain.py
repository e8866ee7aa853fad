"""Sentences that may quote a visitor: shown as they stand, since Streamlit reads Markdown in its messages."""

from __future__ import annotations

import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def plain(text: str) -> str:
    """Return Markdown that shows `text` to the letter, on one line: no link, image, emphasis, emoji or TeX."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))
