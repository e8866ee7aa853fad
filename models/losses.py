"""Sentences on what a model does not read of a text, or reads in another way than its author would expect."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from models.display import visible

if TYPE_CHECKING:
    from models.tokens import TokenSequence


def describe_losses(sequence: TokenSequence) -> Iterator[str]:
    """Yield a sentence for each loss in tokenization."""
    tokens = sequence.tokens
    if sequence.n_total > len(tokens):
        yield _describe_cut(sequence)
    yield from _describe_repeated(sequence)
    if any(one.segment != after.segment and not one.special | after.special for one, after in pairwise(tokens)):
        yield (
            "The model reads the two texts as one: its tokenizer has no separator for pairs, so the model cannot "
            "know where the second text begins."
        )
    if sequence.n_unknown:
        yield _describe_unknown(sequence)
    if sequence.replaced:
        plural = "" if sequence.replaced == 1 else "s"
        yield f"{sequence.replaced:,} invalid character{plural} (lone surrogates) became \ufffd."


def _describe_unknown(sequence: TokenSequence) -> str:
    one, n_ordinary = sequence.n_unknown == 1, sum(not token.special for token in sequence.tokens)
    which = (
        "The only token of the text is"
        if n_ordinary == 1
        else f"{sequence.n_unknown:,} of {n_ordinary:,} tokens {'is' if one else 'are'}"
    )
    apart = "that word from other unknown words" if one else "those words from each other"
    return (
        f"{which} {sequence.unknown_token}: the model's vocabulary does not cover this text, "
        f"so it cannot distinguish {apart}."
    )


def _describe_repeated(sequence: TokenSequence) -> Iterator[str]:
    """Yield a sentence if the text begins or ends with the special tokens that the tokenizer adds there."""
    for side, tokens in (("begins", sequence.tokens), ("ends", sequence.tokens[::-1])):
        n_added = next((at for at, token in enumerate(tokens) if not token.special), 0)
        typed = tokens[n_added : 2 * n_added]
        if typed and [token.id for token in typed] == [token.id for token in tokens[:n_added]]:
            name = "".join(token.text for token in (typed if side == "begins" else typed[::-1]))
            yield (
                f"The text {side} with {visible(name[:40])}, and the tokenizer adds it once more, so the model reads "
                "it twice: to read the text as it is, let the tokenizer add no special tokens "
                "(add_special_tokens=False)."
            )


def _describe_cut(sequence: TokenSequence) -> str:
    tokens = sequence.tokens
    shown, why = (
        f"{len(tokens):,} of {sequence.n_total:,} tokens are shown",
        "the maximum that the model reads at once",
    )
    if not sequence.is_pair:
        return f"The {'last' if sequence.keeps_end else 'first'} {shown}: this is {why}."
    second = sum(token.segment == 1 and not token.special for token in tokens)
    if not second:  # nothing is left of it, or a slow tokenizer does not mark the second text
        return f"{shown}: this is {why}, and the longer of the two texts is cut first."
    first = sum(token.segment == 0 and not token.special for token in tokens)
    return f"{shown}, {first:,} of them from the first text and {second:,} from the second: this is {why}."
