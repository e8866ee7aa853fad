"""A server that is killed and started again while a page is open: the first action of the visitor is not lost."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.app_server import free_port, start_app
from tests.helpers.settled import follow_runs
from tests.helpers.visitor import (
    DESKTOP,
    choose_example,
    expect_head,
    expect_locked,
    heads_keys,
    inspect_text,
    select_box,
    strip_token,
    text_box,
    tokens,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e
LONG = "fish swim at night and birds sing at dawn " * 60
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


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    running = Server(tmp_path / "log.txt")
    yield running
    running.kill()


@pytest.fixture
def open_there(server: Server, browser: Browser) -> Iterator[Callable[[], Page]]:
    """A function that opens a page of the server for another visitor."""
    with browser.new_context(viewport=DESKTOP) as context:

        def open_it() -> Page:
            page = context.new_page()
            follow_runs(page)
            page.goto(f"{server.url}/?text=Birds+sing+at+dawn&layer=2&head=3")
            wait_until_drawn(page)
            return page

        yield open_it


def wait_until_usable(page: Page) -> None:
    """Wait until the page is drawn again: Streamlit closes an open list when it redraws that part of the page."""
    expect(page.locator('[data-testid="stMain"][inert]')).to_have_count(0, timeout=60_000)
    wait_until_idle(page)


def expect_the_typed_text(page: Page) -> None:
    expect(page.locator(".strip-token", has_text="night")).to_be_visible(timeout=60_000)
    wait_until_idle(page)
    expect(text_box(page)).to_have_value("Fish swim at night")
    expect(page).to_have_url(url_with("Fish+swim+at+night"))
    # Must not happen: another head than that of the link.
    expect_head(page, 2, 3)
    expect(page).to_have_url(url_with("layer=2&head=3"))


def expect_the_example(page: Page) -> None:
    expect(page).to_have_url(url_with("To+be"), timeout=60_000)
    expect(text_box(page)).to_have_value(re.compile("To be, or not"))
    # Must not happen: the head of the earlier text.
    expect_head(page, 1, 1)
    expect_locked(page, 7, 2)


def expect_the_head_of_before(page: Page) -> None:
    expect(text_box(page)).to_be_enabled()
    wait_until_usable(page)
    wait_until_drawn(page)
    # Must not happen: the new server takes the head or the token back.
    expect_head(page, 2, 4)
    expect_locked(page, 2, None)
    expect(page).to_have_url(url_with("layer=2&head=4&token=query%3A2"))


def choose_layer_of_the_long_text(page: Page) -> None:
    wait_until_usable(page)
    select_box(page, "Layer").select_option("4")
    expect_head(page, 4, 3)
    expect(text_box(page)).to_have_value(LONG)
    # Must not happen: a picture of a text other than the one in the box.
    expect(strip_token(page, 1)).to_have_text("fish")
    expect(page.locator(".heatmap")).to_have_attribute("data-region", "0 255 0 255")
    expect(page).to_have_url(url_with("layer=4&head=3"))


def test_the_first_action_of_every_visitor_after_a_restart_is_kept(server, open_there):
    pages = typed, example, kept, long = [open_there() for _ in range(4)]
    inspect_text(long, LONG)  # too long for a link
    expect(long.locator(".part-strip")).to_have_attribute("data-tokens", "128", timeout=60_000)
    strip_token(kept, 2).click()
    for page in pages:
        wait_until_idle(page)
    server.kill()
    for page in pages:
        expect(page.locator(CONNECTED)).to_have_count(0)
        expect(text_box(page)).to_be_disabled()
    assert "dawn" in tokens(kept)
    heads_keys(kept).press("ArrowRight")
    expect_head(kept, 2, 4)
    server.start()
    expect(typed.locator(CONNECTED)).to_be_attached(timeout=60_000)
    text_box(typed).fill("Fish swim at night")
    text_box(typed).press("Control+Enter")
    expect(example.locator(CONNECTED)).to_be_attached(timeout=60_000)
    choose_example(example, "Repetition")
    expect_the_typed_text(typed)
    expect_the_example(example)
    expect_the_head_of_before(kept)
    choose_layer_of_the_long_text(long)
