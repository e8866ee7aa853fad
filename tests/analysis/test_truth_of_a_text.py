"""Where the right answer stands: the mask on a trace, and every reason for which there is none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from analysis.truth import Truth, truth_of, truth_of_tokens
from models import Attention, Model, load_model
from models.scratch.tasks import TASKS
from models.tokens import Token

pytestmark = pytest.mark.slow

WAVE = "50 80 65 30 20 " * 4


@cache
def shipped(task: str) -> Model:
    return load_model(f"scratch:{task}")


def traced(task: str, text: str, **given: object) -> Attention:
    """The attention that a task's truth is about."""
    return shipped(task).trace(text, **given)[TASKS[task].kind]


def pairs(att: Attention) -> list[tuple[int, int]]:
    """All (query, key) of a truth."""
    assert truth_of(att) is not None
    return [(query, key) for query, key in np.argwhere(truth_of(att).mask).tolist()]


def tokens(task: str, text: str, *, start: bool = True, end: bool = True) -> tuple[Token, ...]:
    """Tokens as the model of a task reads them, with the special ones around them."""
    pieces = [(piece, False) for piece in TASKS[task].pieces(text)]
    framed = [*[("[START]", True)] * start, *pieces, *[("[END]", True)] * end]
    return tuple(Token(piece, 7, None, None, special, piece) for piece, special in framed)


def test_an_encoders_truth_counts_positions_with_the_special_tokens():
    att = traced("brackets", "([]{()})")
    assert [att.key_tokens[0].text, att.key_tokens[9].text] == ["[START]", "[END]"]
    assert pairs(att) == [(1, 8), (2, 3), (3, 2), (4, 7), (5, 6), (6, 5), (7, 4), (8, 1)]
    assert truth_of(att).n_asked == 8
    assert truth_of(att).task is TASKS["brackets"]
    assert not truth_of(att).mask[[0, 9]].any()
    assert not truth_of(att).mask[:, [0, 9]].any()


def test_a_text_is_solved_as_the_tokenizer_reads_it():
    assert pairs(traced("brackets", " ( [ ]\n) ")) == [(1, 4), (2, 3), (3, 2), (4, 1)]
    assert pairs(traced("agreement", "The KEYS to the cabinet ___ old")) == [(6, 2)]
    assert pairs(traced("dates", "3. MÄRZ 1998")) == pairs(traced("dates", "3. ma\u0308rz 1998"))


def test_a_causal_truth_lies_in_the_past():
    att = traced("recall", "a 3 b 7 c 1 b 7 a 3")
    assert pairs(att) == [(7, 4), (9, 2)]
    assert [token.text for token in att.key_tokens if token.special] == ["[START]"]
    wave = traced("series", WAVE)
    assert not np.triu(truth_of(wave).mask, 1).any()
    # From position 20 the next is the first phase again: the period is five.
    assert np.flatnonzero(truth_of(wave).mask[20]).tolist() == [1, 6, 11, 16]


def test_a_crossed_truth_has_other_queries_than_keys():
    att = traced("dates", "3. märz 1998", target="1998-03-03")
    assert (att.n_query, att.n_key) == (11, 13)
    assert truth_of(att).mask.shape == (11, 13)
    text = [token.text for token in att.key_tokens]
    # Written after [START]: the first digit of the year, which begins at "1".
    assert np.flatnonzero(truth_of(att).mask[0]).tolist() == [text.index("1")]
    # Both digits of the month are read from its whole name.
    assert "".join(text[key] for key in np.flatnonzero(truth_of(att).mask[5])) == "märz"
    assert np.flatnonzero(truth_of(att).mask[9]).tolist() == [0]
    assert not truth_of(att).mask[:, text.index("[END]")].any()


@pytest.mark.parametrize(
    ("task", "text", "given"),
    [
        ("brackets", "([)]", {}),
        ("brackets", "(x)", {}),
        ("brackets", "[START]()", {}),
        ("brackets", "<script>alert(1)</script>", {}),
        ("agreement", "the keys are old", {}),
        ("agreement", "the [UNK] ___ old", {}),
        ("recall", "a 3 b 7", {}),
        ("series", "1 2 3", {}),
        ("series", "The cat sat on the mat because it was tired", {}),
        ("dates", "31. februar 1998", {}),
        ("dates", "hello", {}),
        ("dates", "3. märz 1998", {"target": "1998-03-04"}),
        ("dates", "3. märz 1998", {"target": "1998-03"}),
        ("dates", "3. märz 1998", {"target": "1998-03-033"}),
    ],
)
def test_of_what_is_no_text_of_the_task_nothing_is_known(task, text, given):
    assert truth_of(traced(task, text, **given)) is None


def test_a_text_that_is_cut_is_another_text():
    """Cut after the opening half nothing matches; what is whole up to the cut is what the model read."""
    att = traced("brackets", "(" * 11 + ")" * 11)
    assert att.n_key == 18
    assert truth_of(att) is None
    assert truth_of(traced("agreement", "the keys " + "near the boys " * 11 + "___ old")) is None
    kept = traced("brackets", "()" * 11)
    assert (kept.n_key, truth_of(kept).n_asked) == (18, 16)


def test_what_the_model_wrote_itself_has_its_truth():
    plain, more = traced("series", WAVE), traced("series", WAVE, generate=7)
    assert more.n_key == plain.n_key + 7
    assert [token.generated for token in more.key_tokens[-8:]] == [False] + [True] * 7
    assert truth_of(more).mask.shape == (28, 28)
    assert truth_of(more).n_asked == truth_of(plain).n_asked + 7
    assert truth_of(more).mask[-7:].any(1).all()
    np.testing.assert_array_equal(truth_of(more).mask[:21, :21], truth_of(plain).mask)


def test_a_trace_carries_it_on_the_kind_of_the_task_alone():
    trace = shipped("dates").trace("3. märz 1998")
    assert {kind: truth_of(trace[kind]) is not None for kind in trace.kinds} == {
        "encoder": False,
        "decoder": False,
        "cross": True,
    }
    batch = shipped("brackets").trace_batch(["()", "([)", "{[]}"])
    assert [truth_of(att) and truth_of(att).n_asked for att in (trace["encoder"] for trace in batch)] == [2, None, 4]


def test_other_models_have_none(minilm):
    assert truth_of(minilm.trace("([]{()})")["encoder"]) is None


def test_the_mask_cannot_be_written():
    for task, text in (("brackets", "()"), ("dates", "3. märz 1998")):
        mask = truth_of(traced(task, text)).mask
        with pytest.raises(ValueError, match="read-only"):
            mask[0, 0] = True


def test_truth_of_tokens_alone():
    read = tokens("brackets", "[()]")
    found = truth_of_tokens("brackets", read, read)
    assert isinstance(found, Truth)
    assert np.argwhere(found.mask).tolist() == [[1, 4], [2, 3], [3, 2], [4, 1]]
    assert found.solution == TASKS["brackets"].solve("[()]")
    # Other queries than keys are no encoder's.
    assert truth_of_tokens("brackets", read[:5], read) is None


@pytest.mark.parametrize("name", ["", "nothing", "__class__", "Brackets", "digits"])
def test_a_task_that_is_unknown_or_has_no_truth(name):
    read = tokens("brackets", "[()]")
    assert truth_of_tokens(name, read, read) is None


def test_a_decoder_that_reads_something_else_is_not_held_to_the_answer():
    keys = tokens("dates", "3. märz 1998", start=False)
    right = tokens("dates", "1998-03-03", end=False)
    assert truth_of_tokens("dates", right, keys).mask.shape == (11, 13)
    for place in range(1, 11):
        other = list(right)
        other[place] = replace(right[place], text="5")
        assert truth_of_tokens("dates", tuple(other), keys) is None, place
