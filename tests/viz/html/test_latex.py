"""What is worked out in LaTeX is right: the numbers of a formula are read back and give what it says."""

import re

import numpy as np
import pytest

from viz.html import latex as working


def result(formula: str) -> float:
    return float(formula.rsplit("=", 1)[1])


def test_a_score_is_its_products():
    q, k = np.array([0.5, -2.0, 3.0]), np.array([4.0, 1.5, 0.25])
    formula = working.score(1, 2, q, k)
    assert formula == (r"s_{1,2} = q_{1} \cdot k_{2} = 0.5 \cdot 4 + (-2) \cdot 1.5 + 3 \cdot 0.25 = -0.25")


def test_a_long_score_leaves_the_middle_out():
    formula = working.score(0, 1, np.arange(1.0, 8.0), np.ones(7), most=3)
    assert r"1 \cdot 1 + 2 \cdot 1 + \cdots + 7 \cdot 1 = 28" in formula


@pytest.mark.parametrize(
    ("scaling", "written"),
    [
        (True, r"\frac{6}{\sqrt{16}} = 1.5"),
        (0.25, r"\frac{6}{\sqrt{16}} = 1.5"),
        (False, "z_{3,5} = s_{3,5} = 6"),
        (1.0, "z_{3,5} = s_{3,5} = 6"),
        (0.1, r"0.1 \, s_{3,5} = 0.1 \cdot 6 = 0.6"),
    ],
)
def test_scaling_is_written_as_it_is(scaling, written):
    assert working.scaled(3, 5, 6.0, 16, scaling=scaling).endswith(written)


@pytest.mark.parametrize(
    ("row", "temperature", "sink"),
    [
        ([0.6442, 0.532, 0.726], 1.0, None),
        ([55.0, 130.0], 1.0, None),
        ([0.5, -0.25, 1.0], 0.5, None),
        ([0.5, -np.inf, 1.0], 1.0, None),
        ([0.5, 2.0], 1.0, 1.25),
    ],
)
def test_a_softmax_is_its_fraction(row, temperature, sink):
    scores = np.array(row)
    formula = working.softmax(0, 0, scores, temperature, sink=sink)
    terms = np.exp((np.append(scores, [] if sink is None else [sink]) - scores.max()) / temperature)
    weight = terms[0] / terms.sum()
    if weight > 1e-4:
        assert result(formula) == pytest.approx(weight, abs=6e-5)
    else:
        assert formula.endswith(r"= 2.7 \cdot 10^{-33}")
    # Read back from the last fraction: numerator over the sum of what is written.
    above, below = re.findall(r"\\frac\{([^{}]*(?:10\^\{[^}]*\})?)\}\{(.*?)\} = ", formula)[-1]
    if r"\cdot" not in formula:
        assert float(above) / sum(map(float, below.split(" + "))) == pytest.approx(weight, abs=1e-4)
    assert ("/T" in formula) == (temperature != 1)


def test_a_masked_key_has_no_fraction():
    assert working.softmax(0, 1, np.array([1.0, -np.inf])).startswith("a_{0,1} = 0")


def test_an_output_is_a_sum_of_values():
    formula = working.output(2, np.array([0.25, 0.75]), np.array([[1.0, 2.0, -4.0], [0.0, 4.0, 8.0]]))
    assert r"0.25 \, \begin{pmatrix} 1 & 2 & -4 \end{pmatrix}" in formula
    assert formula.endswith(r"= \begin{pmatrix} 0.25 & 3.5 & 5 \end{pmatrix}")


def test_long_vectors_leave_their_middle_out():
    formula = working.output(0, np.array([1.0]), np.arange(7.0)[None])
    assert r"\begin{pmatrix} 0 & 1 & 2 & 3 & \dots & 6 \end{pmatrix}" in formula


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0"), (1.0, "1"), (-0.5, "-0.5"), (1.5e-7, r"1.5 \cdot 10^{-7}"), (1e6, r"1.0 \cdot 10^{6}")],
)
def test_numbers_in_latex(value, written):
    assert working.tex(value) == written
