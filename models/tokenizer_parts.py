"""What a tokenizer is made of, read from it each time: whoever changes `model.tokenizer` sees the change at once."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

from transformers import PreTrainedTokenizerBase

_PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_OF_MODEL = ("continuing_subword_prefix", "end_of_word_suffix")
_PLAIN = (str, int, float, bool, type(None))


def read_parts(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Return the parts as a tokenizer.json has them, without the vocabulary.

    A slow tokenizer has no tokenizer.json: its decoder is described as that of a fast one with the same pieces, and
    nothing else. A part that is written in Python is missing.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return _describe_slow(tokenizer)
    model = backend.model
    described = {"type": type(model).__name__, **{name: getattr(model, name, None) for name in _OF_MODEL}}
    states = zip(_PARTS, _read_states(backend), strict=True)
    return {"model": described, **{name: json.loads(state) if state else None for name, state in states}}


def _describe_slow(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    if hasattr(tokenizer, "byte_decoder"):
        return {"decoder": {"type": "ByteLevel"}}
    if hasattr(tokenizer, "wordpiece_tokenizer"):
        return {"decoder": {"type": "WordPiece"}}
    if hasattr(tokenizer, "_utf_vocab_size"):
        # Each piece of ByT5 and Perceiver is a byte, written as the character of this number; MyT5 writes hexadecimals.
        return {"decoder": {"type": "Hexadecimal" if hasattr(tokenizer, "byte_maps") else "Bytes"}}
    if hasattr(tokenizer, "bpe_ranks"):
        return {"model": {"end_of_word_suffix": "</w>"}}
    return {}


def _read_states(backend: Any) -> tuple[bytes, ...]:
    """Return the parts of a fast tokenizer as JSON, some hundred bytes each; b"" for none."""
    return tuple(_read_state(getattr(backend, name)) for name in _PARTS)


def _read_state(part: Any) -> bytes:
    try:
        return part.__getstate__() if part is not None else b""
    except Exception:  # of the Rust library: a part that is written in Python has no state
        return b""


def state_of(tokenizer: PreTrainedTokenizerBase) -> Hashable:
    """Return what changes with the tokenizer, within a millisecond: equal states read a text the same way."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    plain = tuple(
        (name, value if isinstance(value, _PLAIN) else _measure(value))
        for name, value in sorted(vars(tokenizer).items())
        if not name.startswith("_in_")
    )
    if backend is None:
        return plain
    added = tuple((number, str(token)) for number, token in sorted(backend.get_added_tokens_decoder().items()))
    return plain, _read_states(backend), added, backend.get_vocab_size(), type(backend.model).__name__


def _measure(value: Any) -> Hashable:
    """Return the value of a short list, and the identity of a larger object with its length."""
    if isinstance(value, (list, tuple)) and len(value) <= 16 and all(isinstance(each, _PLAIN) for each in value):
        return tuple(value)
    return id(value), len(value) if hasattr(value, "__len__") else 0
