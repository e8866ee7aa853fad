"""The languages of a tokenizer for translation, set for one text and then set back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import PreTrainedTokenizerBase

from models.errors import NoText

# How the families write a language token: __en__ (M2M100), en_XX (mBART), eng_Latn (NLLB), __java__ (PLBart).
_CODE = re.compile(r"__[A-Za-z_]{2,10}__|[a-z]{2,3}_[A-Z][A-Za-z]{1,4}")
# What tokenizers change when they are given a language, or when they read a target.
_STATE = (
    *("_src_lang", "src_lang", "_tgt_lang", "tgt_lang", "cur_lang_code", "cur_lang_code_id", "cur_lang_id"),
    *("prefix_tokens", "suffix_tokens", "current_spm", "current_encoder", "truncation_side"),
)
_MISSING = object()
_MOST_NAMED = 8


def languages_of(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """Return the languages that a tokenizer can be set to, as its `src_lang` takes them; empty if it has none."""
    if not isinstance(getattr(type(tokenizer), "src_lang", None), property):
        return ()
    codes = getattr(tokenizer, "lang_code_to_id", None)
    if codes:
        unknown = tokenizer.unk_token_id
        found = [code for code, number in codes.items() if number is not None and number != unknown]
    else:
        found = [str(token) for token in tokenizer.all_special_tokens if _CODE.fullmatch(str(token))]
    # The tokenizers add the underscores themselves.
    return tuple(dict.fromkeys(code.strip("_") for code in found))


def language_token(tokenizer: PreTrainedTokenizerBase, language: str) -> int:
    """Return the id of the token of a language that `check_language` has let through."""
    # The other way round, the language "en" would be a part of a word.
    for written in (f"__{language.strip('_')}__", language):
        number = tokenizer.convert_tokens_to_ids(written)
        if isinstance(number, int) and number != tokenizer.unk_token_id:
            return number
    raise NoText(f"This model's tokenizer has no token for the language {language!r}: give another one.")


def check_language(tokenizer: PreTrainedTokenizerBase, name: str, language: str | None, model: str) -> None:
    """Let a language through that a tokenizer knows, or none. `name` is the argument, `model` the model's name.

    Raises:
        NoText: there is no such language, or the tokenizer has no languages.
    """
    if language is None:
        return
    known = languages_of(tokenizer)
    if not known:
        written = getattr(tokenizer, "supported_language_codes", None)
        remedy = f"begin the text with the language, as {written[0]}" if written else "leave it out"
        raise NoText(f"{model}'s tokenizer has no languages, so it cannot use {name}: {remedy}.")
    if language.strip("_") not in known:
        raise NoText(f"{model}'s tokenizer has no language {language[:40]!r} ({name}): {_name_some(known, language)}.")


def _name_some(known: tuple[str, ...], language: str) -> str:
    """Return which languages there are, those first that begin like the one that was asked for."""
    wanted = language.strip("_")[:2].lower()
    ordered = sorted(known, key=lambda code: not code.lower().startswith(wanted))
    rest = len(known) - _MOST_NAMED
    return f"it has {', '.join(ordered[:_MOST_NAMED])}" + (f" and {rest} more" if rest > 0 else "")


@contextmanager
def as_it_was(tokenizer: PreTrainedTokenizerBase) -> Iterator[None]:
    """Set a tokenizer back to the languages and the cut that it had, whatever is done with it meanwhile.

    The tokenizer of a model is shared: the caller holds the lock that all readers of it hold.
    """
    held: dict[str, Any] = vars(tokenizer)
    before = {name: held.get(name, _MISSING) for name in _STATE}
    backend = getattr(tokenizer, "backend_tokenizer", None)
    parts = None if backend is None else (backend.post_processor, backend.truncation)
    written = None if parts is None or parts[0] is None else str(parts[0])
    try:
        yield
    finally:
        for name, value in before.items():
            if value is _MISSING:
                held.pop(name, None)
            else:
                held[name] = value
        if backend is not None and parts is not None:
            if parts[0] is not None and str(backend.post_processor) != written:
                backend.post_processor = parts[0]
            if backend.truncation != parts[1]:
                backend.no_truncation() if parts[1] is None else backend.enable_truncation(**parts[1])


def set_languages(tokenizer: PreTrainedTokenizerBase, source: str | None, target: str | None) -> None:
    """Set the languages that are given, inside `as_it_was`."""
    if source is not None:
        tokenizer.src_lang = source.strip("_")
    if target is not None:
        tokenizer.tgt_lang = target.strip("_")
