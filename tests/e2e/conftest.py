"""The running app in a real browser. If no browser is installed, the tests fail and say how to install one."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.helpers.app_server import FLAGS, find_browser, start_app
from tests.helpers.e2e_models import save_bart, save_gpt, save_long_bert, save_markup_bert, save_vit
from tests.helpers.picture_models import build_text_picture
from tests.helpers.settled import follow_runs
from tests.helpers.traffic import Traffic
from tests.helpers.visitor import DESKTOP, wait_until_drawn
from tests.helpers.whole_minilm import save_whole_minilm


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = find_browser()
        if path is None and not os.path.exists(playwright.chromium.executable_path):
            pytest.fail("No Chromium: install one (Debian: apt-get install chromium), or run `make browser`.")
        # One process for all pages of `warm_context`.
        chromium = playwright.chromium.launch(executable_path=path, args=[*FLAGS, "--process-per-site"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def app_log(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("app") / "log.txt"


@pytest.fixture(scope="session")
def app(app_log) -> Iterator[str]:
    """The URL of one running app, shared by all tests."""
    process, url = start_app(app_log)
    yield url
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="session")
def warm_context(app, browser) -> Iterator[BrowserContext]:
    """A context that has loaded and compiled the scripts of the app.

    Its first page stays open, and with it the process of the renderer, so that the browser compiles the scripts of
    Streamlit and Plotly only once: opening a page then takes 2.0 s of CPU instead of 4.3 s.
    """
    context = browser.new_context(viewport=DESKTOP)
    context.new_page().goto(f"{app}/_stcore/health")
    yield context
    context.close()


@pytest.fixture(scope="session")
def file_context(browser, tmp_path_factory) -> Iterator[BrowserContext]:
    """A context for pages that are files. As in `warm_context`, its first page keeps the renderer and its scripts."""
    first = tmp_path_factory.mktemp("first") / "page.html"
    first.write_text("<!doctype html><title>First</title>", encoding="utf-8")
    context = browser.new_context(viewport=DESKTOP)
    context.new_page().goto(first.as_uri())
    yield context
    context.close()


@pytest.fixture
def new_file_page(file_context) -> Iterator[Callable[..., Page]]:
    """Return a function that returns an empty page for a file. After the test, no script of any has failed."""
    pages: list[Page] = []
    troubles: list[str] = []

    def make(viewport: dict = DESKTOP) -> Page:
        page = file_context.new_page()
        pages.append(page)
        page.set_viewport_size(viewport)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        return page

    yield make
    for page in pages:
        page.close()
    file_context.pages[0].evaluate("() => localStorage.clear()")
    assert troubles == []


@pytest.fixture(scope="session")
def markup_bert(tmp_path_factory) -> Path:
    """A BERT whose vocabulary contains markup, so that a payload becomes one token."""
    return save_markup_bert(tmp_path_factory.mktemp("markup") / "markup-bert")


@pytest.fixture(scope="session")
def tiny_bart(tmp_path_factory) -> Path:
    """An encoder-decoder, with three kinds of attention."""
    return save_bart(tmp_path_factory.mktemp("bart") / "tiny-bart")


@pytest.fixture(scope="session")
def whole_minilm(tmp_path_factory) -> Path:
    """The bundled encoder for texts of all its 512 positions."""
    return save_whole_minilm(tmp_path_factory.mktemp("whole") / "minilm-512")


@pytest.fixture(scope="session")
def long_bert(tmp_path_factory) -> Path:
    """An encoder of 4 layers and 4 heads for texts of thousands of tokens."""
    return save_long_bert(tmp_path_factory.mktemp("long") / "long-bert")


@pytest.fixture(scope="session")
def tiny_gpt(tmp_path_factory) -> Path:
    """A decoder that can continue a text."""
    return save_gpt(tmp_path_factory.mktemp("gpt") / "tiny-gpt")


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory) -> Path:
    """A model that reads pictures."""
    return save_vit(tmp_path_factory.mktemp("vit") / "tiny-vit")


@pytest.fixture(scope="session")
def tiny_llava(tmp_path_factory) -> Path:
    """A model that reads a text with a picture."""
    return build_text_picture("llava", tmp_path_factory.mktemp("llava") / "tiny-llava")


class Watched:
    """Requests to other servers and errors on the console, of all pages of a context: both must stay empty."""

    def __init__(self, context: BrowserContext) -> None:
        self.outside: list[str] = []
        self.errors: list[str] = []
        self._context = context
        self._listeners = {"request": self._request, "console": self._console, "weberror": self._error}
        for event, listener in self._listeners.items():
            context.on(event, listener)

    def stop(self) -> None:
        for event, listener in self._listeners.items():
            self._context.remove_listener(event, listener)

    def _error(self, error) -> None:
        self.errors.append(str(error.error))

    def _console(self, message) -> None:
        # On a page below the root, Streamlit's client first looks for its server there, and then at the root.
        looks_for_server = "/_stcore/" in message.location.get("url", "") and "404" in message.text
        if message.type == "error" and not looks_for_server:
            self.errors.append(message.text)

    def _request(self, request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "blob:", "data:", "file:")):
            self.outside.append(request.url)


@pytest.fixture
def open_page(app, browser, warm_context) -> Iterator:
    """Return a function that opens the app: `open_page("/?layer=1", viewport=PHONE, dark=True)`.

    `ready` waits until the page is drawn: `wait_until_drawn` for the Inspect page, `wait_until_idle` for the others.
    `prepare` gets the page before it is opened. `cold` opens it as a first visit, with an empty cache.

    After the test, no page has sent a request to another server, and the consoles show no error.
    """
    pages: list[Page] = []
    watched = {warm_context: Watched(warm_context)}

    def open_it(
        path: str = "/",
        viewport: dict = DESKTOP,
        dark: bool = False,
        ready: Callable[[Page], None] = wait_until_drawn,
        prepare: Callable[[Page], object] = lambda page: None,
        cold: bool = False,
    ) -> Page:
        context = browser.new_context() if cold else warm_context
        if cold:
            watched[context] = Watched(context)
        page = context.new_page()
        pages.append(page)
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme="dark" if dark else "light")
        prepare(page)
        follow_runs(page)
        page.goto(app + path)
        ready(page)
        return page

    yield open_it
    for page in pages:
        page.close()
    # Nothing of this visit is left for the next test but the cached scripts.
    warm_context.pages[0].evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
    warm_context.clear_cookies()
    for context, seen in watched.items():
        seen.stop()
        if context is not warm_context:
            context.close()
    for seen in watched.values():
        assert seen.outside == []
        assert seen.errors == []


@pytest.fixture
def visit(open_page):
    """Open a page whose traffic is counted from when it is drawn."""

    def open_it(path: str = "/?layer=3&head=1", **options: object) -> tuple[Page, Traffic]:
        traffic = Traffic()
        page = open_page(path, prepare=traffic.install, **options)
        traffic.clear()
        return page, traffic

    return open_it
