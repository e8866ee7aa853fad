"""What a visitor waits for: a new sentence, a head switch, a hover; the model is loaded, the browser a real one.

Times run in the browser, from the event's own time to the end of the frame that shows its effect.
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from benchmarks.browser import chromium, new_page
from benchmarks.shapes import text_of
from benchmarks.table import Report, met, size
from tests.helpers.app_server import start_app
from tests.helpers.visitor import head_position, inspect_text, token_position, wait_until_drawn, wait_until_idle

SENTENCES = 9
SWITCHES = 21
HOVERS = 41
# Medians from before the browser owned the selection.
BEFORE = {13: "207 ms", 128: "222 ms"}
# The server hears of a selection after this pause.
PAUSE_MS = 700


class Traffic:
    """Counts messages of the WebSocket, answers to requests of the instrument, and the bytes of both."""

    def __init__(self, page: Page) -> None:
        self.messages = self.answers = self.n_bytes = 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._message))
        page.on("requestfinished", self._answer)

    def _message(self, data: str | bytes) -> None:
        self.messages += 1
        self.n_bytes += len(data)

    def _answer(self, request: object) -> None:
        if "/instrument/" in request.url:  # type: ignore[attr-defined]
            self.answers += 1
            self.n_bytes += request.sizes()["responseBodySize"]  # type: ignore[attr-defined]

    def reset(self) -> None:
        self.messages = self.answers = self.n_bytes = 0


def time(page: Page, event: str, is_drawn: str, act: Callable[[], object]) -> tuple[float, float]:
    """Return the milliseconds from an event to its first frame, and to the first frame with exact weights."""
    page.evaluate(f"() => benchmark.time({event!r}, (dataset) => {is_drawn})")
    act()
    first, exact = page.evaluate("benchmark.taken")
    return first, exact


def sentence(page: Page, text: str) -> float:
    """Return the milliseconds from Ctrl+Enter to all pictures of a new text."""
    box = page.get_by_role("textbox", name="Text to inspect")
    box.fill(text)
    before = page.locator(".instrument").get_attribute("data-trace")
    _, exact = time(
        page, "keydown", f'dataset.trace !== "{before}" && dataset.drawn', lambda: box.press("Control+Enter")
    )
    wait_until_idle(page)
    return exact


def head_switch(page: Page, layer: int, head: int) -> tuple[float, float]:
    """Return the milliseconds from a click on a thumbnail to the next frame of all pictures, and to the exact one."""
    canvas, at = page.locator(".heads-canvas"), head_position(page, layer, head)
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + at["x"], box["y"] + at["y"]
    page.mouse.move(x, y)
    page.wait_for_timeout(100)
    return time(page, "click", f'dataset.drawn.startsWith("{layer} {head} ")', lambda: page.mouse.click(x, y))


def hover(page: Page, row: int) -> float:
    """Return the milliseconds from the mouse's own move to the frame in which all parts show the token."""
    x, y = token_position(page, "query", row)
    return time(page, "pointermove", f'dataset.focus === "{row} "', lambda: page.mouse.move(x, y))[0]


def places(count: int) -> list[tuple[int, int]]:
    """Return layers and heads, each other than the one before, none the first that a page shows."""
    return [(number % 6, number * 5 % 12) for number in range(1, count + 1)]


@contextmanager
def app() -> Iterator[str]:
    """Start the app; give its address; stop it."""
    with tempfile.TemporaryDirectory() as folder:
        process, url = start_app(Path(folder) / "log.txt")
        try:
            yield url
        finally:
            stop(process)


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait(20)


def main(report: Report) -> None:
    """Print what a visitor waits for."""
    rows = []
    with app() as url, sync_playwright() as playwright, chromium(playwright) as browser:
        page = new_page(browser)
        traffic = Traffic(page)
        page.goto(f"{url}/?text={text_of(20)}&layer=0&head=0")
        wait_until_drawn(page)
        sentences = [sentence(page, text_of(20, str(number))) for number in range(1, SENTENCES + 2)][1:]
        rows.append(row("a new 20-token sentence, Ctrl+Enter to all pictures", sentences, 1000))
        for n_tokens, most in ((13, 16), (128, 33)):
            inspect_text(page, text_of(n_tokens))
            wait_until_drawn(page)
            rows += switches(page, traffic, n_tokens, most)
        hovers = [hover(page, number % 20 + 1) for number in range(HOVERS)]
        rows.append(row("hover at 128 tokens, the mouse's move to the drawn frame", hovers, 17))
        version = browser.version
    report.table(f"The page, MiniLM, Chromium {version}", ("what", "median", "slowest", "to reach", "met"), rows)


def switches(page: Page, traffic: Traffic, n_tokens: int, most: int) -> list[tuple[str, ...]]:
    """Return the rows of head switches: their times, and what the server sends for one."""
    head_switch(page, *places(SWITCHES + 1)[-1])
    page.wait_for_timeout(PAUSE_MS)
    traffic.reset()
    taken = [head_switch(page, *place) for place in places(SWITCHES)]
    answers, n_bytes = traffic.answers, traffic.n_bytes
    page.wait_for_timeout(PAUSE_MS)
    per_switch = f"{answers / SWITCHES:.1f} requests, {size(n_bytes / SWITCHES)} for each"
    name = f"head switch at {n_tokens} tokens"
    firsts, exacts = ([each[number] for each in taken] for number in (0, 1))
    return [
        row(f"{name}, click to the next frame (before: {BEFORE[n_tokens]})", firsts, most),
        row(f"{name}, click to exact weights ({per_switch})", exacts, 150),
    ]


def row(what: str, taken: list[float], most: int) -> tuple[str, ...]:
    middle = median(taken)
    return what, f"{middle:.1f} ms", f"{max(taken):.0f} ms", f"at most {most} ms", met(middle <= most)
