"""A conversation with a chat model, as a visitor writes it: the editor, its roles in the pictures, and its link."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.helpers.chat_templates import save_chat_model
from tests.helpers.visitor import text_box, url_with, wait_until_idle

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory) -> Path:
    return save_chat_model(tmp_path_factory.mktemp("chat") / "tiny-chat")


def test_a_conversation_is_written_shown_by_roles_and_kept_in_the_link(open_page, chat_model):
    page = open_page(f"/?model={chat_model}")
    page.get_by_test_id("stButtonGroup").get_by_text("Conversation", exact=True).click()
    wait_until_idle(page)
    box = page.get_by_role("textbox", name="Message 1")
    box.fill("Birds sing.")
    page.get_by_role("button", name="Inspect", exact=True).click()
    # The template begins with a system message, and asks for an answer.
    expect(page.locator(".strip-role")).to_have_text(["system", "user", "assistant"])
    expect(page).to_have_url(url_with("Birds"))
    # The link brings the conversation back.
    page.goto(page.url)
    expect(page.get_by_role("textbox", name="Message 1")).to_have_value("Birds sing.")
    expect(page.locator(".strip-role")).to_have_text(["system", "user", "assistant"])
    # A hostile link is a sentence, and the page goes on with a text.
    page.goto(page.url.split("?")[0] + f"?model={chat_model}&messages=%5B%7B%22role%22%3A1%7D%5D")
    expect(page.get_by_test_id("stAlert")).to_contain_text("messages is ignored")
    expect(text_box(page)).to_be_visible()
