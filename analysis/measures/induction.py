"""Heads that complete what came before: induction, duplicate and previous-token heads on a repeated random sequence."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool
from transformers import PreTrainedTokenizerBase

from analysis.measures.positions import Positions
from analysis.measures.reading import Strip, read_layers
from analysis.measures.tables import heads_of
from models import Attention, Model
from models.arguments import checked
from models.errors import BadArgument, BadSelection, NoText

EFFECTS = ("induction", "duplicate", "previous")
# Pieces such as [unused1], <extra_id_0> or <|im_end|> stand for no text.
_MARK = re.compile(r"\[.+\]|<.+>", re.DOTALL)


@checked
def induction_table(
    model: Model, ids: Sequence[int] | None = None, *, length: int = 64, seed: int = 0, kind: str = ""
) -> pd.DataFrame:
    """Return how each head looks back in a sequence that repeats itself, indexed by `layer, head`.

    `induction` is the mean weight on the positions after earlier occurrences of the query's token (Olsson et al. 2022),
    `duplicate` on these occurrences, both over the queries whose token came before; `previous` on the position before
    the query, over all queries that have one. `ids` are the tokens to read, by default `length` random ones of the
    model's vocabulary, without special ones, twice, between the special tokens that the tokenizer adds, after the
    model's own start token if it adds none. Fewer if the model reads fewer. `.attrs["ids"]` has what was read.
    An encoder sees both times, so that its weights on the earlier one are lower.

    Raises:
        BadArgument: there is no token to draw, or a length below 2.
        BadSelection: the model has no attention of that kind, or it is that of a decoder to another text.
        NoText: the model reads no token ids.
        HeadlightError: as `Model.trace`.
    """
    read = repeated_ids(model, length, seed) if ids is None else [int(one) for one in ids]
    trace = model.trace(read)
    att = trace[kind or trace.kinds[0]]
    if att.kind != trace.kinds[0]:
        raise BadSelection(
            f"The ids are the text of the {trace.kinds[0]}: its heads are measured, not those of the {att.kind}."
        )
    table = look_back(att)
    table.attrs["ids"] = read
    return table


def look_back(att: Attention) -> pd.DataFrame:
    """Return the columns of `induction_table` for an attention of a text; NaN where no token comes twice."""
    positions = Positions.of(att)
    sums, counts = np.zeros((2, len(EFFECTS), len(heads_of(att))))
    for strip in read_layers(att, range(att.n_layers)):
        counted = strip.count_rows(strip.weights.sum(-1, dtype=np.float64), positions.hidden)
        for number, wanted in enumerate(_wanted(positions, strip)):
            exact = np.where(wanted, strip.weights, 0).sum((-1), dtype=np.float64)
            rows = counted & wanted.any(-1)
            sums[number] += np.where(rows, exact, 0).sum(-1)
            counts[number] += rows.sum(-1)
    with np.errstate(invalid="ignore"):
        means = sums / counts
    index = pd.MultiIndex.from_tuples(heads_of(att), names=["layer", "head"])
    return pd.DataFrame(means.T, index, list(EFFECTS))


def _wanted(positions: Positions, strip: Strip) -> tuple[Bool[np.ndarray, "query key"], ...]:
    """Return the keys whose weights are added for each of `EFFECTS`."""
    queries = np.arange(strip.start, strip.start + strip.weights.shape[1])[:, None]
    keys = np.arange(positions.n_key)
    earlier = (positions.query_ids[queries] == positions.key_ids) & (keys < queries)
    after = np.zeros_like(earlier)
    after[:, 1:] = earlier[:, :-1]
    return after & (keys < queries), earlier, keys == queries - 1


def repeated_ids(model: Model, length: int, seed: int) -> list[int]:
    """Return random ids twice, with the special tokens around them, at most as many as the model reads.

    Raises:
        BadArgument: there is no token to draw, or a length below 2.
        NoText: the model reads no text alone.
    """
    tokenizer = model.tokenizer
    if tokenizer is None or model.card.modality != "text":
        raise NoText(
            f"{model.card.name} does not read a text alone, so that no tokens can be repeated: take a model of texts."
        )
    if length < 2:
        raise BadArgument(f"A sequence that is repeated has at least 2 tokens, not {length}.")
    before, after = _special_ids(tokenizer)
    if model.card.max_tokens is not None:
        length = min(length, (model.card.max_tokens - len(before) - len(after)) // 2)
    drawn = _drawn_ids(tokenizer)
    if not drawn or length < 2:
        raise BadArgument(f"{model.card.name} has no tokens that can be repeated: give ids.")
    random = np.random.default_rng(seed)
    once = random.choice(drawn, length, replace=len(drawn) < length).tolist()
    return [*before, *once, *once, *after]


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return the special tokens that the tokenizer writes before and after a text."""
    encoded = tokenizer("a", return_special_tokens_mask=True)
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    text = [at for at, is_special in enumerate(special) if not is_special]
    before, after = (ids[: text[0]], ids[text[-1] + 1 :]) if text else ([], [])
    start = tokenizer.bos_token_id
    return before or ([] if start is None else [start]), after


def _drawn_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the ids of ordinary tokens."""
    left_out = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    pieces = tokenizer.get_vocab().items()
    return sorted(number for piece, number in pieces if number not in left_out and not _MARK.fullmatch(piece))
