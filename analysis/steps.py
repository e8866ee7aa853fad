"""Attention step by step: every intermediate of Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V.

The equation is (1) of Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1 (arXiv:1706.03762). Section 3.2.2
describes several heads. Rows are positions, as in the paper: q = x W_q, whereas torch's `nn.Linear` stores W_q^T. All
numbers are float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float

from models.errors import BadMatrix

# Products of such numbers stay far below the largest float64, and the numbers are still readable in a cell.
LARGEST = 1e6


@dataclass(frozen=True)
class Matrices:
    """The matrices that attention is computed from: the rows of `x` are positions, `w_o` mixes the heads' outputs."""

    x: Float[np.ndarray, "position d_model"]
    w_q: Float[np.ndarray, "d_model d_q"]
    w_k: Float[np.ndarray, "d_model d_q"]
    w_v: Float[np.ndarray, "d_model d_value"]
    w_o: Float[np.ndarray, "d_value d_out"] | None = None


@dataclass(frozen=True)
class Options:
    """How attention is computed: `temperature` divides the scores before the softmax, `causal` hides later keys."""

    n_heads: int = 1
    scaling: bool = True
    temperature: float = 1.0
    causal: bool = False


@dataclass(frozen=True)
class Steps:
    """Every intermediate, in the order of the computation; read-only.

    - `scores` = q k^T
    - `scaled` = scores / sqrt(d_head) if scaling is on, else the scores
    - `masked` = scaled, and minus infinity where the query may not attend to the key
    - `weights` = softmax(masked / temperature)
    - `mixed` = weights v
    - `joined` = the mixed values of all heads side by side
    - `output` = joined W_o, or `joined` if there is no W_o
    """

    q: Float[np.ndarray, "head query d_head"]
    k: Float[np.ndarray, "head key d_head"]
    v: Float[np.ndarray, "head key d_value"]
    scores: Float[np.ndarray, "head query key"]
    scaled: Float[np.ndarray, "head query key"]
    masked: Float[np.ndarray, "head query key"]
    weights: Float[np.ndarray, "head query key"]
    mixed: Float[np.ndarray, "head query d_value"]
    joined: Float[np.ndarray, "query d_joined"]
    output: Float[np.ndarray, "query d_out"]

    def __post_init__(self) -> None:
        for field in fields(self):
            getattr(self, field.name).flags.writeable = False

    @property
    def divisor(self) -> float:
        """sqrt(d_head), the number that scaling divides by."""
        return float(self.q.shape[2]) ** 0.5


def attention_steps(matrices: Matrices, options: Options | None = None) -> Steps:
    """Return every intermediate of multi-head self-attention.

    Head `h` has columns `h d_head` to `(h + 1) d_head` of q, k and v.

    Raises:
        BadMatrix: a value is NaN or too large, shapes do not fit, or the heads cannot share the columns equally.
    """
    options = options or Options()
    _check(matrices, options)
    q, k, v = (_heads(matrices.x @ each, options.n_heads) for each in (matrices.w_q, matrices.w_k, matrices.w_v))
    scores = q @ k.transpose(0, 2, 1)
    scaled = scores / q.shape[2] ** 0.5 if options.scaling else scores.copy()
    later = np.triu(np.ones(scores.shape[1:], dtype=bool), 1)
    masked = np.where(later, -np.inf, scaled) if options.causal else scaled.copy()
    weights = softmax(masked, options.temperature)
    mixed = weights @ v
    joined = mixed.transpose(1, 0, 2).reshape(len(matrices.x), -1)
    output = joined.copy() if matrices.w_o is None else joined @ matrices.w_o
    return Steps(q, k, v, scores, scaled, masked, weights, mixed, joined, output)


def _heads(values: np.ndarray, n_heads: int) -> np.ndarray:
    """Return `[position, n_heads d_head]` as `[head, position, d_head]`."""
    return np.ascontiguousarray(values.reshape(len(values), n_heads, -1).transpose(1, 0, 2))


def softmax(scores: Float[np.ndarray, "*rows key"], temperature: float = 1.0) -> Float[np.ndarray, "*rows key"]:
    """Return softmax(scores / temperature) over the last axis.

    The largest score of a row is subtracted first. That does not change the result, and e^x cannot overflow. At least
    one score of each row has to be finite.
    """
    with np.errstate(over="ignore"):  # near temperature 0, all but the largest become -inf: weight 0
        exponentials = np.exp((scores - scores.max(-1, keepdims=True)) / temperature)
    return exponentials / exponentials.sum(-1, keepdims=True)


def entropy_bits(weights: Float[np.ndarray, "*rows key"]) -> Float[np.ndarray, "*rows"]:
    """Return the entropy of each row in bits: 0 if one key has all weight, log2(n_key) if all keys have the same."""
    logarithm = np.log2(weights, where=weights > 0, out=np.zeros_like(weights))
    return np.abs((weights * logarithm).sum(-1))  # abs: the page would show -0 as "-0"


def check_matrix(name: str, values: np.ndarray) -> Float[np.ndarray, "row column"]:
    """Return a matrix as float64, after a check of its numbers.

    Raises:
        BadMatrix: a number is missing, not finite or too large, in one sentence that says where.
    """
    matrix = np.array(values, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size:
        raise BadMatrix(f"{name} has to be a matrix of at least one row and one column, not of shape {matrix.shape}.")
    bad = ~(np.abs(matrix) <= LARGEST)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        value = matrix[row, column]
        what = "no number" if np.isnan(value) else f"{value:g}"
        raise BadMatrix(
            f"{name} has {what} in row {row}, column {column}: put a number from -1,000,000 to 1,000,000 there."
        )
    return matrix


def _check(matrices: Matrices, options: Options) -> None:
    width = matrices.x.shape[1]
    for name, matrix in (("x", matrices.x), ("W_q", matrices.w_q), ("W_k", matrices.w_k), ("W_v", matrices.w_v)):
        check_matrix(name, matrix)
        if name != "x" and len(matrix) != width:
            raise BadMatrix(f"{name} has {len(matrix)} rows, and x has {width} columns: make them equal.")
    if matrices.w_q.shape != matrices.w_k.shape:
        raise BadMatrix(
            f"W_q has {matrices.w_q.shape[1]} columns and W_k {matrices.w_k.shape[1]}: a query and a key "
            "are multiplied element by element, so make them equal."
        )
    if matrices.w_o is not None and len(check_matrix("W_o", matrices.w_o)) != matrices.w_v.shape[1]:
        raise BadMatrix(f"W_o has {len(matrices.w_o)} rows, and W_v {matrices.w_v.shape[1]} columns: make them equal.")
    for name, matrix in (("W_q", matrices.w_q), ("W_v", matrices.w_v)):
        if options.n_heads < 1 or matrix.shape[1] % options.n_heads:
            raise BadMatrix(
                f"{name} has {matrix.shape[1]} columns, which {options.n_heads} heads cannot share equally: "
                "choose another number of heads."
            )
    if not 0 < options.temperature < np.inf:
        raise BadMatrix(f"A temperature is a number above 0, not {options.temperature:g}.")


def measure_saturation(
    widths: Sequence[int] = (4, 16, 64, 256), *, n_key: int = 8, n_draw: int = 2000, seed: int = 0
) -> list[tuple[int, float, float, float, float]]:
    """Return how the softmax saturates as vectors get longer, without and with scaling.

    A row for each width d: d, then the mean entropy in bits and the mean largest weight without scaling, then both with
    scaling. Queries and keys are random with variance 1, so that a score has variance d (footnote 4 of the paper).
    """
    generator = np.random.default_rng(seed)
    rows = []
    for width in widths:
        q, k = generator.normal(size=(n_draw, 1, width)), generator.normal(size=(n_draw, n_key, width))
        scores = (q * k).sum(-1)
        figures = []
        for weights in (softmax(scores), softmax(scores / width**0.5)):
            figures += [float(entropy_bits(weights).mean()), float(weights.max(-1).mean())]
        rows.append((width, figures[0], figures[1], figures[2], figures[3]))
    return rows
