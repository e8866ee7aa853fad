"""How large a tokenizer's files may be, checked before a tokenizer is built from them.

Building a tokenizer keeps the interpreter's lock: 3.6 million words took 37 s, 2 GB, and stopped every other thread for
7 s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.checkpoints.limits import read_settings
from models.errors import NoTokenizer

# The largest published vocabularies have 902,000 pieces (XLM-V), and Gemma's 514,000 merges.
_MAX_ENTRIES = 1_000_000
# Commas and brackets. A piece or a merge has three, an added token eight.
_MAX_VALUES = 3_200_000
# Colons. A token has one if the vocabulary is an object, an added token seven.
_MAX_NAMES = 1_200_000
# Speech models add 65,536 tokens to those of a language model. 100,000 took 11 s, 400,000 more than a minute.
_MAX_ADDED, _MAX_ADDED_LETTERS = 70_000, 2_500_000
# 20,000 took 4 s, 200,000 more than a minute. Published tokenizers have a few hundred.
_MAX_SPECIAL = 5_000
# A unigram vocabulary becomes a tree with 350 bytes for each letter: 28 million took 7 GB and 40 s.
_MAX_TREE_LETTERS = 12_000_000
# The library finds the merges of a sentencepiece file by trying every cut of every piece.
_MAX_PIECES_BYTES, _MAX_PIECE_BYTES = 20_000_000, 512


def refuse_endless_vocabulary(folder: Path, name: str) -> None:
    """Let a folder through whose tokenizer is not far larger than any published one.

    Raises:
        NoTokenizer: a list in one of its files is far larger.
    """
    for path in sorted(folder.glob("*")):
        if not path.is_file():
            continue
        for what, came, maximum in _count(path):
            if came > maximum:
                raise NoTokenizer(
                    f"{path.name[:80]} of {name} has {came:,} {what}, expected {maximum:,} at most: save the tokenizer "
                    "that the model was trained with into the same folder."
                )


def _count(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield what is counted in a file, its number, and the largest number that is allowed."""
    name = path.name
    if name == "tokenizer.json":
        raw = path.read_bytes()
        yield "values", raw.count(b",") + raw.count(b"{") + raw.count(b"["), _MAX_VALUES
        yield "names", raw.count(b":"), _MAX_NAMES
        yield from _count_in_tokenizer(_parse(raw))
    elif name in ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        try:
            described = read_settings(path)
        except (OSError, ValueError):  # the tokenizer's own error says what is wrong with it
            described = {}
        if name == "added_tokens.json":
            yield "added tokens", _length(described), _MAX_ADDED
        for key, value in described.items() if isinstance(described, dict) else ():
            decoder = key == "added_tokens_decoder"
            yield f"entries in {key[:60]}", _length(value), _MAX_ADDED if decoder else _MAX_SPECIAL
    elif name.endswith((".txt", ".tiktoken")):
        yield "lines", path.read_bytes().count(b"\n"), _MAX_ENTRIES
    elif name.endswith(".json") and ("vocab" in name or name == "tekken.json"):
        raw = path.read_bytes()
        yield "entries", raw.count(b",") if name != "tekken.json" else raw.count(b"{"), _MAX_ENTRIES + 1_000
    elif name.endswith(".model"):
        yield "bytes", path.stat().st_size, _MAX_PIECES_BYTES
        lengths = _find_piece_lengths(path.read_bytes())
        yield "pieces", len(lengths), _MAX_ENTRIES
        yield "bytes in one piece", max(lengths, default=0), _MAX_PIECE_BYTES


def _count_in_tokenizer(described: Any) -> Iterator[tuple[str, int, int]]:
    described = described if isinstance(described, dict) else {}
    added = described.get("added_tokens")
    yield "added tokens", _length(added), _MAX_ADDED
    contents = [one.get("content") for one in added if isinstance(one, dict)] if isinstance(added, list) else []
    yield "letters in added tokens", sum(map(_letters, contents)), _MAX_ADDED_LETTERS
    model = described.get("model") if isinstance(described.get("model"), dict) else {}
    vocabulary = model.get("vocab")
    yield "tokens", _length(vocabulary), _MAX_ENTRIES
    yield "merges", _length(model.get("merges")), _MAX_ENTRIES
    if isinstance(vocabulary, list):
        letters = sum(_letters(piece[0]) for piece in vocabulary if isinstance(piece, list) and piece)
        yield "letters in its pieces", letters, _MAX_TREE_LETTERS


def _find_piece_lengths(raw: bytes) -> list[int]:
    """Return the bytes of each piece of a sentencepiece file, a protocol buffer with one first field for each piece."""
    lengths, offset = [], 0
    while offset < len(raw):
        key, length, shift = raw[offset], 0, 0
        offset += 1
        while offset < len(raw):
            byte = raw[offset]
            length |= (byte & 127) << shift
            offset, shift = offset + 1, shift + 7
            if byte < 128 or shift > 63:
                break
        if key & 7 != 2:  # not a piece, or not a sentencepiece file
            break
        if key >> 3 == 1:
            lengths.append(length)
        offset += length
    return lengths


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):  # the tokenizer's own error says what is wrong with it
        return None


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (list, dict)) else 0


def _letters(value: Any) -> int:
    return len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else 0
