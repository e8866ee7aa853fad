"""A server that is killed and started again while a page is open: the first action of the visitor is not lost."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.app_server import free_port, start_app
from tests.helpers.visitor import (
    DESKTOP,
    choose_example,
    expect_head,
    expect_locked,
    heads_keys,
    inspect_text,
    select_box,
    strip_token,
    tokens,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e
CONNECTED = '[data-testid="stApp"][data-test-connection-state="CONNECTED"]'


class Server:
    """The app on its own port, which a test kills and starts again."""

    def __init__(self, log: Path) -> None:
        self._log, self._port = log, free_port()
        self.start()

    def start(self) -> None:
        self._process, self.url = start_app(self._log, port=self._port)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(20)

    def start_if_killed(self) -> None:
        if self._process.poll() is not None:
            self.start()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("restart") / "log.txt")
    yield running
    running.kill()


@pytest.fixture
def page(server: Server, browser: Browser) -> Iterator[Page]:
    """A page that the running server has drawn."""
    server.start_if_killed()  # by a test that failed
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        page.goto(f"{server.url}/?text=Birds+sing+at+dawn&layer=2&head=3")
        wait_until_drawn(page)
        yield page


def kill(server: Server, page: Page) -> None:
    server.kill()
    expect(page.locator(CONNECTED)).to_have_count(0)


def start(server: Server, page: Page) -> None:
    server.start()
    expect(page.locator(CONNECTED)).to_be_attached(timeout=60_000)


def wait_until_usable(page: Page) -> None:
    """Wait until the page is drawn again: Streamlit closes an open list when it redraws that part of the page."""
    expect(page.locator('[data-testid="stMain"][inert]')).to_have_count(0, timeout=60_000)
    wait_until_idle(page)


def choose_layer_4(page: Page) -> None:
    wait_until_usable(page)
    select_box(page, "Layer").select_option("4")
    expect_head(page, 4, 3)


def test_a_text_typed_after_a_restart_is_inspected(server, page):
    kill(server, page)
    start(server, page)
    inspect_text(page, "Fish swim at night")
    expect(page.locator(".strip-token", has_text="night")).to_be_visible(timeout=60_000)
    wait_until_idle(page)
    expect(page.get_by_role("textbox", name="Text to inspect")).to_have_value("Fish swim at night")
    expect(page).to_have_url(url_with("Fish+swim+at+night"))
    # Must not happen: another head than that of the link.
    expect_head(page, 2, 3)
    expect(page).to_have_url(url_with("layer=2&head=3"))


def test_an_example_pressed_after_a_restart_is_shown(server, page):
    kill(server, page)
    start(server, page)
    choose_example(page, "Repetition")
    expect(page).to_have_url(url_with("To+be"), timeout=60_000)
    expect(page.get_by_role("textbox", name="Text to inspect")).to_have_value(re.compile("To be, or not"))
    # Must not happen: the head of the earlier text.
    expect_head(page, 1, 1)
    expect_locked(page, 7, 2)


def test_a_head_chosen_after_a_restart_is_shown(server, page):
    kill(server, page)
    start(server, page)
    choose_layer_4(page)
    expect(page).to_have_url(url_with("layer=4&head=3"))


def test_a_head_chosen_while_the_server_is_down_is_kept(server, page):
    strip_token(page, 2).click()
    page.wait_for_timeout(600)
    kill(server, page)
    heads_keys(page).press("ArrowRight")
    expect_head(page, 2, 4)
    start(server, page)
    wait_until_usable(page)
    wait_until_drawn(page)
    # Must not happen: the new server takes the head or the token back.
    expect_head(page, 2, 4)
    expect_locked(page, 2, None)
    expect(page).to_have_url(url_with("layer=2&head=4&token=query%3A2"))


def test_while_the_server_is_down_the_text_box_is_disabled(server, page):
    kill(server, page)
    expect(page.get_by_role("textbox", name="Text to inspect")).to_be_disabled()
    assert "dawn" in tokens(page)
    start(server, page)
    expect(page.get_by_role("textbox", name="Text to inspect")).to_be_enabled()


def test_a_text_too_long_for_a_link_survives_a_restart(server, page):
    text = "fish swim at night and birds sing at dawn " * 60
    inspect_text(page, text)
    expect(page.locator(".part-strip")).to_have_attribute("data-tokens", "128", timeout=60_000)
    kill(server, page)
    start(server, page)
    choose_layer_4(page)
    expect(page.get_by_role("textbox", name="Text to inspect")).to_have_value(text)
    # Must not happen: a picture of a text other than the one in the box.
    assert tokens(page)[1] == "fish"
    expect(page.locator(".heatmap")).to_have_attribute("data-region", "0 255 0 255")
