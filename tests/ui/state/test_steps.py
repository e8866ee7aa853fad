"""The choices of "Step by step": matrices and words, those of the example or edited ones."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis.steps_examples import EXAMPLES
from tests.helpers.paths import golden
from ui.state import link
from ui.state.kinds import write_matrix
from ui.state.steps import TEMPERATURES, StepsChoice, matrices_of, words_of

# Every value differs from its default.
CHOICE = StepsChoice(
    part="head",
    example="rows",
    words="one|two",
    x="1,2,3,4,5;6,7,8,9,-10.25",
    w_q=write_matrix(2 * np.eye(5)),
    w_k=write_matrix(3 * np.eye(5)),
    w_v=write_matrix(4 * np.eye(5)),
    w_o=write_matrix(5 * np.eye(5)),
    scaling=False,
    temperature=32.0,
    causal=True,
    heads=2,
    query=1,
    key=0,
    of_head=1,
    model="some/model",
    revision="v1.2",
    text="Birds sing & dance = 100% #1?",
    target="ziel",
    kind="cross",
    layer=3,
    head=7,
    query_token=1,
    key_token=3,
)


def test_a_link_restores_every_choice():
    assert link.parse(StepsChoice, link.format(CHOICE)) == (CHOICE, [])
    assert set(link.format(CHOICE)) == set(link.names(StepsChoice))
    assert link.format(StepsChoice()) == {}


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=5), min_size=2, max_size=2),
    st.sampled_from(TEMPERATURES),
)
def test_any_matrix_survives_its_link(rows, temperature):
    choice = StepsChoice(example="rows", x=write_matrix(np.array(rows)), temperature=temperature)
    again, notices = link.parse(StepsChoice, link.format(choice))
    assert notices == []
    assert again == choice
    np.testing.assert_array_equal(matrices_of(again).x, rows)


@given(st.dictionaries(st.sampled_from(link.names(StepsChoice)), st.text(max_size=60)))
def test_any_link_gives_words_and_matrices_of_one_size(parameters):
    choice, _ = link.parse(StepsChoice, parameters)
    assert matrices_of(choice).x.shape[0] == len(words_of(choice))


def test_the_examples_are_the_golden_figures():
    figures = golden("three_words")
    for name in ("x", "w_q", "w_k", "w_v"):
        np.testing.assert_array_equal(EXAMPLES["words"].matrices[name], np.array(figures[name]))
    assert list(EXAMPLES["words"].words) == figures["tokens"]
