"""A page's choices in the session: restored, changed by widgets and buttons, merged and published."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.page_elements import address, follow
from ui.state import link
from ui.state.kinds import one_of, string, whole_number
from ui.state.link import param
from ui.state.page_state import PageState


@dataclass(frozen=True, kw_only=True)
class Small:
    """Choices that are a box, a number and a list."""

    text: str = param("a", string(9), free=True, adds_history=True)
    layer: int = param(1, whole_number(0, 5))
    sort: str = param("up", one_of("up", "down"))


SMALL = PageState("small", "small_", Small, partial(link.parse, Small))


def page() -> None:
    import streamlit as st

    from tests.ui.state.test_page_state import SMALL

    for notice in SMALL.restore():
        st.warning(notice)
    st.text_input("Text", **SMALL.widget_args("text"))
    st.number_input("Layer", 0, 5, **SMALL.widget_args("layer"))
    st.selectbox("Sort", ("up", "down"), **SMALL.widget_args("sort"))
    st.button("Four", key="four", on_click=SMALL.update, kwargs={"layer": 4})
    SMALL.publish()


def page_without_widgets() -> None:
    from tests.ui.state.test_page_state import SMALL

    SMALL.restore()
    SMALL.publish()


def run(script: Callable[[], None] = page, **parameters: str) -> AppTest:
    app = AppTest.from_function(script)
    app.query_params.update(parameters)
    app.run()
    assert not app.exception
    return app


def chosen(app: AppTest) -> Small:
    return Small(**{name: app.session_state[f"small_{name}"] for name in link.names(Small)})


def test_a_link_is_restored_once_and_published():
    app = run(text="b", layer="3")
    assert chosen(app) == Small(text="b", layer=3)
    assert app.text_input(key="small_text").value == "b"
    assert address(app) == {"text": "b", "layer": "3"}
    app.text_input(key="small_text").set_value("c").run()
    assert chosen(app) == Small(text="c", layer=3)
    assert address(app) == {"text": "c", "layer": "3"}


def test_notices_about_a_link_end_with_the_text_that_it_opened():
    app = run(layer="x")
    assert [notice.value for notice in app.warning] == ["The link's layer is ignored: 'x' is no number from 0 to 5."]
    app.number_input(key="small_layer").set_value(2).run()
    assert len(app.warning) == 1
    app.text_input(key="small_text").set_value("b").run()
    assert not app.warning


def test_a_stale_widget_value_does_not_overwrite_what_a_button_chose():
    app = run()
    app.button(key="four").click().run()
    assert chosen(app).layer == 4
    # The browser sends the value before, as its URL says that it has not received the change.
    app.number_input(key="small_layer").set_value(1).run()
    assert chosen(app).layer == 4
    follow(app)
    app.run()
    app.number_input(key="small_layer").set_value(1).run()
    assert chosen(app).layer == 1


def test_what_a_visitor_chooses_after_a_button_is_kept():
    app = run()
    app.button(key="four").click().run()
    app.number_input(key="small_layer").set_value(2).run()
    assert chosen(app).layer == 2
    assert address(app) == {"layer": "2"}


def test_a_browser_that_never_acknowledges_is_waited_for_only_for_a_while(monkeypatch):
    app = run()
    app.button(key="four").click().run()
    monkeypatch.setattr("ui.state.page_state.ACKNOWLEDGEMENT_TIMEOUT_SECONDS", 0.0)
    app.number_input(key="small_layer").set_value(1).run()
    assert chosen(app).layer == 1


@pytest.mark.parametrize(
    ("name", "value"), [("layer", 77), ("layer", None), ("sort", "sideways"), ("sort", ["up"]), ("layer", "x")]
)
def test_a_value_that_no_widget_offers_is_replaced_by_the_one_before(name, value):
    app = run(page_without_widgets, layer="3", sort="down")
    app.session_state[f"small_{name}"] = value
    app.run()
    assert not app.exception
    assert chosen(app) == Small(layer=3, sort="down")


def test_a_typed_text_may_be_anything_and_one_too_long_is_in_no_link():
    app = run()
    app.text_input(key="small_text").set_value("far too long").run()
    assert chosen(app).text == "far too long"
    assert address(app) == {}
