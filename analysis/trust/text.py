"""What the model reads of the text: unknown tokens, padding, lower case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from analysis.trust.finding import Finding, count
from analysis.trust.notices import UNKNOWN, notices_of
from analysis.trust.survey import Look
from models import Attention, Token

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# With more unknown tokens than this share, most words of a text in another script or of another tokenizer are lost.
MANY_UNKNOWN = 0.1
# A vocabulary in which a larger share of the pieces has a capital letter was made from texts in upper and lower case:
# 0 in MiniLM's, 0.3 in that of BERT's cased model.
CASED = 0.05
_PADDING = {"[pad]", "<pad>", "<|pad|>", "<|padding|>"}
# Counting takes some milliseconds.
_shares: WeakKeyDictionary[PreTrainedTokenizerBase, float] = WeakKeyDictionary()
_CAPITAL = re.compile("[A-Z]")


def check_unknown(look: Look) -> Iterator[Finding]:
    """Yield the share of tokens that the vocabulary does not cover."""
    notice = next((each for each in notices_of(look) if UNKNOWN in each), None)
    if notice is None:
        return
    counted = re.match(r"([\d,]+) of ([\d,]+) tokens", notice)
    share = 1.0 if counted is None else float(counted[1].replace(",", "")) / float(counted[2].replace(",", ""))
    yield Finding(
        "unknown tokens",
        "warning" if share > MANY_UNKNOWN else "note",
        notice,
        share,
        "Use the tokenizer that the model was trained with, or a text in a language and script that it knows.",
    )


def check_padding(look: Look) -> Iterator[Finding]:
    """Yield how much of the attention goes to padding inside the text."""
    for kind, survey in look.surveys.items():
        att = look.trace[kind]
        padding = _padding(look, att, kind)
        if not padding:
            continue
        received = survey.of_heads("received")
        share = float(np.nanmean(received[:, padding].sum(-1)))
        one = len(padding) == 1
        yield Finding(
            "padding",
            "warning" if share > 0 else "note",
            f"{len(padding):,} of {count(att.n_key, 'token')} {'is' if one else 'are'} padding, and "
            f"{'it gets' if one else 'they get'} {share:.1%} of the attention.",
            share,
            "Leave the padding out of the text: the model was trained to ignore it by a mask.",
        )


def _padding(look: Look, att: Attention, kind: str) -> list[int]:
    """Return the keys that are padding; not the first of a decoder, whose start token it may be (T5)."""
    tokenizer = look.model.tokenizer if look.model is not None else None
    number = tokenizer.pad_token_id if tokenizer is not None else None
    has_other_role = tokenizer is not None and number in _ids_of_roles(tokenizer)

    def is_padding(token: Token) -> bool:
        if number is not None:
            return token.id == number and not has_other_role
        return token.special and token.text.lower() in _PADDING

    first = 1 if kind == "decoder" else 0
    return [at for at, token in enumerate(att.key_tokens) if at >= first and is_padding(token)]


def _ids_of_roles(tokenizer: PreTrainedTokenizerBase) -> set[int | None]:
    """Return the ids of special tokens with another role than padding: many decoders pad with their end token."""
    return {
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        tokenizer.unk_token_id,
        tokenizer.cls_token_id,
        tokenizer.sep_token_id,
    }


def check_case(look: Look) -> Iterator[Finding]:
    """Yield whether the tokenizer lower-cases the text, and whether its vocabulary says that it should not."""
    source = look.trace.source
    changed = [
        (written, token)
        for token in look.trace[look.trace.kinds[0]].key_tokens
        if (written := _written(token, (source.text, source.text_pair or ""))) is not None
    ]
    if not changed:
        return
    written, token = changed[0]
    sentence = f"The tokenizer lower-cases the text: {written[:40]!r} is read as {token.text[:40]!r}"
    tokenizer = look.model.tokenizer if look.model is not None else None
    share = 0.0 if tokenizer is None else _share_of_capitals(tokenizer)
    if share > CASED:
        yield Finding(
            "lower case",
            "warning",
            f"{sentence}, but {share:.0%} of the pieces of its vocabulary have a capital letter, so the model was "
            "trained on texts in upper and lower case.",
            share,
            "Load the tokenizer with do_lower_case=False, or save the right one into the folder.",
        )
    else:
        yield Finding("lower case", "note", f"{sentence}.", len(changed))


def _written(token: Token, texts: tuple[str, str]) -> str | None:
    """Return what is written in the text for a token if the token has lost its capitals, else None."""
    if token.special or token.start is None or token.end is None or token.segment > 1:
        return None
    written = texts[token.segment][token.start : token.end]
    lost = (
        _CAPITAL.search(written) and not _CAPITAL.search(token.text) and written.lower().strip() in token.text.lower()
    )
    return written if lost else None


def _share_of_capitals(tokenizer: PreTrainedTokenizerBase) -> float:
    if tokenizer not in _shares:
        pieces = [piece for piece in tokenizer.get_vocab() if piece.strip("[]<>|") == piece]
        _shares[tokenizer] = sum(bool(_CAPITAL.search(piece)) for piece in pieces) / max(1, len(pieces))
    return _shares[tokenizer]
