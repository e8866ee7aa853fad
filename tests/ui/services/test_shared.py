"""Values that visitors share: computed once, limited, and not in the caches that any visitor may clear."""

import re
import threading
from pathlib import Path

import pytest
import streamlit as st

import ui
from models import Model
from tests.helpers.hand_made import attention, random_weights
from ui.services.attention_cache import maps_of
from ui.services.models import model_id
from ui.services.shared import Shared
from ui.services.traces import readings, traces
from ui.services.trainings import trainings

ATT = attention(random_weights(1, 2, 3, 5))
MODEL = Model.__new__(Model)


def test_a_value_is_computed_once_and_the_least_recently_used_is_dropped():
    made, shared = [], Shared(2)

    def get(key):
        return shared.get(key, lambda: made.append(key) or f"value of {key}")

    assert [get(key) for key in "abacb"] == [f"value of {key}" for key in "abacb"]
    assert made == ["a", "b", "c", "b"]


def test_two_visitors_who_ask_at_once_share_the_work():
    made, shared, inside, go_on = [], Shared(2), threading.Event(), threading.Event()

    def compute():
        made.append(1)
        inside.set()
        go_on.wait(20)
        return 7

    found = []
    threads = [threading.Thread(target=lambda: found.append(shared.get("key", compute))) for _ in range(4)]
    threads[0].start()
    inside.wait(20)
    for thread in threads[1:]:
        thread.start()
    assert shared.get("another key", lambda: 5) == 5  # it does not wait for the first
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert (found, made) == ([7] * 4, [1])


def test_a_failed_computation_is_repeated():
    shared = Shared(2)
    with pytest.raises(ZeroDivisionError):
        shared.get("key", lambda: 1 / 0)
    assert shared.get("key", lambda: 3) == 3


def test_a_visitor_cannot_clear_shared_values():
    """The message `clear_cache`, which Streamlit accepts from any visitor, does these two things."""
    before = traces(), readings(), trainings(), maps_of(ATT), model_id(MODEL)
    st.cache_data.clear()
    st.cache_resource.clear()
    assert (traces(), readings(), trainings(), maps_of(ATT), model_id(MODEL)) == before


def test_no_module_uses_the_caches_that_a_visitor_can_clear():
    for path in Path(ui.__file__).parent.rglob("*.py"):
        assert not re.search(r"cache_(data|resource)", path.read_text(encoding="utf-8")), path
