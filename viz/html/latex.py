"""One score, one softmax and one output computed in numbers, as LaTeX. The input is numbers, never a visitor's text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from viz.html.matrices import number

# A longer sum is shortened to its first terms and the last one.
MOST_TERMS = 6
# The sum below a fraction cannot be broken, and has to fit on a phone.
MOST_DIVISORS = 4
# Above this, the largest score is subtracted first (as the softmax does), so that e^x fits on a line.
LARGEST_EXPONENT = 20.0


def tex(value: float, decimals: int = 4) -> str:
    """Return a number as LaTeX, very large and small ones as a power: `1.2 \\cdot 10^{-9}`."""
    written = number(value, decimals).replace("−", "-").replace("∞", r"\infty")
    digits, power, exponent = written.partition("e")
    if power:
        return rf"{digits} \cdot 10^{{{exponent}}}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _sum(terms: Sequence[str], most: int = MOST_TERMS) -> str:
    if len(terms) > most:
        terms = [*terms[: most - 1], r"\cdots", terms[-1]]
    return " + ".join(terms)


def score(
    i: int, j: int, q: Float[np.ndarray, " d_head"], k: Float[np.ndarray, " d_head"], *, most: int = MOST_TERMS
) -> str:
    """Return q_i k_j as the sum of the products of their elements, with at most `most` terms."""
    terms = [f"{_signed(a)} \\cdot {_signed(b)}" for a, b in zip(q, k, strict=True)]
    return rf"s_{{{i},{j}}} = q_{{{i}}} \cdot k_{{{j}}} = {_sum(terms, most)} = {tex(float(q @ k))}"


def _signed(value: float) -> str:
    return f"({tex(float(value))})" if value < 0 else tex(float(value))


def scaled(i: int, j: int, value: float, d_head: int, *, scaling: float | bool = True) -> str:
    """Return z, the scaled score.

    `scaling` True divides by sqrt(d_head), False or 1 changes nothing, and another number is the factor of the score.
    """
    if scaling is False or (scaling == 1.0 and scaling is not True):
        return rf"z_{{{i},{j}}} = s_{{{i},{j}}} = {tex(value)}"
    if scaling is not True and abs(scaling * d_head**0.5 - 1) > 1e-6:
        factor = tex(float(scaling))
        return rf"z_{{{i},{j}}} = {factor} \, s_{{{i},{j}}} = {factor} \cdot {tex(value)} = {tex(scaling * value)}"
    return (
        rf"z_{{{i},{j}}} = \frac{{s_{{{i},{j}}}}}{{\sqrt{{d_k}}}} = \frac{{{tex(value)}}}{{\sqrt{{{d_head}}}}}"
        rf" = {tex(value / d_head**0.5)}"
    )


def softmax(
    i: int, j: int, row: Float[np.ndarray, " key"], temperature: float = 1.0, *, sink: float | None = None
) -> str:
    """Return the softmax of a row at one key, as a fraction of exponentials in numbers, without the masked keys.

    `row` is the input of the softmax, minus infinity at masked keys. A `sink` is an additional term of the sum.
    """
    if np.isneginf(row[j]):
        return rf"a_{{{i},{j}}} = 0 \quad \text{{masked: }} e^{{-\infty}} = 0"
    arguments = np.append(row, [] if sink is None else [sink]) / temperature
    divided = "" if temperature == 1 else "/T"
    largest = float(arguments.max())
    shift = largest if np.abs(arguments[np.isfinite(arguments)]).max() > LARGEST_EXPONENT else 0.0
    finite = [float(value) - shift for value in arguments if np.isfinite(value)]
    powers, chosen = [f"e^{{{tex(value)}}}" for value in finite], float(arguments[j]) - shift
    values = [tex(float(np.exp(value))) for value in finite]
    total = float(np.exp(finite).sum())
    over = rf"\sum_{{j'}} e^{{z_{{{i},j'}}{divided}}}"
    fraction = rf"\frac{{e^{{{tex(chosen)}}}}}{{{_sum(powers, MOST_DIVISORS)}}}"
    worked = rf"\frac{{{tex(float(np.exp(chosen)))}}}{{{_sum(values, MOST_DIVISORS)}}}"
    defined = rf"\frac{{e^{{z_{{{i},{j}}}{divided}}}}}{{{over}}}"
    return rf"a_{{{i},{j}}} = {defined} = {fraction} = {worked} = {tex(float(np.exp(chosen)) / total)}"


def output(i: int, weights: Float[np.ndarray, " key"], v: Float[np.ndarray, "key d_value"]) -> str:
    """Return the output of a query as the weighted sum of the rows of v."""
    terms = [rf"{tex(float(weight))} \, {_vector(row)}" for weight, row in zip(weights, v, strict=True)]
    done = _vector(weights @ v)
    return rf"o_{{{i}}} = \sum_j a_{{{i},j}} \, v_j = {_sum(terms)} = {done}"


def _vector(values: Float[np.ndarray, " d_value"]) -> str:
    written = [tex(float(value), 3) for value in values]
    if len(written) > MOST_TERMS:
        written = [*written[: MOST_TERMS - 2], r"\dots", written[-1]]
    return r"\begin{pmatrix} " + " & ".join(written) + r" \end{pmatrix}"
