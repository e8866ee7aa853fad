"""What a visitor does on the page, by label and by key."""

import re

from playwright.sync_api import Locator, Page, WebSocketRoute, expect

DESKTOP = {"width": 1400, "height": 1000}
PHONE = {"width": 390, "height": 844}
expect.set_options(timeout=20_000)


def finished(page: Page) -> None:
    """Wait until all pictures are drawn and the server is idle."""
    page.wait_for_selector(".js-plotly-plot .heatmaplayer image, .js-plotly-plot .hm", timeout=60_000)
    page.wait_for_selector(".grid[data-drawn]", timeout=30_000)
    page.wait_for_selector(".flow[data-lines]", timeout=30_000)
    settled(page)


def settled(page: Page) -> None:
    """Wait until no rerun is under way."""
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_attached(timeout=30_000)
    page.wait_for_timeout(150)
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_attached(timeout=30_000)


def having(part: str) -> re.Pattern[str]:
    """Return what matches an address that has this part; the address follows the page by a frame or two."""
    return re.compile(re.escape(part))


def inspect(page: Page, text: str) -> None:
    """Type a text as a visitor does, and run it."""
    box = page.get_by_role("textbox", name="Text to inspect")
    box.fill(text)
    box.press("Control+Enter")
    settled(page)


def flow(page: Page) -> Locator:
    return page.locator(".flow")


def grid(page: Page) -> Locator:
    return page.locator(".grid")


def place_of_head(page: Page, layer: int, head: int) -> dict[str, float]:
    """Return where the middle of a head's map is on the grid's canvas."""
    left, top, across, down = map(float, grid(page).get_attribute("data-place").split())
    return {"x": left + (head + 0.5) * across, "y": top + (layer + 0.5) * down}


def row_of(page: Page, side: str, row: int) -> tuple[float, float]:
    """Return where a token of the flow stands on the page, scrolled into view."""
    page.locator(".flow-scroll").scroll_into_view_if_needed()
    box = page.locator(".flow-scroll").bounding_box()
    height = int(flow(page).get_attribute("data-row-height"))
    x = box["x"] + (20 if side == "query" else box["width"] - 20)
    return x, box["y"] + 26 + (row + 0.5) * height


def cell(page: Page, query: int, key: int) -> tuple[float, float]:
    """Return where a pair of the heatmap stands on the page, scrolled into view, the pointer beside it."""
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


class Door:
    """What the server sends to a page, held back while the door is shut; `hang` it before the page is opened."""

    def __init__(self) -> None:
        self.shut, self.waiting = False, []

    def hang(self, page: Page) -> None:
        page.route_web_socket("**/_stcore/stream", self.connect)

    def connect(self, page_side: WebSocketRoute) -> None:
        self.page_side = page_side
        page_side.connect_to_server().on_message(self.arrive)

    def arrive(self, message: bytes) -> None:
        self.waiting.append(message)
        if not self.shut:
            self.open()

    def let(self, n_messages: int) -> None:
        for _ in range(n_messages):
            self.page_side.send(self.waiting.pop(0))

    def open(self) -> None:
        self.shut = False
        self.let(len(self.waiting))
