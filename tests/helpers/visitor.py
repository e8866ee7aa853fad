"""Actions of a visitor on the page, by labels and keys, and waits for what the page shows."""

import re

from playwright.sync_api import Locator, Page, WebSocketRoute, expect

DESKTOP = {"width": 1400, "height": 1000}
PHONE = {"width": 390, "height": 844}
expect.set_options(timeout=20_000)


def wait_until_drawn(page: Page) -> None:
    """Wait until all pictures of the Inspect page are drawn and the server is idle."""
    page.wait_for_selector(".js-plotly-plot .heatmaplayer image, .js-plotly-plot .hm", timeout=60_000)
    page.wait_for_selector(".grid[data-drawn]", timeout=30_000)
    page.wait_for_selector(".flow[data-lines]", timeout=30_000)
    wait_until_idle(page)


def wait_until_idle(page: Page) -> None:
    """Wait until the server runs no script for this page."""
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_attached(timeout=30_000)
    page.wait_for_timeout(150)
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_attached(timeout=30_000)


def url_with(part: str) -> re.Pattern[str]:
    """Return a pattern for a URL that contains this part; `expect` retries, because the URL changes after the page."""
    return re.compile(re.escape(part))


def inspect_text(page: Page, text: str) -> None:
    """Type a text and run it with Ctrl+Enter."""
    box = page.get_by_role("textbox", name="Text to inspect")
    box.fill(text)
    box.press("Control+Enter")
    wait_until_idle(page)


def flow(page: Page) -> Locator:
    return page.locator(".flow")


def grid(page: Page) -> Locator:
    return page.locator(".grid")


def head_position(page: Page, layer: int, head: int) -> dict[str, float]:
    """Return the middle of a head's map, in pixels of the grid's canvas."""
    left, top, across, down = map(float, grid(page).get_attribute("data-place").split())
    return {"x": left + (head + 0.5) * across, "y": top + (layer + 0.5) * down}


def token_position(page: Page, side: str, row: int) -> tuple[float, float]:
    """Scroll the flow into view, and return the position of a token on the page, in pixels."""
    page.locator(".flow-scroll").scroll_into_view_if_needed()
    box = page.locator(".flow-scroll").bounding_box()
    height = int(flow(page).get_attribute("data-row-height"))
    x = box["x"] + (20 if side == "query" else box["width"] - 20)
    return x, box["y"] + 22 + (row + 0.5) * height


def cell_position(page: Page, query: int, key: int) -> tuple[float, float]:
    """Scroll the heatmap into view, move the pointer beside a pair, and return the position of the pair, in pixels."""
    plot = page.locator(".js-plotly-plot")
    plot.scroll_into_view_if_needed()
    x, y = plot.evaluate(
        """(plot, [query, key]) => {
        const { xaxis, yaxis } = plot._fullLayout, box = plot.getBoundingClientRect();
        return [box.left + xaxis._offset + xaxis.d2p(key), box.top + yaxis._offset + yaxis.d2p(query)]; }""",
        [query, key],
    )
    page.mouse.move(x - 3, y - 3)
    return x, y


class MessageGate:
    """Holds back the server's messages to a page while it is closed; `install` it before the page is opened."""

    def __init__(self) -> None:
        self.closed = False
        self.waiting: list[bytes] = []

    def install(self, page: Page) -> None:
        page.route_web_socket("**/_stcore/stream", self._connect)

    def _connect(self, page_side: WebSocketRoute) -> None:
        self._page_side = page_side
        page_side.connect_to_server().on_message(self._receive)

    def _receive(self, message: bytes) -> None:
        self.waiting.append(message)
        if not self.closed:
            self.open()

    def close(self) -> None:
        self.closed = True

    def release(self, n_messages: int) -> None:
        """Send the first waiting messages to the page; the gate stays closed."""
        for _ in range(n_messages):
            self._page_side.send(self.waiting.pop(0))

    def open(self) -> None:
        """Send all waiting messages to the page, and later ones at once."""
        self.closed = False
        self.release(len(self.waiting))
