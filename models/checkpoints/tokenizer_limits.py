"""How large a tokenizer's files may be, told before any tokenizer is built of them.

Tokenizers hold the interpreter's lock while they are built: 3.6 million words took 37 s, 2 GB, and stopped every other
thread for 7 s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.checkpoints.limits import read_settings
from models.errors import NoTokenizer

# The largest published vocabularies have 902,000 pieces (XLM-V), and Gemma's 514,000 merges.
_MOST_ENTRIES = 1_000_000
# Commas and brackets: a piece or a merge has three, an added token eight.
_MOST_VALUES = 3_200_000
# Colons: a token has one where the vocabulary is an object, an added token seven.
_MOST_NAMES = 1_200_000
# Speech models add 65,536 tokens to those of a language model; 100,000 took 11 s, 400,000 more than a minute.
_MOST_ADDED, _MOST_ADDED_LETTERS = 70_000, 2_500_000
# 20,000 took 4 s, 200,000 more than a minute. Published tokenizers have some hundred.
_MOST_SPECIAL = 5_000
# A unigram vocabulary becomes a tree with 350 bytes for each letter: 28 million took 7 GB and 40 s.
_MOST_TREE_LETTERS = 12_000_000
# Merges of a sentencepiece file are found again by trying every cut of every piece.
_MOST_PIECES_BYTES, _MOST_PIECE_BYTES = 20_000_000, 512


def refuse_endless_vocabulary(folder: Path, name: str) -> None:
    """Let a folder through whose tokenizer is not far larger than any published one.

    Raises:
        NoTokenizer: a list in one of its files is.
    """
    for path in sorted(folder.glob("*")):
        if not path.is_file():
            continue
        for what, came, most in _excesses(path):
            if came > most:
                raise NoTokenizer(
                    f"{path.name[:80]} of {name} has {came:,} {what}, expected {most:,} at most: save the tokenizer "
                    "that the model was trained with into the same folder."
                )


def _excesses(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield what there is to count in a file, how much of it there is, and the most that there may be."""
    name = path.name
    if name == "tokenizer.json":
        raw = path.read_bytes()
        yield "values", raw.count(b",") + raw.count(b"{") + raw.count(b"["), _MOST_VALUES
        yield "names", raw.count(b":"), _MOST_NAMES
        yield from _of_tokenizer(_parsed(raw))
    elif name in ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        try:
            described = read_settings(path)
        except (OSError, ValueError):  # the tokenizer itself says what is wrong with it
            described = {}
        if name == "added_tokens.json":
            yield "added tokens", _length(described), _MOST_ADDED
        for key, value in described.items() if isinstance(described, dict) else ():
            decoder = key == "added_tokens_decoder"
            yield f"entries in {key[:60]}", _length(value), _MOST_ADDED if decoder else _MOST_SPECIAL
    elif name.endswith((".txt", ".tiktoken")):
        yield "lines", path.read_bytes().count(b"\n"), _MOST_ENTRIES
    elif name.endswith(".json") and ("vocab" in name or name == "tekken.json"):
        raw = path.read_bytes()
        yield "entries", raw.count(b",") if name != "tekken.json" else raw.count(b"{"), _MOST_ENTRIES + 1_000
    elif name.endswith(".model"):
        yield "bytes", path.stat().st_size, _MOST_PIECES_BYTES
        lengths = _lengths_of_pieces(path.read_bytes())
        yield "pieces", len(lengths), _MOST_ENTRIES
        yield "bytes in one piece", max(lengths, default=0), _MOST_PIECE_BYTES


def _of_tokenizer(described: Any) -> Iterator[tuple[str, int, int]]:
    described = described if isinstance(described, dict) else {}
    added = described.get("added_tokens")
    yield "added tokens", _length(added), _MOST_ADDED
    contents = [one.get("content") for one in added if isinstance(one, dict)] if isinstance(added, list) else []
    yield "letters in added tokens", sum(map(_letters, contents)), _MOST_ADDED_LETTERS
    model = described.get("model") if isinstance(described.get("model"), dict) else {}
    vocabulary = model.get("vocab")
    yield "tokens", _length(vocabulary), _MOST_ENTRIES
    yield "merges", _length(model.get("merges")), _MOST_ENTRIES
    if isinstance(vocabulary, list):
        letters = sum(_letters(piece[0]) for piece in vocabulary if isinstance(piece, list) and piece)
        yield "letters in its pieces", letters, _MOST_TREE_LETTERS


def _lengths_of_pieces(raw: bytes) -> list[int]:
    """Return the bytes of each piece of a sentencepiece file: a protocol buffer, whose first field repeats for each."""
    lengths, place = [], 0
    while place < len(raw):
        key, length, shift = raw[place], 0, 0
        place += 1
        while place < len(raw):
            byte = raw[place]
            length |= (byte & 127) << shift
            place, shift = place + 1, shift + 7
            if byte < 128 or shift > 63:
                break
        if key & 7 != 2:  # what follows is no piece, or no such file
            break
        if key >> 3 == 1:
            lengths.append(length)
        place += length
    return lengths


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):  # the tokenizer itself says what is wrong with it
        return None


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (list, dict)) else 0


def _letters(value: Any) -> int:
    return len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else 0
