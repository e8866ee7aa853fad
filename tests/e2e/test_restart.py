"""A server that was killed and started again under an open page: what the visitor does first is not lost."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.app_server import free_port, start_app
from tests.helpers.visitor import DESKTOP, inspect_text, url_with, wait_until_drawn, wait_until_idle

pytestmark = pytest.mark.e2e
CONNECTED = '[data-testid="stApp"][data-test-connection-state="CONNECTED"]'


@pytest.fixture
def own_server(tmp_path, browser: Browser) -> Iterator[tuple[Page, Callable[[], None], Callable[[], None]]]:
    """A page on a server of its own, and functions that kill the server and start it again at its address."""
    port, context = free_port(), browser.new_context(viewport=DESKTOP)
    servers = [start_app(tmp_path / "log.txt", port=port)]
    page = context.new_page()
    page.goto(servers[-1][1] + "/?text=Birds+sing+at+dawn&layer=2&head=3")
    wait_until_drawn(page)

    def kill() -> None:
        servers[-1][0].kill()
        servers[-1][0].wait(20)
        expect(page.locator(CONNECTED)).to_have_count(0)

    def start() -> None:
        servers.append(start_app(tmp_path / "log.txt", port=port))
        expect(page.locator(CONNECTED)).to_be_attached(timeout=60_000)

    yield page, kill, start
    context.close()
    servers[-1][0].terminate()
    servers[-1][0].wait(20)


def usable(page: Page) -> None:
    """Wait until the page is drawn again: a list that is open closes when its part of the page is drawn."""
    expect(page.locator('[data-testid="stMain"][inert]')).to_have_count(0, timeout=60_000)
    wait_until_idle(page)


def choose_layer_4(page: Page) -> None:
    usable(page)
    page.get_by_role("combobox", name="Layer", exact=True).click()
    page.get_by_role("option", name="4", exact=True).click()
    expect(page.get_by_role("heading", name="Token to token: layer 4, head 3")).to_be_visible(timeout=60_000)


def labels(page: Page) -> list[str]:
    return page.locator(".st-key-heatmap .js-plotly-plot").evaluate(
        "(plot) => plot._fullLayout.yaxis.ticktext.map(String)"
    )


def test_a_text_typed_after_a_restart_is_inspected(own_server):
    page, kill, start = own_server
    kill()
    start()
    inspect_text(page, "Fish swim at night")
    page.wait_for_function(
        "() => document.querySelector('.js-plotly-plot').innerText.includes('night')", timeout=60_000
    )
    wait_until_idle(page)
    expect(page.get_by_role("textbox", name="Text to inspect")).to_have_value("Fish swim at night")
    expect(page).to_have_url(url_with("Fish+swim+at+night"))
    expect(page).to_have_url(url_with("layer=2&head=3"))


def test_an_example_pressed_after_a_restart_is_shown(own_server):
    page, kill, start = own_server
    kill()
    start()
    page.get_by_role("button", name="Repetition").click()
    expect(page).to_have_url(url_with("To+be"), timeout=60_000)
    expect(page.get_by_role("textbox", name="Text to inspect")).to_have_value(url_with("To be, or not"))


def test_a_head_chosen_after_a_restart_is_shown(own_server):
    page, kill, start = own_server
    kill()
    start()
    choose_layer_4(page)
    expect(page).to_have_url(url_with("layer=4&head=3"))


def test_while_the_server_is_away_nothing_can_be_typed_that_would_be_lost(own_server):
    page, kill, start = own_server
    kill()
    expect(page.get_by_role("textbox", name="Text to inspect")).to_be_disabled()
    assert "dawn" in labels(page)
    start()
    expect(page.get_by_role("textbox", name="Text to inspect")).to_be_enabled()


def test_a_text_too_long_for_a_link_is_still_there(own_server):
    page, kill, start = own_server
    text = "fish swim at night and birds sing at dawn " * 60
    inspect_text(page, text)
    kill()
    start()
    choose_layer_4(page)
    expect(page.get_by_role("textbox", name="Text to inspect")).to_have_value(text)
    # Must not happen: a picture of another text than the one in the box.
    assert len(labels(page)) > len(["[CLS]", "birds", "sing", "at", "dawn", "[SEP]"])
