"""Names of traces: stable, one for each visitor, bounded, and not what keeps a trace in memory."""

import gc
from weakref import ref

import numpy as np
import pytest

from tests.helpers.hand_made import attention
from ui.services.instrument_traces import TraceNames, find, name_of, visitor_of


def test_a_name_is_stable_and_one_visitors_own() -> None:
    att, other = attention(np.eye(3)), attention(np.eye(3))
    name = name_of(att, "visitor 1")
    assert name_of(att, "visitor 1") == name
    assert len({name, name_of(att, "visitor 2"), name_of(other, "visitor 1")}) == 3
    assert find(name) is att
    assert visitor_of(name) == "visitor 1"
    assert len(name) >= 22
    assert find("") is find(name[:-1]) is find("x" * 22) is visitor_of("") is None


@pytest.mark.slow
def test_a_name_does_not_keep_a_trace_in_memory() -> None:
    names = TraceNames(8)
    att = attention(np.eye(3))
    gone, name = ref(att), names.name_of(att, "visitor")
    del att
    gc.collect()
    assert gone() is None
    assert names.find(name) is None
    assert len(names) == 0


def test_the_least_recently_used_name_is_dropped() -> None:
    names, atts = TraceNames(2), [attention(np.eye(n)) for n in (2, 3, 4)]
    first, second = (names.name_of(att, "visitor") for att in atts[:2])
    names.find(first)
    third = names.name_of(atts[2], "visitor")
    assert names.find(second) is None
    assert [names.find(first), names.find(third)] == [atts[0], atts[2]]
    again = names.name_of(atts[1], "visitor")
    assert again != second
    assert names.find(again) is atts[1]
    assert len(names) == 2
