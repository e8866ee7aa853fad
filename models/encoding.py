"""One call of a tokenizer: in the languages that are asked for, one thread at a time, or refused in one sentence."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from transformers import BatchEncoding, PreTrainedTokenizerBase

from models.errors import HeadlightError, NoText, is_panic, short_message
from models.languages import as_it_was, languages_of, set_languages

log = logging.getLogger("headlight.models")
# Two models may have one tokenizer.
_LOCKS: WeakKeyDictionary[PreTrainedTokenizerBase, threading.RLock] = WeakKeyDictionary()


@dataclass(frozen=True)
class HowToRead:
    """How a tokenizer reads a text: as a target or not, with special tokens or not, and in which languages."""

    as_target: bool = False
    add_special_tokens: bool = True
    src_lang: str | None = None
    tgt_lang: str | None = None


def lock_of(tokenizer: PreTrainedTokenizerBase) -> threading.RLock:
    """Return the lock of a tokenizer: a language or a cut changes its state, which another thread must not use."""
    return _LOCKS.setdefault(tokenizer, threading.RLock())


def encode(
    tokenizer: PreTrainedTokenizerBase, text: str, text_pair: str | None, how: HowToRead, max_tokens: int | None = None
) -> BatchEncoding:
    """Return a text or a pair as a tokenizer encodes it, cut to `max_tokens`; the tokenizer stays as it was.

    Raises:
        NoText: the tokenizer fails on it.
    """
    options: dict[str, Any] = {"text_target" if how.as_target else "text": text}
    if text_pair is not None:
        options["text_pair"] = text_pair
    if max_tokens is not None:
        options.update(truncation="longest_first" if text_pair else "only_first", max_length=max_tokens)
    with lock_of(tokenizer), as_it_was(tokenizer), refuse_panics(), refuse_failures(tokenizer, how):
        set_languages(tokenizer, how.src_lang, how.tgt_lang)
        return tokenizer(
            **options,
            add_special_tokens=how.add_special_tokens,
            padding=False,
            return_special_tokens_mask=True,
            return_offsets_mapping=tokenizer.is_fast,
            verbose=False,
        )


@contextmanager
def refuse_panics() -> Iterator[None]:
    """Turn a panic of the tokenizers' Rust code, which is not an `Exception`, into a refusal.

    Raises:
        NoText: it panicked.
    """
    try:
        yield
    except BaseException as error:
        if not is_panic(error):
            raise
        log.exception("a tokenizer panicked")
        raise NoText("This model's tokenizer fails on the text: change the text, or choose another model.") from error


@contextmanager
def refuse_failures(tokenizer: PreTrainedTokenizerBase, how: HowToRead) -> Iterator[None]:
    """Turn an error of a tokenizer, which is written in Python and may raise any, into a refusal.

    Raises:
        NoText: it failed.
    """
    try:
        yield
    except HeadlightError:
        raise
    except Exception as error:
        log.exception("a tokenizer failed")
        known = languages_of(tokenizer) if how.as_target and how.tgt_lang is None else ()
        if known and getattr(tokenizer, "tgt_lang", None) is None:
            raise NoText(
                f"This model's tokenizer has no language for the target: give tgt_lang, such as {known[0]}."
            ) from error
        raise NoText(
            f"This model's tokenizer fails on the text ({short_message(error)}): change the text, or choose another "
            "model."
        ) from error
