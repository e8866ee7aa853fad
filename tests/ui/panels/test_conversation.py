"""The editor of a conversation: its rows, its link, and what the model reads of it."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers.chat_templates import save_chat_model
from tests.helpers.inspect_page import buttons_for_menus, instrument, messages, opened, run, tokens
from tests.helpers.page_elements import address, chosen

pytestmark = pytest.mark.slow
TALK = [["system", "Be brief."], ["user", "The cat?"]]


@pytest.fixture(scope="module")
def chat(tmp_path_factory) -> str:
    return str(save_chat_model(tmp_path_factory.mktemp("chat") / "chat"))


def rows(app: AppTest) -> list[tuple[str, str]]:
    """Return role and text of each row of the editor."""
    areas = [area for area in app.text_area if area.key and area.key.startswith("message ")]
    roles = [box for box in app.selectbox if box.key and box.key.startswith("message ")]
    return [(role.value, area.value) for role, area in zip(roles, areas, strict=True)]


def area(app: AppTest, number: int):
    return [each for each in app.text_area if each.key and each.key.startswith("message ")][number]


def read(app: AppTest) -> str:
    """Return the text that the template made."""
    return instrument(app)[0]["source"]["text"]


def test_the_switch_makes_the_text_a_message_and_back(chat):
    app = run(model=chat, text="The cat")
    assert rows(app) == []
    (switch,) = [each for each in app.button_group if each.key == "conversation or text"]
    switch.set_value("Conversation").run()
    assert rows(app) == [("user", "The cat")]
    assert read(app).endswith("<|im_start|>user\nThe cat<|im_end|>\n<|im_start|>assistant\n")
    assert json.loads(address(app)["messages"]) == [["user", "The cat"]]
    (switch,) = [each for each in app.button_group if each.key == "conversation or text"]
    switch.set_value("Text").run()
    assert rows(app) == []
    assert read(app) == "The cat"
    assert "messages" not in address(app)


def test_a_link_opens_a_conversation_which_the_rows_change(chat):
    app = run(model=chat, messages=json.dumps(TALK))
    assert rows(app) == [("system", "Be brief."), ("user", "The cat?")]
    area(app, 1).set_value("The mat?").run()
    assert json.loads(address(app)["messages"]) == [["system", "Be brief."], ["user", "The mat?"]]
    assert "user\nThe mat?" in read(app)
    app.button(key="add message").click().run()
    assert rows(app)[2] == ("assistant", "")
    assert instrument(app)[0]["source"]["messages"] == [["system", "Be brief."], ["user", "The mat?"]]
    area(app, 2).set_value("It sat").run()
    assert read(app).endswith("assistant\nIt sat<|im_end|>\n")
    (remove, *_) = [each for each in app.button if each.label == "Remove"]
    remove.click().run()
    assert rows(app) == [("user", "The mat?"), ("assistant", "It sat")]
    assert messages(app) == []


def test_an_example_replaces_the_conversation(chat, monkeypatch):
    buttons_for_menus(monkeypatch, "no such example")
    app = run(model=chat, messages=json.dumps(TALK))
    app.button(key="conversation examples: no such example").click().run()
    assert rows(app)[0] == ("system", "Be brief.")
    app.button(key="conversation examples: A second turn").click().run()
    assert [role for role, _ in rows(app)] == ["user", "assistant", "user"]
    assert not app.exception


def test_the_browser_shows_the_role_of_each_token(chat):
    header, _ = instrument(run(model=chat, messages=json.dumps(TALK), generate="2"))
    assert [label[3] for label in header["queries"]][-2:] == ["assistant", "assistant"]
    assert {label[3] for label in header["queries"]} == {"system", "user", "assistant"}


@pytest.mark.parametrize(
    "written",
    ["{", "[]", '"a"', "[[1,2]]", '[["user"]]', "[" * 1900, '[{"role":"user","content":"a","name":"b"}]', "null"],
)
def test_a_link_with_something_else_says_so_and_opens_the_text(chat, written):
    app = run(model=chat, messages=written)
    assert any("The link's messages is ignored" in each for each in messages(app))
    assert rows(app) == []


def test_halves_of_characters_and_other_roles_are_shown(chat):
    app = run(model=chat, messages='[["critic","a\\ud800b"]]')
    assert rows(app) == [("critic", "a\ufffdb")]
    assert "<|im_start|>critic\na\ufffdb" in read(app)


def test_what_is_no_conversation_as_json_is_refused_in_one_sentence(chat):
    app = run(model=chat, messages=json.dumps(TALK))
    (box,) = [each for each in app.text_area if each.label == "Conversation as JSON"]
    box.set_value("[[").run()
    assert any("The conversation is no JSON" in each for each in messages(app))
    assert rows(app) == []


def test_a_model_without_a_template_reads_the_text(tmp_path):
    app = run(model=str(save_chat_model(tmp_path / "plain", template=None)), messages=json.dumps(TALK), text="The cat")
    assert not [each for each in app.button_group if each.key == "conversation or text"]
    assert read(app) == "The cat"
    assert json.loads(chosen(app, "inspect").messages) == TALK


def test_a_fetched_model_is_asked_a_question_that_it_answers():
    """Where SmolLM2 is missing, this test fails: `python -m headlight fetch smollm2` fetches it."""
    app = run(model="smollm2")
    (switch,) = [each for each in app.button_group if each.key == "conversation or text"]
    switch.set_value("Conversation").run()
    assert rows(app) == [("user", "What is the capital of France?")]
    assert tokens(app)[-8:] == ["The", "capital", "of", "France", "is", "Paris", ".", "<|im_end|>"]
    link = address(app)
    assert link["generate"] == "8"
    again = run(model="smollm2", messages=link["messages"])
    assert (opened(again)["layer"], opened(again).get("token", "")) == ("5", "")
    assert chosen(again, "inspect").generate == 0
