"""A page's choices in the session: restored, changed by widgets, buttons and the browser, and published."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from tests.helpers.page_elements import address, chosen
from ui.state import link, page_state
from ui.state.kinds import one_of, string, whole_number
from ui.state.link import BROWSER, param
from ui.state.page_state import PageState
from viz.wire.instrument import Opening


@dataclass(frozen=True, kw_only=True)
class Small:
    """Choices that are a box, a number, a list, and a selection of two fields."""

    text: str = param("a", string(9), free=True, adds_history=True)
    layer: int = param(1, whole_number(0, 5))
    sort: str = param("up", one_of("up", "down"))
    row: int = param(0, whole_number(0, 99), always_in_link=True, owner=BROWSER)
    cell: int = param(0, whole_number(0, 99), owner=BROWSER)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The choices of a page that shows what another page has chosen."""

    mark: str = param("", string(9), free=True)


SMALL = PageState("small", "small_", Small, partial(link.parse, Small))
BESIDE = PageState("beside", "beside_", Beside, partial(link.parse, Beside), SMALL)
STATE = "small state"


def page() -> None:
    import streamlit as st

    from tests.ui.state.test_page_state import SMALL, note_change

    for notice in SMALL.restore():
        st.warning(notice)
    st.text_input("Text", **SMALL.widget_args("text", on_change=note_change))
    st.number_input("Layer", 0, 5, **SMALL.widget_args("layer"))
    names = {"up": f"up {SMALL.now().text}", "down": f"down {SMALL.now().text}"}
    labels = names.values()
    st.selectbox("Sort", names, **SMALL.widget_args("sort", labels=labels), format_func=names.__getitem__)
    st.button("Four", key="four", on_click=SMALL.update, kwargs={"layer": 4})
    st.button("Example", key="example", on_click=SMALL.update, kwargs={"text": "example"})
    st.button("Row", key="row", on_click=SMALL.select, kwargs={"row": 7})
    SMALL.publish()


def page_without_widgets() -> None:
    from tests.ui.state.test_page_state import SMALL

    SMALL.restore()
    SMALL.publish()


def other_page() -> None:
    import streamlit as st

    from tests.ui.state.test_page_state import page

    if st.toggle("Other", key="other"):
        st.session_state["page drawn"] = "other"
    else:
        page()


def note_change() -> None:
    import streamlit as st

    st.session_state["changes"] = [*st.session_state.get("changes", []), SMALL.now().text]


def run(script: Callable[[], None] = page, **parameters: str) -> AppTest:
    app = AppTest.from_function(script)
    app.query_params.update(parameters)
    app.run()
    assert not app.exception
    return app


def element(app: AppTest, label: str) -> Any:
    return next(
        each for kind in ("text_input", "number_input", "selectbox") for each in app.get(kind) if each.label == label
    )


def opening(app: AppTest) -> Opening:
    return app.session_state[STATE].opening


def press_twice(app: AppTest, first: str, then: Callable[[AppTest], object]) -> None:
    """Press a button, and do something else before the browser has received the answer."""
    before = app._tree
    widgets = [*before.text_input, *before.number_input, *before.selectbox]
    for each in widgets:  # else AppTest looks them up in the session
        each._value = each.value
    app.button(key=first).click().run()
    for each in before.button:  # what the browser has sent once it does not send again
        each._value = False
    app._tree = before
    then(app)
    app.run()
    assert not app.exception


def test_a_link_is_restored_once_and_published():
    app = run(text="b", layer="3", row="2")
    assert chosen(app, "small") == Small(text="b", layer=3, row=2)
    assert element(app, "Text").value == "b"
    assert address(app) == {"text": "b", "layer": "3", "row": "2"}
    element(app, "Text").set_value("c").run()
    assert chosen(app, "small") == Small(text="c", layer=3, row=2)
    assert address(app) == {"text": "c", "layer": "3", "row": "2"}


def test_notices_about_a_link_end_with_the_text_that_it_opened():
    app = run(layer="x")
    assert [notice.value for notice in app.warning] == ["The link's layer is ignored: 'x' is no number from 0 to 5."]
    element(app, "Layer").set_value(2).run()
    assert len(app.warning) == 1
    element(app, "Text").set_value("b").run()
    assert not app.warning


def test_what_a_button_chose_has_another_widget():
    app = run()
    app.button(key="four").click().run()
    assert (element(app, "Layer").key, element(app, "Layer").value) == ("small_layer#1", 4)
    app.button(key="four").click().run()
    assert element(app, "Layer").key == "small_layer#1"
    element(app, "Layer").set_value(1).run()
    assert chosen(app, "small").layer == 1
    app.button(key="four").click().run()
    assert (element(app, "Layer").key, element(app, "Layer").value) == ("small_layer#2", 4)


def test_a_stale_widget_value_does_not_overwrite_what_a_button_chose():
    app = run()
    press_twice(app, "four", lambda app: element(app, "Sort").set_value("down"))
    assert chosen(app, "small") == Small(layer=4, sort="down")
    assert address(app) == {"layer": "4", "sort": "down", "row": "0"}
    app.run()
    assert element(app, "Layer").value == 4


def test_two_buttons_in_quick_succession_both_hold():
    app = run()
    press_twice(app, "four", lambda app: app.button(key="example").click())
    assert chosen(app, "small") == Small(layer=4, text="example")
    app.run()
    assert chosen(app, "small") == Small(layer=4, text="example")


def test_what_a_visitor_chooses_before_the_answer_to_a_button_is_kept():
    app = run()
    press_twice(app, "four", lambda app: element(app, "Layer").set_value(2))
    assert chosen(app, "small").layer == 2
    assert element(app, "Layer").value == 2
    app.button(key="four").click().run()
    assert chosen(app, "small").layer == 4
    app.run()
    assert chosen(app, "small").layer == 4


def test_a_late_change_counts_once():
    app = run()
    press_twice(app, "example", lambda app: element(app, "Text").set_value("mine"))
    assert chosen(app, "small").text == "mine"
    # The same message of the widget from before, with another button.
    press_twice(app, "example", lambda app: app.button(key="four").click())
    assert chosen(app, "small") == Small(text="example", layer=4)


def test_a_change_is_told_once_and_only_if_the_visitor_made_it():
    app = run()
    press_twice(app, "example", lambda app: element(app, "Sort").set_value("down"))
    assert "changes" not in app.session_state
    app.run()
    press_twice(app, "example", lambda app: element(app, "Text").set_value("mine"))
    assert app.session_state["changes"] == ["mine"]
    element(app, "Text").set_value("other").run()
    assert app.session_state["changes"] == ["mine", "other"]


def test_a_list_whose_options_are_renamed_has_another_widget_with_the_same_choice():
    app = run(sort="down")
    assert element(app, "Sort").key == "small_sort"
    element(app, "Text").set_value("b").run()
    assert (element(app, "Sort").key, element(app, "Sort").value) == ("small_sort#1", "down")
    assert element(app, "Sort").options == ["up b", "down b"]


@pytest.mark.parametrize(
    ("name", "value"), [("layer", 77), ("layer", None), ("sort", "sideways"), ("sort", ["up"]), ("layer", "x")]
)
def test_a_value_that_no_widget_offers_is_replaced_by_the_one_before(name, value):
    app = run(page_without_widgets, layer="3", sort="down")
    app.session_state[f"small_{name}"] = value
    app.run()
    assert not app.exception
    assert chosen(app, "small") == Small(layer=3, sort="down")


def test_a_typed_text_may_be_anything_and_one_too_long_is_in_no_link():
    app = run()
    element(app, "Text").set_value("far too long").run()
    assert chosen(app, "small").text == "far too long"
    assert address(app) == {"row": "0"}


def test_widgets_of_a_page_that_was_open_before_the_server_keep_their_keys_and_texts(monkeypatch):
    sent = {"small_text": "stale", "small_text#2": "typed", "small_layer#1": None, "small_x#1": "x", "text": "y"}
    monkeypatch.setattr(
        page_state.open_page, "sent_widgets", lambda: {**sent, "small_sort#1x": "z", "small_text#": "?"}
    )
    monkeypatch.setattr(page_state.open_page, "sent_query", lambda: {"layer": "3", "text": "linked"})
    app = run()
    assert chosen(app, "small") == Small(text="typed", layer=3)
    assert [element(app, label).key for label in ("Text", "Layer")] == ["small_text#2", "small_layer#1"]
    app.button(key="example").click().run()
    assert element(app, "Text").key == "small_text#3"


def page_that_reads_another() -> None:
    import streamlit as st

    from tests.ui.state.test_page_state import BESIDE, SMALL

    for notice in BESIDE.restore():
        st.warning(notice)
    st.text_input("Text", **SMALL.widget_args("text"))
    st.text_input("Mark", **BESIDE.widget_args("mark"))
    st.button("Back", key="back", on_click=BESIDE._go, args=("text=c&mark=z", 1, 0))
    BESIDE.publish()


def test_a_page_that_reads_what_another_has_chosen_has_both_in_its_link():
    app = run(page_that_reads_another, text="b", layer="3", mark="x", row="5")
    # A selection is on the other page alone.
    assert [box.value for box in app.warning] == ["The link's 'row' is ignored: there is no such parameter."]
    assert (chosen(app, "small"), chosen(app, "beside")) == (Small(text="b", layer=3), Beside(mark="x"))
    assert address(app) == {"text": "b", "layer": "3", "mark": "x"}
    element(app, "Text").set_value("d").run()
    app.session_state[STATE].choice = replace(chosen(app, "small"), row=9)
    app.button(key="back").click().run()
    assert (chosen(app, "small"), chosen(app, "beside")) == (Small(text="c", row=9), Beside(mark="z"))


# --- the selection, which the browser owns ----------------------------------------------------------------------------


@pytest.fixture
def memory(monkeypatch) -> dict:
    """A session without a running script."""
    session = {STATE: page_state._Memory(Small(text="b"))}
    monkeypatch.setattr(page_state.st, "session_state", session)
    return session


def test_what_the_browser_reports_is_kept_and_never_sent_back(memory):
    SMALL.select(row=3)
    before = SMALL.opening()
    assert before.selection == "row=3"
    SMALL.receive("row=4&cell=5", 8)
    assert SMALL.now() == Small(text="b", row=4, cell=5)
    assert SMALL.opening() is before
    SMALL.receive("row=6", 9)
    assert SMALL.now() == Small(text="b", row=6)
    SMALL.select(cell=1)
    after = SMALL.opening()
    assert (after.selection, after.after) == ("row=6&cell=1", 9)
    assert after.id != before.id
    assert len(after.id) >= 12


def test_back_leaves_a_selection_behind_whose_report_comes_later(memory, monkeypatch):
    """The report of a head and a Back at once may come in one message, whose callbacks run in either order."""
    monkeypatch.setattr(page_state.st, "rerun", lambda: None)
    SMALL.receive("row=4", 8)
    SMALL._go("text=a&row=2", 1, 9)
    opened = SMALL.opening()
    assert (opened.selection, opened.after) == ("row=2", 9)
    SMALL.receive("row=5", 9)
    assert SMALL.now().row == 2
    SMALL.receive("row=6", 10)
    assert SMALL.now().row == 6
    SMALL._go("row=1", 2, -5)
    assert SMALL.opening().after == 10


def test_the_server_opens_the_same_selection_again(memory):
    SMALL.select(row=3)
    before = SMALL.opening()
    SMALL.select(row=3)
    assert SMALL.opening().id != before.id


@given(st.text(max_size=80) | st.none() | st.integers(), st.integers() | st.floats() | st.none() | st.text())
def test_no_report_of_a_browser_raises_or_changes_what_the_server_owns(text, number):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_state.st, "session_state", {STATE: page_state._Memory(Small(text="b", row=2))})
        before = SMALL.opening()
        SMALL.receive(text, number)
        SMALL.receive(f"text=x&layer=2&{text}", 3)
        choice = SMALL.now()
        assert replace(choice, row=0, cell=0) == Small(text="b")
        assert SMALL.opening() is before
        assert link.parse(Small, link.format(choice)) == (choice, [])


@pytest.mark.parametrize(
    ("text", "number"),
    [("row=5" + "&a=1" * 5000, 3), ("row=5&row=%00", 3), ("row=5", -1), ("row=5", 2**60), ("row=5", "3")],
)
def test_a_forged_report(text, number, memory):
    SMALL.receive(text, number)
    assert SMALL.now().row in (0, 5)
    assert memory[STATE].received in (0, 3)


def test_a_quick_report_and_a_button_both_hold():
    app = run(row="1")
    first = opening(app)
    assert first.selection == "row=1"
    app.button(key="four").click().run()
    assert opening(app) == first
    app.button(key="row").click().run()
    assert (opening(app).selection, chosen(app, "small").layer) == ("row=7", 4)
    assert opening(app).id != first.id


def test_a_visitor_who_comes_back_to_the_page_finds_the_selection_that_was_left():
    app = run(other_page, row="1")
    first = opening(app)
    app.session_state[STATE].received = 5
    app.session_state[STATE].choice = replace(chosen(app, "small"), row=9)
    app.run()
    assert opening(app) == first
    app.toggle(key="other").set_value(True).run()
    app.toggle(key="other").set_value(False).run()
    assert (opening(app).selection, opening(app).after) == ("row=9", 0)
    assert opening(app).id != first.id
