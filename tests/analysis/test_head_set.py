"""Several heads as text and as numbers, also from hostile links."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.head_set import MAX_CHARACTERS, HeadSet
from analysis.selection import Region, Selection
from models.errors import BadSelection
from tests.helpers.hand_made import attention, random_weights

ATT = attention(random_weights(3, 5, 7, 7))


@pytest.mark.parametrize(
    ("text", "written", "heads", "described"),
    [
        ("1", "1", [(1, head) for head in range(5)], "layer 1"),
        ("1,0", "0,1", [(layer, head) for layer in range(2) for head in range(5)], "layers 0 and 1"),
        ("2.4,0.1,2.4", "0.1,2.4", [(0, 1), (2, 4)], "heads 0.1 and 2.4"),
        ("2.0,2.4,1.1", "1.1,2.0,2.4", [(1, 1), (2, 0), (2, 4)], "heads 1.1, 2.0 and 2.4"),
        ("0.3,2,2.1", "0.3,2", [(0, 3), *((2, head) for head in range(5))], "6 heads"),
        ("0.3", "0.3", [(0, 3)], "head 0.3"),
        ("1.2,all", "all", [(layer, head) for layer in range(3) for head in range(5)], "all heads"),
        ("0,1,2", "0,1,2", [(layer, head) for layer in range(3) for head in range(5)], "all heads"),
        ("", "", [], "no heads"),
    ],
)
def test_heads_as_text(text, written, heads, described):
    chosen = HeadSet.parse(text)
    assert str(chosen) == written
    assert HeadSet.parse(written) == chosen
    assert bool(chosen) == bool(heads)
    assert list(chosen.expand(ATT)) == heads
    assert chosen.describe(ATT) == described


@pytest.mark.parametrize(
    "text", ["x", "1.", ".1", "1.2.3", "-1", "1,,2", "1, 2", ",", "all heads", "٣", "1" * 9, "1\n"]
)
def test_other_texts_are_refused_in_one_sentence(text):
    with pytest.raises(BadSelection, match="Heads are given as"):
        HeadSet.parse(text)


def test_an_endless_list_is_refused():
    with pytest.raises(BadSelection, match="Heads are given as") as caught:
        HeadSet.parse("1," * MAX_CHARACTERS)
    assert len(str(caught.value)) < 200


@pytest.mark.slow
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        chosen = HeadSet.parse(text)
    except BadSelection:
        return
    assert HeadSet.parse(str(chosen)) == chosen


@pytest.mark.parametrize(("text", "sentence"), [("3", "no layer 3"), ("1.5", "no head 5")])
def test_heads_that_do_not_exist(text, sentence):
    with pytest.raises(BadSelection, match=sentence):
        HeadSet.parse(text).expand(ATT)


def test_a_selection_reads_several_heads():
    selection = Selection.parse(1, 2, heads="2,0.1", unit="words", combine="mean")
    assert (str(selection.chosen), selection.unit, selection.combine) == ("0.1,2", "words", "mean")
    assert not Selection.parse(1, 2).chosen
    with pytest.raises(BadSelection, match="unit is pieces or words"):
        Selection.parse(unit="letters")
    with pytest.raises(BadSelection, match="overlay, mean or maximum"):
        Selection.parse(combine="sum")


@pytest.mark.parametrize(("asked", "kept", "said"), [("2.4,3.0", "2.4", "only head 2.4"), ("9", "", "layer 1, head 2")])
def test_heads_that_a_model_lacks_are_left_out(asked, kept, said):
    fitted, notices = Selection.parse(1, 2, heads=asked, combine="mean").fit(ATT)
    assert str(fitted.chosen) == kept
    assert fitted.combine == "mean"
    assert len(notices) == 1
    assert said in notices[0]
    assert Selection.parse(1, 2, heads="all").fit(ATT) == (Selection.parse(1, 2, heads="all", kind="encoder"), ())


def test_regions_of_a_pair(minilm):
    att = minilm.trace("The cat sat.", text_pair="It slept.")["encoder"]
    first, second = range(6), range(6, att.n_key)
    assert att.key_tokens[5].text == "[SEP]"
    assert Region.of_texts(att, 0, 0) == Region(first, first)
    assert Region.of_texts(att, 0, 1) == Region(first, second)
    assert Region.of_texts(att, 1, 0) == Region(second, first)
    assert Region.of_texts(att.words(), 1, 1) == Region(second, second)
    with pytest.raises(BadSelection, match="one text here"):
        Region.of_texts(minilm.trace("One text.")["encoder"], 0, 1)
    with pytest.raises(BadSelection, match="texts 0 and 1"):
        Region.of_texts(att, 0, 2)
