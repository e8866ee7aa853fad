"""Text and vocabulary pieces as a person reads them: no character is invisible or reorders its surroundings."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from transformers.convert_slow_tokenizer import bytes_to_unicode

JOINER = "·"
_BYTE_OF = {character: byte for byte, character in bytes_to_unicode().items()}
_BYTE_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})+")
_BYTES = re.compile(r"(?:⟨[0-9A-F]{2}(?: [0-9A-F]{2})*⟩)+")
_VISIBLE = {" ": "␣", "\u00a0": "␣", "\u3000": "␣", "\n": "⏎", "\r": "␍", "\t": "⇥"}
# Invisible characters that reorder or hide the characters next to them, and letters that are blank by definition
# (Hangul fillers): a label must show them. The zero-width joiners stay, because emoji and Persian need them.
_DECEPTIVE = re.compile(
    r"[\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    r"\u3164\ufeff\uffa0\ufff9-\ufffb]"
)


class PieceDisplay:
    """The form in which the pieces of one tokenizer are shown; `parts` is the content of its tokenizer.json."""

    def __init__(self, parts: dict[str, Any]) -> None:
        decoders = json.dumps([parts.get("decoder"), parts.get("pre_tokenizer")])
        self._bytes = '"ByteLevel"' in decoders
        self._wordpiece = '"WordPiece"' in decoders
        # Slow tokenizers, see models/tokenizer_parts.py.
        self._characters, self._hexadecimal = '"Bytes"' in decoders, '"Hexadecimal"' in decoders
        self._suffix = (parts.get("model") or {}).get("end_of_word_suffix") or ""

    def show(self, piece: str) -> str:
        """Return the form of a raw piece that a person reads: joiners and spaces for markers, no invisible character.

        `##ing` becomes `·ing`, `Ġcat` and `▁cat` become ` cat`, byte-level pieces are decoded, bytes that are only a
        part of a character are shown in hexadecimal, white space and control characters as visible signs.
        """
        fallback = _BYTE_FALLBACK.fullmatch(piece)
        if fallback:
            return _decode(bytes([int(fallback[1], 16)]))
        if self._bytes and all(character in _BYTE_OF for character in piece):
            return _decode(bytes(_BYTE_OF[character] for character in piece))
        if self._characters and len(piece) == 1 and ord(piece) < 256:
            return _decode(bytes([ord(piece)]))
        if self._hexadecimal and _HEXADECIMAL.fullmatch(piece):
            return _decode(bytes.fromhex(piece))
        if self._wordpiece and piece.startswith("##") and len(piece) > 2:
            return JOINER + visible(piece[2:])
        if self._suffix and piece.endswith(self._suffix):
            piece = piece.removesuffix(self._suffix)
        return visible(piece.replace("▁", " "))


def join_displays(shown: Sequence[str]) -> str:
    """Return the pieces of one word as one, without joiners and outer spaces; bytes of one character become it."""
    joined = "".join([shown[0], *(piece.removeprefix(JOINER) for piece in shown[1:])])
    joined = _BYTES.sub(lambda found: _decode(bytes.fromhex(re.sub(r"[^0-9A-F]", "", found[0]))), joined)
    return joined.strip(" ␣") or joined


def visible(text: str) -> str:
    """Return the text with visible signs for characters that are invisible or reorder their surroundings."""
    if text.isascii() and text.isprintable() and text.strip():
        return text  # most pieces: nothing of it is invisible
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
    # U+FFFE, U+FFFF and similar codes are not characters, and an XML file must not contain them.
    if (
        0x80 <= code < 0xA0
        or code & 0xFFFE == 0xFFFE
        or _DECEPTIVE.match(character)
        or unicodedata.category(character) in ("Zl", "Zp")
    ):
        return f"⟨U+{code:04X}⟩"
    return character


def _decode(raw: bytes) -> str:
    try:
        return visible(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return f"⟨{raw.hex(' ').upper()}⟩"
