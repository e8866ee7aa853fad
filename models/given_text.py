"""Texts as they are given, before a tokenizer reads them: cleaned, or refused in one sentence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch

from models.errors import NoText

# A text, its words, or its token ids: a list, an array or a tensor of one row.
# `Any`: a batch of one, or numbers in tensors; `read_text` refuses everything else.
Text = str | Sequence[str] | Sequence[int] | Sequence[Any] | np.ndarray | torch.Tensor
MAX_CHARACTERS = 2_000_000
# Above every vocabulary, and below what a tensor of ids can hold.
MAX_ID = 2**31 - 1
_SURROGATE = re.compile("[\ud800-\udfff]")
_WHAT = "A text is a string, a list of words, or a list of token ids"


@dataclass(frozen=True)
class GivenText:
    """A text as one string, with the words or the token ids if it was given as these."""

    text: str = ""
    words: tuple[str, ...] | None = None
    ids: tuple[int, ...] | None = None


def read_text(given: Any, name: str = "text") -> GivenText:
    """Return a text that was given as a string, as its words, or as its token ids.

    Words are joined by spaces. Ids are whole numbers in a list, an array or a tensor, `[token]` or `[1, token]`.

    Raises:
        NoText: it is nothing of these, or a word has no visible character.
    """
    if isinstance(given, str):
        return GivenText(str(given))
    if isinstance(given, (np.ndarray, torch.Tensor)):
        return GivenText(ids=_read_array(given))
    if not isinstance(given, (list, tuple, range)):
        raise NoText(f"{_WHAT}, but the {name} is of the type {type(given).__name__}: give one of these.")
    # Python cannot count a range that is longer than any memory.
    if given[MAX_CHARACTERS : MAX_CHARACTERS + 1]:
        raise NoText(f"The {name} has more than {MAX_CHARACTERS:,} words or ids: inspect a part at a time.")
    if len(given) == 1 and isinstance(given[0], (list, tuple)):  # a batch of one
        return GivenText(ids=_read_ids(given[0]))
    if len(given) == 1 and isinstance(given[0], (np.ndarray, torch.Tensor)) and given[0].shape:
        return GivenText(ids=_read_array(given[0]))
    if given and not isinstance(given[0], str):
        return GivenText(ids=_read_ids(given))
    words = tuple(map(str, given))
    for number, (word, each) in enumerate(zip(words, given, strict=True)):
        if not isinstance(each, str):
            raise NoText(
                f"Word {number} of the {name} is of the type {type(each).__name__}: give only words or only ids."
            )
        if not has_visible(word):
            raise NoText(f"Word {number} of the {name} is empty or has no visible character: leave it out.")
    return GivenText(" ".join(words), words)


def _read_array(given: np.ndarray | torch.Tensor) -> tuple[int, ...]:
    """Return the ids of an array or a tensor.

    Raises:
        NoText: it has another shape than `[token]` or `[1, token]`, or no whole numbers.
    """
    kind, shape = type(given).__name__, tuple(given.shape)
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[0] != 1) or shape[-1] > MAX_CHARACTERS:
        raise NoText(f"Token ids are one row of numbers, but this {kind} has the shape {shape}: give one row of it.")
    if isinstance(given, torch.Tensor):
        whole = not (given.is_floating_point() or given.is_complex() or given.dtype == torch.bool)
        if given.is_meta:
            raise NoText("This tensor is on the meta device and has no numbers: give the ids themselves.")
    else:
        whole = np.issubdtype(given.dtype, np.integer) or given.dtype == object
    if not whole:
        raise NoText(f"Token ids are whole numbers, but this {kind} has {given.dtype}: give the ids as integers.")
    return _read_ids(given.reshape(-1).tolist())


def _read_ids(given: Sequence[Any]) -> tuple[int, ...]:
    """Return ids as Python's own numbers.

    Raises:
        NoText: there is none, or one is no whole number, negative, or too large for any vocabulary.
    """
    ids = []
    for position, number in enumerate(given):
        if isinstance(number, (np.ndarray, torch.Tensor)) and not number.shape:
            number = number.item()
        if isinstance(number, (bool, np.bool_)) or not isinstance(number, Integral):
            raise NoText(f"{_WHAT}, but the token id at position {position} is {_shorten(number)}: give whole numbers.")
        whole = int(number)
        if not 0 <= whole <= MAX_ID:
            raise NoText(f"The token id at position {position} is {_shorten(whole)}: an id is 0 to {MAX_ID:,}.")
        ids.append(whole)
    if not ids:
        raise NoText("There is nothing to inspect: the list of token ids is empty; give at least one id.")
    return tuple(ids)


def _shorten(value: Any) -> str:
    try:
        written = repr(value) if isinstance(value, int | float | str | None) else f"a {type(value).__name__}"
    except Exception:  # Python refuses to write a number of more than 4,300 digits
        written = f"a {type(value).__name__}"
    return written if len(written) <= 40 else f"{written[:39]}…"


def has_visible(text: str) -> bool:
    """Return whether a text has a character that is neither space nor control."""
    return any(unicodedata.category(character)[0] not in "ZC" for character in text)


def clean_text(text: str, name: str = "text") -> tuple[str, int]:
    """Return the text with lone surrogates replaced by U+FFFD, and how many there were.

    Raises:
        NoText: nothing visible in the text, or more than `MAX_CHARACTERS`.
    """
    if len(text) > MAX_CHARACTERS:
        raise NoText(f"The {name} has more than {MAX_CHARACTERS:,} characters, the maximum: inspect a part at a time.")
    text, replaced = _SURROGATE.subn("\ufffd", text)
    if not has_visible(text):
        raise NoText(f"There is nothing to inspect: the {name} is empty or has no visible character; type a sentence.")
    return text, replaced
