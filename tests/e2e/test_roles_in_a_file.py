"""A conversation in a file: the strip names each role in a readable colour, and axe-core finds nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from models import load_model
from tests.helpers.accessibility import violations
from tests.helpers.chat_templates import save_chat_model
from tests.helpers.instrument_file import write_instrument

pytestmark = pytest.mark.e2e
TALK = [{"role": "system", "content": "Be."}, {"role": "user", "content": "The cat?"}]
DARK = ":root { --st-text-color: #fafafa; --st-background-color: #0e1117 } body { background: #0e1117 }"


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> str:
    folder: Path = tmp_path_factory.mktemp("chat")
    trace = load_model(str(save_chat_model(folder / "model"))).trace(messages=TALK, generate=2)
    return write_instrument(folder / "roles.html", trace["decoder"], "layer=1&head=1")


def test_the_strip_names_each_role_once_per_message(new_file_page: Callable[..., Page], url: str) -> None:
    page = new_file_page()
    page.goto(url)
    page.wait_for_selector(".instrument[data-drawn]")
    assert page.locator(".strip-role").all_inner_texts() == ["system", "user", "assistant"]
    assert page.locator(".heatmap .roles-entry").all_inner_texts() == ["system", "user", "assistant"]
    assert page.locator(".part-graph .roles").is_hidden()
    colours = page.locator(".strip-role").evaluate_all("all => all.map(one => getComputedStyle(one).color)")
    assert len(set(colours)) == 3
    edges = page.locator(".strip-token").evaluate_all("all => all.map(one => getComputedStyle(one).borderTopColor)")
    assert set(edges) == set(colours)


@pytest.mark.parametrize("dark", [False, True])
def test_roles_can_be_read_on_light_and_dark_pages(new_file_page: Callable[..., Page], url: str, dark: bool) -> None:
    page = new_file_page()
    page.goto(url)
    if dark:
        page.add_style_tag(content=DARK)
    page.wait_for_selector(".instrument[data-drawn]")
    before = "rgb(45, 212, 191)" if dark else "rgb(15, 118, 110)"
    page.wait_for_function(
        "before => getComputedStyle(document.querySelectorAll('.strip-role')[1]).color === before", arg=before
    )
    # A file of the instrument alone has no heading of the first level.
    assert [each for each in violations(page) if not each.startswith("page-has-heading-one")] == []
