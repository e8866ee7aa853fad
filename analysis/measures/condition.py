"""The parts of a condition: numbers, comparisons, brackets and words. The text is hostile: its length is limited."""

from __future__ import annotations

import re
from typing import NamedTuple

from models.errors import BadSelection

LONGEST = 1000
EXAMPLE = 'Write for example "previous > 0.8 and entropy < 1".'
# Each kind of part, in the order in which they are tried. A number has no sign of its own: no measure is negative.
_KINDS = {
    "number": r"(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:e[-+]?\d{1,4})?%?(?![\w.])",
    "comparison": r"<=|>=|==|!=|[<>=≤≥≠]",
    "bracket": r"[()]",
    "quoted": r'"[^"]*"|' + r"'[^']*'",
    "word": r"[^\W\d]\w*",
    "plus": r"\+",
}
_PART = re.compile(r"\s*(?:" + "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()) + ")", re.I)
_SIGNS = {"≤": "<=", "≥": ">=", "≠": "!=", "=": "=="}


class Part(NamedTuple):
    """A part of a condition: its kind, one of `_KINDS`, and its text, words in small letters."""

    kind: str
    text: str


def split_condition(query: str) -> list[Part]:
    """Return the parts of a condition, none if it is empty.

    Raises:
        BadSelection: it is too long, or a character cannot stand there.
    """
    if len(query) > LONGEST:
        raise BadSelection(f"A condition has at most {LONGEST} characters, not {len(query)}: write a shorter one.")
    parts, at = [], 0
    query = query.rstrip()
    while at < len(query):
        match = _PART.match(query, at)
        if match is None:
            raise BadSelection(f"{query[at:].strip()[:20]!r} cannot be read in a condition. {EXAMPLE}")
        kind = str(match.lastgroup)
        text = match[kind].lower()
        parts.append(Part(kind, _SIGNS.get(text, text)))
        at = match.end()
    return parts
