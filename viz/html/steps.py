"""The steps of attention as lines of matrices, in the order of the equation. The chosen query and key are outlined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.steps import Matrices, Options, Steps, entropy_bits
from viz.html.matrices import Column, Matrix, equation, symbol, table

TIMES, EQUALS, ARROW = "×", "=", "→"


@dataclass(frozen=True)
class Chosen:
    """The query, the key and the head whose numbers are written out."""

    query: int
    key: int
    head: int = 0


def projections(matrices: Matrices, steps: Steps, words: Sequence[str], chosen: Chosen) -> dict[str, str]:
    """Return the lines x W = Q, K and V by their names. With several heads, the column labels name the head."""
    x = Matrix("x", matrices.x, words, _numbers(matrices.x), ("word", "d_model"))
    lines = {}
    for name, weights, projected, row in (
        ("Q", matrices.w_q, steps.q, chosen.query),
        ("K", matrices.w_k, steps.k, chosen.key),
        ("V", matrices.w_v, steps.v, None),
    ):
        columns = _of_heads(projected)
        w = Matrix(
            f"W_{name.lower()}", weights, _numbers(matrices.x), columns, ("d_model", "d_k" if name != "V" else "d_v")
        )
        whole = projected.transpose(1, 0, 2).reshape(len(words), -1)
        result = Matrix(name, whole, words, columns, ("word", w.axes[1]), row=row)
        lines[name] = equation(x, TIMES, w, EQUALS, result)
    return lines


def scores(steps: Steps, words: Sequence[str], chosen: Chosen, head: int, options: Options) -> str:
    """Return Q K^T = S of one head, then scaled, masked and after the softmax, in one line."""
    axes = ("query", "key")
    row, column = (chosen.query, chosen.key) if head == chosen.head else (None, None)
    several = len(steps.q) > 1
    q = _matrix(steps.q[head], "Q", head, several, words, ("query", "d_k"), row=row)
    k = _matrix(steps.k[head], "K", head, several, words, ("key", "d_k"), row=column).transposed()
    terms: list[Matrix | str] = [q, TIMES, k, EQUALS]
    terms.append(Matrix(_named("S", head, several), steps.scores[head], words, words, axes, row=row, column=column))
    if options.scaling:
        d_head = steps.q.shape[2]
        terms.append(f"÷ √{d_head}<small>√d<sub>k</sub> = {steps.divisor:.4g}</small>")
        terms.append(Matrix(_named("Z", head, several), steps.scaled[head], words, words, axes, row=row, column=column))
    if options.causal:
        terms.append(f"{ARROW}<small>mask</small>")
        terms.append(Matrix(_named("M", head, several), steps.masked[head], words, words, axes, row=row, column=column))
    warm = "" if options.temperature == 1 else f"<small>T = {options.temperature:g}</small>"
    terms.append(f"{ARROW}<small>softmax<br>of each row</small>{warm}")
    terms.append(_weights(steps, words, head, row, column))
    return equation(*terms)


def mixing(steps: Steps, words: Sequence[str], chosen: Chosen, head: int) -> str:
    """Return A V = O of one head."""
    several = len(steps.q) > 1
    row = chosen.query if head == chosen.head else None
    v = _matrix(steps.v[head], "V", head, several, words, ("key", "d_v"))
    mixed = _matrix(steps.mixed[head], "O", head, several, words, ("query", "d_v"), row=row)
    return equation(_weights(steps, words, head, row), TIMES, v, EQUALS, mixed)


def joining(matrices: Matrices, steps: Steps, words: Sequence[str], chosen: Chosen) -> str:
    """Return the heads side by side times W_o."""
    assert matrices.w_o is not None
    columns = _of_heads(steps.mixed)
    joined = Matrix("concat", steps.joined, words, columns, ("query", "d_v"), row=chosen.query)
    w_o = Matrix("W_o", matrices.w_o, columns, _numbers(matrices.w_o), ("d_v", "d_model"))
    output = Matrix("output", steps.output, words, _numbers(matrices.w_o), ("query", "d_model"), row=chosen.query)
    return equation(joined, TIMES, w_o, EQUALS, output)


def product(steps: Steps, words: Sequence[str], chosen: Chosen) -> str:
    """Return q and k of the chosen pair with their products below, element by element."""
    q, k = steps.q[chosen.head, chosen.query], steps.k[chosen.head, chosen.key]
    names = (f"q of {words[chosen.query]}", f"k of {words[chosen.key]}", "q × k")
    return equation(Matrix("q_i · k_j", np.stack([q, k, q * k]), names, [str(index) for index in range(len(q))]))


def spread(steps: Steps, words: Sequence[str], head: int, chosen: Chosen) -> str:
    """Return a table of the spread of each row of weights: its entropy in bits and its largest weight."""
    bits, largest = entropy_bits(steps.weights[head]), steps.weights[head].max(-1)
    most = float(np.log2(len(words))) or 1.0
    columns = [Column("entropy (bits)", bits, bar=most), Column("largest weight", largest, bar=1.0)]
    return table(words, columns, corner="query", chosen=chosen.query if head == chosen.head else None)


def _weights(steps: Steps, words: Sequence[str], head: int, row: int | None, column: int | None = None) -> Matrix:
    several = len(steps.q) > 1
    name, axes = _named("A", head, several), ("query", "key")
    return Matrix(
        name,
        steps.weights[head],
        words,
        words,
        axes,
        "weights",
        row,
        column,
        decimals=4,
        hidden=np.isneginf(steps.masked[head]),
    )


def _matrix(
    values: np.ndarray,
    name: str,
    head: int,
    several: bool,
    words: Sequence[str],
    axes: tuple[str, str],
    row: int | None = None,
) -> Matrix:
    columns = [str(index) for index in range(values.shape[1])]
    return Matrix(_named(name, head, several), values, words, columns, axes, row=row)


def _named(name: str, head: int, several: bool) -> str:
    return f"{name}_{head}" if several else name


def _numbers(values: np.ndarray) -> list[str]:
    return [str(index) for index in range(values.shape[1])]


def _of_heads(projected: np.ndarray) -> list[str]:
    """Return the labels of the columns of all heads side by side: `h1 0` is head 1, column 0."""
    n_heads, _, width = projected.shape
    if n_heads == 1:
        return [str(index) for index in range(width)]
    return [f"h{head} {index}" for head in range(n_heads) for index in range(width)]


def legend() -> str:
    """Return the legend of the colours."""
    return (
        '<p class="legend"><i class="more"></i> above 0 <i class="less"></i> below 0 '
        '<i class="chosen"></i> chosen <i class="off"></i> masked: '
        f"the strongest colour is the largest number of each matrix, and 1 in {symbol('A')}</p>"
    )
