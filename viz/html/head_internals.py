"""Pictures of the inside of one head: the dimensions that make a score, the softmax of a row, the weighted values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.capture.head_internals import HeadInternals
from models.tokens import Token
from viz.html.matrices import Column, Matrix, equation, number, symbol, table
from viz.labels import label

# Dimensions and keys that are listed one by one. The others are added up in one row.
MAX_DIMENSIONS, MAX_MIXED, MAX_KEYS = 6, 5, 256


@dataclass(frozen=True)
class Pair:
    """The query and the key whose score is explained."""

    query: int
    key: int


def name_token(tokens: tuple[Token, ...], position: int) -> str:
    """Return a token's text and its position, which distinguishes equal tokens."""
    return f"{label(tokens[position])} ({position})"


def products(head: HeadInternals, pair: Pair) -> str:
    """Return HTML: q and k of the pair and their products as strips, one cell for each dimension."""
    q, k = head.q[pair.query], head.k[pair.key]
    rows = (f"q of {label(head.query_tokens[pair.query])}", f"k of {label(head.key_tokens[pair.key])}", "q × k")
    columns = [str(dimension) for dimension in range(len(q))]
    strips = np.stack([q, k, q * k]).astype(np.float64)
    return equation(Matrix("q_i · k_j", strips, rows, columns, ("", "d_k"), "rows", digits=False))


def dimensions(head: HeadInternals, pair: Pair) -> str:
    """Return a table: the dimensions with the largest products, the sum of the others as one row, then the score."""
    q, k = (side.astype(np.float64) for side in (head.q[pair.query], head.k[pair.key]))
    product = q * k
    order = np.argsort(-np.abs(product), kind="stable")
    first, rest = order[:MAX_DIMENSIONS], order[MAX_DIMENSIONS:]
    names = [f"dimension {index}" for index in first]
    columns: list[list[float | str]] = [[float(values[index]) for index in first] for values in (q, k, product)]
    for name, total in ((f"{len(rest)} others", product[rest].sum()), ("score", product.sum())):
        names.append(name)
        # As text, without a bar: the bars of the products would be too short beside that of a sum.
        for column, written in zip(columns, ("", "", number(float(total), 3)), strict=True):
            column.append(written)
    most = float(np.abs(product).max()) or 1.0
    return table(
        names,
        [
            Column(symbol("q"), columns[0], decimals=3),
            Column(symbol("k"), columns[1], decimals=3),
            Column(symbol("q × k"), columns[2], bar=most, decimals=3),
        ],
        corner="dimension",
        chosen=len(names) - 1,
    )


def row(head: HeadInternals, pair: Pair) -> str:
    """Return a table: the softmax of the query's row over the keys, and the length of the value of each key."""
    i, keys = pair.query, shown_keys(head, pair)
    logits = head.logits[i].astype(np.float64)
    top = max(float(logits.max()), -np.inf if head.sink is None else head.sink)
    lengths = np.linalg.norm(head.v.astype(np.float64), axis=-1)
    moved = head.weights[i] * lengths
    columns = [Column("score", head.scores[i, keys], decimals=3), Column("scaled", head.scaled[i, keys], decimals=3)]
    if head.bias is not None:
        columns.append(Column("bias", head.bias[i, keys], decimals=3))
    if head.softcap is not None or head.bias is not None or not head.mask[i].all():
        columns.append(Column("softmax of", logits[keys], decimals=3))
    columns += [
        Column(f"{symbol('e^z')} / largest", np.exp(logits[keys] - top), decimals=4),
        Column("weight", head.weights[i, keys], bar=1.0),
        Column("length of v", lengths[keys], decimals=3),
        Column("weight × length", moved[keys], bar=float(moved.max()) or 1.0, decimals=3),
    ]
    names = [name_token(head.key_tokens, key) for key in keys]
    return table(names, columns, corner="key", chosen=keys.index(pair.key) if pair.key in keys else None)


def shown_keys(head: HeadInternals, pair: Pair) -> list[int]:
    """Return the keys that are listed, in their order: all, or the `MAX_KEYS` strongest and the key of the pair."""
    n_keys = len(head.key_tokens)
    if n_keys <= MAX_KEYS:
        return list(range(n_keys))
    strongest = np.argsort(-head.weights[pair.query], kind="stable")[:MAX_KEYS]
    return sorted({*strongest.tolist(), pair.key})


def mixture(head: HeadInternals, pair: Pair) -> str:
    """Return HTML: the weighted values and their sum, the head's output, as strips on one scale."""
    weights, v = head.weights[pair.query].astype(np.float64), head.v.astype(np.float64)
    parts = weights[:, None] * v
    order = np.argsort(-np.linalg.norm(parts, axis=-1), kind="stable")
    first, rest = order[:MAX_MIXED], order[MAX_MIXED:]
    names = [f"{weights[key]:.3f} × v of {label(head.key_tokens[key])}" for key in first]
    strips = [parts[key] for key in first]
    if len(rest):
        names.append(f"{len(rest)} other keys")
        strips.append(parts[rest].sum(0))
    names.append("sum: output")
    strips.append(parts.sum(0))
    columns = [str(dimension) for dimension in range(v.shape[1])]
    picture = Matrix("o_i", np.stack(strips), names, columns, ("", "d_v"), digits=False, row=len(names) - 1)
    return equation(picture)
