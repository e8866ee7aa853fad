"""The menu of examples: what an entry opens, and that only its own entries count."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.inspect_page import buttons_for_menus, instrument, messages, opened, run, select, tokens
from tests.helpers.page_elements import chosen, widget
from ui.panels.examples import EXAMPLES, OF_MINILM
from ui.panels.text_input import LONGEST_NAME, _shorten

pytestmark = pytest.mark.slow


def choose(app: AppTest, name: str) -> AppTest:
    app.button(key=f"examples: {name}").click().run()
    assert not app.exception
    return app


def test_every_example_is_in_the_menu():
    (menu,) = run().get("menu_button")
    assert menu.proto.label == "Examples"
    assert list(menu.proto.options) == [example.name for example in OF_MINILM]


@pytest.mark.parametrize("example", OF_MINILM[1:], ids=lambda example: example.name)
def test_an_example_opens_its_text_at_the_head_and_the_pair_that_show_its_point(monkeypatch, example):
    buttons_for_menus(monkeypatch)
    app = run(layer="0", head="0", region="1-2:3-4", lines="on", pair="left over")
    before = instrument(app)[0]["opening"]
    choose(app, example.name)
    assert widget(app, "text").value == example.text
    assert opened(app) == {
        "layer": str(example.layer),
        "head": str(example.head),
        "token": f"query:{example.query}",
        "partner": f"key:{example.key}",
    }
    assert instrument(app)[0]["opening"]["id"] != before["id"]
    choice = chosen(app, "inspect")
    assert (choice.pair, choice.region, choice.lines, choice.sentence) == ("", "", False, 0)
    assert messages(app) == []


def test_an_example_opens_again_after_the_visitor_has_looked_elsewhere(monkeypatch):
    buttons_for_menus(monkeypatch)
    app = choose(run(), "Repetition")
    first = instrument(app)[0]["opening"]
    select(app, layer=0, head=0, token="", partner="")
    assert instrument(app)[0]["opening"] == first
    choose(app, "Repetition")
    again = instrument(app)[0]["opening"]
    assert again["selection"] == first["selection"]
    # The browser adopts it: the server has received the visitor's last selection.
    assert (again["id"] != first["id"], again["after"]) == (True, 1)


def test_another_model_gets_the_text_alone(monkeypatch):
    monkeypatch.delitem(EXAMPLES, "minilm")
    buttons_for_menus(monkeypatch)
    app = choose(run(layer="2", head="7"), "Repetition")
    assert "question" in tokens(app)
    assert opened(app) == {"layer": "2", "head": "7"}


def test_a_forged_entry_changes_nothing(monkeypatch):
    buttons_for_menus(monkeypatch, "no such example")
    app = run(layer="2", head="7")
    before = chosen(app, "inspect")
    choose(app, "no such example")
    assert chosen(app, "inspect") == before


def test_long_names_are_cut():
    assert _shorten("a" * LONGEST_NAME) == "a" * LONGEST_NAME
    assert _shorten("a" * LONGEST_NAME + "b") == "a" * (LONGEST_NAME - 1) + "…"
