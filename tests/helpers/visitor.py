"""Actions of a visitor on the page, by labels and keys, and waits for what the page shows."""

import re

from playwright.sync_api import Locator, Page, WebSocketRoute, expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.helpers.heatmap_page import Heatmap
from tests.helpers.settled import eventually, settled

DESKTOP = {"width": 1400, "height": 1000}
PHONE = {"width": 390, "height": 844}
expect.set_options(timeout=20_000)


def wait_until_drawn(page: Page) -> None:
    """Wait until the instrument of the Inspect page shows exact weights and the server is idle."""
    settled(page, timeout=60_000)
    page.wait_for_selector('.instrument[data-drawn$=" exact"]', timeout=60_000)
    settled(page)


def wait_until_idle(page: Page) -> None:
    """Wait until the page has reported its selection, and the server runs no script for it."""
    settled(page)


def url_with(part: str) -> re.Pattern[str]:
    """Return a pattern for a URL that contains this part; `expect` retries, because the URL changes after the page."""
    return re.compile(re.escape(part))


def text_box(page: Page) -> Locator:
    """Return the box of the text to inspect.

    While a page runs again, a box that has moved is there twice: in its new place and, stale, in the old one.
    """
    return page.locator('[data-stale="false"]').get_by_role("textbox", name="Text to inspect")


def inspect_text(page: Page, text: str) -> None:
    """Type a text and run it with Ctrl+Enter."""
    box = text_box(page)
    box.fill(text)
    box.press("Control+Enter")
    wait_until_idle(page)


def choose_example(page: Page, name: str) -> None:
    """Choose an entry of the menu of examples."""
    page.get_by_role("button", name="Examples").click()
    page.get_by_role("menuitem", name=name).click()


def tokens(page: Page) -> list[str]:
    """Return the tokens of the strip, whose first row has the queries."""
    return page.locator(".strip-tokens").first.locator("button").all_inner_texts()


def strip_token(page: Page, position: int) -> Locator:
    return page.locator(f'.strip-token[data-position="{position}"]').first


def graph(page: Page) -> Locator:
    return page.locator(".part-graph")


def graph_keys(page: Page) -> Locator:
    """Return the part of the token graph that takes keys."""
    return page.locator(".part-graph").get_by_role("application")


def heads_keys(page: Page) -> Locator:
    """Return the picture of all heads, which takes keys and clicks."""
    return page.locator(".heads-canvas")


def select_box(page: Page, name: str) -> Locator:
    """Return a select box of the toolbar; on a phone it may be folded away."""
    return page.locator(".toolbar").get_by_role("combobox", name=name, exact=True, include_hidden=True)


def heatmap(page: Page) -> Heatmap:
    return Heatmap(page)


def expect_head(page: Page, layer: int, head: int) -> None:
    """Every part of the instrument shows this head."""
    expect(page.locator(".instrument")).to_have_attribute("data-drawn", f"{layer} {head} exact")
    expect(page.locator(".heads")).to_have_attribute("data-drawn", f"{layer},{head}")
    expect(page.locator(".heatmap")).to_have_attribute("data-head", f"{layer} {head}")
    expect(page.locator(".figures")).to_have_attribute("data-head", f"{layer} {head}")
    expect(page.locator(".part-pairs")).to_have_attribute("data-drawn", f"{layer} {head}")
    expect(page.get_by_role("heading", name=f"Layer {layer}, head {head}", exact=True)).to_be_attached()
    expect(page.get_by_role("heading", name=f"Token to token: layer {layer}, head {head}")).to_be_attached()
    expect(select_box(page, "Layer")).to_have_value(str(layer))
    expect(select_box(page, "Head")).to_have_value(str(head))


def expect_focus(page: Page, query: int | None, key: int | None) -> None:
    """Strip, heatmap and token graph emphasise this query and this key."""
    written = [str("" if position is None else position) for position in (query, key)]
    expect(page.locator(".part-strip")).to_have_attribute("data-focus", ":".join(written))
    expect(page.locator(".heatmap")).to_have_attribute("data-focus", " ".join(written))
    names = [f"{side}:{position}" for side, position in zip(("query", "key"), written, strict=True) if position]
    expect(graph(page)).to_have_attribute("data-focus", " ".join(names))


def expect_locked(page: Page, query: int | None, key: int | None) -> None:
    """The heatmap and the buttons of the strip show this query and this key as locked."""
    written = " ".join(str("" if position is None else position) for position in (query, key))
    expect(page.locator(".heatmap")).to_have_attribute("data-locked", written)
    expect(graph(page)).to_have_attribute("data-locked", "yes" if written.strip() else "")
    release = page.get_by_role("button", name="Release", exact=True, include_hidden=True)
    expect(release).to_be_enabled(enabled=bool(written.strip()))


def head_position(page: Page, layer: int, head: int) -> dict[str, float]:
    """Return the middle of a head's map, in pixels of the canvas of all heads."""
    left, top, across, down = map(float, page.locator(".heads").get_attribute("data-place").split())
    return {"x": left + (head + 0.5) * across, "y": top + (layer + 0.5) * down}


def token_position(page: Page, side: str, row: int) -> tuple[float, float]:
    """Scroll the token graph into view, and return the position of a token on the page, in pixels."""
    graph_keys(page).scroll_into_view_if_needed()
    box = graph_keys(page).bounding_box()
    left, right, top, height = map(float, graph(page).get_attribute("data-place").split())
    x = left - 20 if side == "query" else right + 20
    return box["x"] + x, box["y"] + top + (row + 0.5) * height


def cell_position(page: Page, query: int, key: int) -> tuple[float, float]:
    """Scroll the heatmap into view, and return the position of a pair on the page, in pixels."""
    page.locator(".heatmap-picture").scroll_into_view_if_needed()
    return Heatmap(page).point(query, key)


class MessageGate:
    """Holds back the server's messages to a page while it is closed; `install` it before the page is opened.

    `sent` counts what the page sends to the server.
    """

    def __init__(self) -> None:
        self.closed = False
        self.waiting: list[bytes] = []
        self.sent = 0
        # Of the runs that the page asked for: how many, and whether the server has begun and finished the last one.
        self._n_asked, self._begun, self._finished = 0, False, True

    def install(self, page: Page) -> None:
        self._page = page
        page.route_web_socket("**/_stcore/stream", self._connect)

    def wait_for_answers(self) -> None:
        """Wait until the page has reported everything to the server, and the server has answered, though held back."""
        reported = "() => !document.querySelector('.instrument')?.parentElement.headlightReport?.waiting"
        self._page.wait_for_function(reported)
        self._page.wait_for_timeout(100)  # a link, a theme: the page tells of them a moment later
        eventually(
            self._page,
            lambda: self._finished and self._n_asked == self._page.evaluate("() => window.headlightRuns.nAsked"),
        )

    def _connect(self, page_side: WebSocketRoute) -> None:
        self._page_side = page_side
        server_side = page_side.connect_to_server()
        server_side.on_message(self._receive)
        page_side.on_message(lambda message: self._send(server_side, message))

    def _receive(self, message: bytes) -> None:
        read = ForwardMsg()
        read.ParseFromString(message)
        kind = read.WhichOneof("type")
        self._begun |= kind == "new_session"
        if kind == "script_finished" and read.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self._finished |= self._begun
        self.waiting.append(message)
        if not self.closed:
            self.open()

    def _send(self, server_side: WebSocketRoute, message: str | bytes) -> None:
        self.sent += 1
        asked = BackMsg()
        asked.ParseFromString(message if isinstance(message, bytes) else message.encode())
        if asked.WhichOneof("type") == "rerun_script":
            self._n_asked, self._begun, self._finished = self._n_asked + 1, False, False
        server_side.send(message)

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
