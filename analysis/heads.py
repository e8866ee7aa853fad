"""All heads of a text, ranked: by the weight of one pair, or by how sharply they treat one token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from analysis.received import Received
from analysis.selection import SIDES, TokenRef
from models import Attention
from models.arguments import checked
from models.errors import BadSelection

# Rounding gives rows that sum to slightly more than 1. A row beyond this is of a map that is not normalised.
LARGEST_SUM = 1.001


@checked
def heads_for_pair(att: Attention, query: int, key: int, *, received: Received | None = None) -> pd.DataFrame:
    """Return one row for each head, sorted by the weight of a pair, largest first.

    Columns: `layer`, `head`, `weight` = attn[layer, head, query, key], `others` = the mean of what the other queries
    that may attend to the key give it, and `ratio` = weight / others. `others` is NaN where there is no other query or
    one of their weights is not a number. Where `others` is 0, `ratio` is infinite, or NaN if the weight is 0 as well.

    `received` are the sums of all keys (`Received`), if they are known: else every head is read.

    Raises:
        BadSelection: this text has no such query or key.
    """
    weights, others, ratios = pair_in_heads(att, query, key, received)
    return _sort(_table(att, weight=weights, others=others, ratio=ratios), "weight", ascending=False)


@checked
def heads_for_pairs(
    pairs: Sequence[tuple[Attention, int, int]], *, received: Sequence[Received] | None = None
) -> pd.DataFrame:
    """Return one row for each head of one model, for a pair in each of several texts: `(attention, query, key)`.

    Columns: `layer`, `head`, and over the texts the mean and the minimum of `heads_for_pair`'s weight and ratio:
    `weight_mean`, `weight_minimum`, `ratio_mean`, `ratio_minimum`; NaN where one text has none. The heads are sorted by
    the mean weight, largest first. `received` are the sums of each text, if they are known.

    Raises:
        BadSelection: no pair, a text that has no such query or key, or texts whose layers or heads differ.
    """
    if not pairs:
        raise BadSelection("Give a pair of at least one text: the attention, a query and a key.")
    first = pairs[0][0]
    if any(heads_of(att) != heads_of(first) for att, _, _ in pairs):
        raise BadSelection("The texts must be read by one model: their attentions have different layers or heads.")
    figures = average_pairs(pairs, received)
    return _sort(_table(first, **figures), "weight_mean", ascending=False)


@checked
def heads_for_token(att: Attention, token: TokenRef | str, *, received: Received | None = None) -> pd.DataFrame:
    """Return one row for each head, sorted by how sharply it treats a token such as "query:8", sharpest first.

    Columns: `layer`, `head`, `entropy` in bits: of a query's row, or of a key's column normalised over the queries that
    may attend to it; `strongest`, the position of the partner with the largest weight (the first of equal ones, missing
    where there is none), and its `weight`. An entropy is NaN where a weight is not a number or nothing is attended to.

    `received` are the sums of all keys (`Received`), if they are known: for a key, every head is read otherwise.

    Raises:
        BadSelection: this text has no such token, or it is written differently.
    """
    entropy, strongest, weight = token_in_heads(att, token, received)
    table = _table(att, entropy=entropy, strongest=strongest, weight=weight)
    table["strongest"] = table["strongest"].where(table["strongest"] >= 0).astype("Int64")
    return _sort(table, "entropy", ascending=True)


def heads_of(att: Attention) -> tuple[int, ...]:
    """Return the number of heads of each layer."""
    return tuple(att.heads_in(layer) for layer in range(att.n_layers))


def pair_in_heads(
    att: Attention, query: int, key: int, received: Received | None = None
) -> tuple[Float[np.ndarray, "layer head"], Float[np.ndarray, "layer head"], Float[np.ndarray, "layer head"]]:
    """Return weight, others and ratio of `heads_for_pair`, NaN for heads that a layer lacks.

    Raises:
        BadSelection: this text has no such query or key.
    """
    check_pair(att, query, key)
    received = received or Received.empty(att, range(key, key + 1)).fill(att)
    weights = np.full((att.n_layers, att.n_heads), np.nan, np.float32)
    allowed = np.zeros(weights.shape, np.bool_)
    for layer, n_heads in enumerate(heads_of(att)):
        weights[layer, :n_heads] = att.layer(layer, [query], [key])[:, 0, 0]
        allowed[layer, :n_heads] = [att.mask(layer, head, [query], [key])[0, 0] for head in range(n_heads)]
    others = received.others(query, key, weights, allowed)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = weights / others
    return weights, others, ratios


def average_pairs(
    pairs: Sequence[tuple[Attention, int, int]], received: Sequence[Received] | None = None
) -> dict[str, Float[np.ndarray, "layer head"]]:
    """Return the figures of `heads_for_pairs` by column, NaN for heads that a layer lacks.

    Raises:
        BadSelection: a text has no such query or key.
    """
    sums: Sequence[Received | None] = received or [None] * len(pairs)
    found = [pair_in_heads(*pair, known) for pair, known in zip(pairs, sums, strict=True)]
    weights, ratios = (np.stack([each[part] for each in found]).astype(np.float64) for part in (0, 2))
    return {
        "weight_mean": weights.mean(0),
        "weight_minimum": weights.min(0),
        "ratio_mean": ratios.mean(0),
        "ratio_minimum": ratios.min(0),
    }


def token_in_heads(
    att: Attention, token: TokenRef | str, received: Received | None = None
) -> tuple[Float[np.ndarray, "layer head"], Int[np.ndarray, "layer head"], Float[np.ndarray, "layer head"]]:
    """Return entropy, strongest partner (-1 where there is none) and its weight, as `heads_for_token` does.

    Raises:
        BadSelection: this text has no such token, or it is written differently.
    """
    token = TokenRef.parse(token) if isinstance(token, str) else token
    check_position(att, token.side, token.position)
    if token.side == "query":
        return _rows_of_query(att, token.position)
    key = token.position
    received = received or Received.empty(att, range(key, key + 1)).fill(att)
    largest, giver = received.largest[..., key - received.keys.start], received.giver[..., key - received.keys.start]
    there = np.isfinite(largest)
    return received.entropy(key), np.where(there, giver, -1), np.where(there, largest, np.float32(np.nan))


def check_pair(att: Attention, query: int, key: int) -> None:
    """Check the positions of a pair.

    Raises:
        BadSelection: this text has no such query or key.
    """
    for side, position in zip(SIDES, (query, key), strict=True):
        check_position(att, side, position)


def check_position(att: Attention, side: str, position: int) -> None:
    """Check a position of a side.

    Raises:
        BadSelection: this text has no such position.
    """
    count = att.n_query if side == "query" else att.n_key
    if not 0 <= position < count:
        raise BadSelection(f"There is no {side} {position}: this text has {side} tokens 0 to {count - 1}.")


def _rows_of_query(
    att: Attention, query: int
) -> tuple[Float[np.ndarray, "layer head"], Int[np.ndarray, "layer head"], Float[np.ndarray, "layer head"]]:
    entropy = np.full((att.n_layers, att.n_heads), np.nan)
    strongest = np.full(entropy.shape, -1, np.int32)
    weight = np.full(entropy.shape, np.nan, np.float32)
    for layer, n_heads in enumerate(heads_of(att)):
        rows = att.layer(layer, [query])[:, 0]
        allowed: Bool[np.ndarray, "head key"] = np.stack([att.mask(layer, h, [query])[0] for h in range(n_heads)])
        finite = allowed & np.isfinite(rows)
        exact = np.where(finite, rows, 0).astype(np.float64)
        # A row of a map that is not normalised is no distribution: its shares are.
        total = exact.sum(1, keepdims=True)
        shares = exact / np.where(total > LARGEST_SUM, total, 1)
        bits = -(shares * np.log2(shares, where=shares > 0, out=np.zeros_like(shares))).sum(1)
        whole = (finite == allowed).all(1) & (exact.sum(1) > 0)
        entropy[layer, :n_heads] = np.where(whole, np.maximum(bits, 0), np.nan)
        ranks = np.where(finite, rows, np.float32(-np.inf))
        there = finite.any(1)
        strongest[layer, :n_heads] = np.where(there, ranks.argmax(1), -1)
        weight[layer, :n_heads] = np.where(there, ranks.max(1), np.float32(np.nan))
    return entropy, strongest, weight


def _table(att: Attention, **columns: np.ndarray) -> pd.DataFrame:
    """Return one row for each head that there is, of figures `[layer, head]`."""
    layer, head = (np.array(numbers) for numbers in zip(*_all_heads(att), strict=True))
    return pd.DataFrame({"layer": layer, "head": head, **{name: grid[layer, head] for name, grid in columns.items()}})


def _all_heads(att: Attention) -> list[tuple[int, int]]:
    return [(layer, head) for layer, n_heads in enumerate(heads_of(att)) for head in range(n_heads)]


def _sort(table: pd.DataFrame, column: str, *, ascending: bool) -> pd.DataFrame:
    """Sort by a column, NaN last; equal values in the order of layer, then head."""
    return table.sort_values([column, "layer", "head"], ascending=[ascending, True, True], ignore_index=True)
