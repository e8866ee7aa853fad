"""The running app in a real browser. A missing browser is a failure with its remedy, never a silent skip."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.helpers.app_server import FLAGS, find_browser, start_app
from tests.helpers.e2e_models import save_bart, save_gpt, save_long_bert, save_markup_bert, save_vit
from tests.helpers.visitor import DESKTOP, wait_until_drawn


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = find_browser()
        if path is None and not os.path.exists(playwright.chromium.executable_path):
            pytest.fail("No Chromium: install one (Debian: apt-get install chromium), or run `make browser`.")
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def app_log(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("app") / "log.txt"


@pytest.fixture(scope="session")
def app(app_log) -> Iterator[str]:
    """The address of one running app, shared by all tests."""
    process, url = start_app(app_log)
    yield url
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="session")
def markup_bert(tmp_path_factory) -> Path:
    """A BERT whose vocabulary holds whole pieces of markup, so that a payload arrives as one token."""
    return save_markup_bert(tmp_path_factory.mktemp("markup") / "markup-bert")


@pytest.fixture(scope="session")
def tiny_bart(tmp_path_factory) -> Path:
    """An encoder-decoder: three kinds of attention."""
    return save_bart(tmp_path_factory.mktemp("bart") / "tiny-bart")


@pytest.fixture(scope="session")
def long_bert(tmp_path_factory) -> Path:
    """An encoder of 4 layers and 4 heads for texts of thousands of tokens."""
    return save_long_bert(tmp_path_factory.mktemp("long") / "long-bert")


@pytest.fixture(scope="session")
def tiny_gpt(tmp_path_factory) -> Path:
    """A decoder with its language-model head."""
    return save_gpt(tmp_path_factory.mktemp("gpt") / "tiny-gpt")


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory) -> Path:
    """A model that reads pictures."""
    return save_vit(tmp_path_factory.mktemp("vit") / "tiny-vit")


class Watched:
    """What a page did that no page of ours may do."""

    def __init__(self, context: BrowserContext) -> None:
        self.outside: list[str] = []
        self.errors: list[str] = []
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def _console(self, message) -> None:
        # Opened below the root, Streamlit's client looks for its server there first, and then at the root.
        looks_for_server = "/_stcore/" in message.location.get("url", "") and "404" in message.text
        if message.type == "error" and not looks_for_server:
            self.errors.append(message.text)

    def _request(self, request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "blob:", "data:", "file:")):
            self.outside.append(request.url)


@pytest.fixture
def open_page(app, browser) -> Iterator:
    """Return a function that opens the app: `open_page("/?layer=1", viewport=PHONE, dark=True)`.

    `ready` waits until the page is drawn: `finished` the Inspect page, `settled` any other. `prepare` gets the page
    before it is opened.

    After the test: nothing was asked of an outside server, and the console is clean.
    """
    contexts: list[tuple[BrowserContext, Watched]] = []

    def open_it(
        path: str = "/",
        viewport: dict = DESKTOP,
        dark: bool = False,
        ready: Callable[[Page], None] = wait_until_drawn,
        prepare: Callable[[Page], object] = lambda page: None,
    ) -> Page:
        context = browser.new_context(
            viewport=viewport, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        contexts.append((context, Watched(context)))
        page = context.new_page()
        prepare(page)
        page.goto(app + path)
        ready(page)
        return page

    yield open_it
    for context, watched in contexts:
        context.close()
        assert watched.outside == []
        assert watched.errors == []
