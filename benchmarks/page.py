"""What a visitor waits for: a new sentence, a head switch, a hover; the model is loaded, the browser a real one."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from benchmarks.browser import chromium, new_page
from benchmarks.shapes import text_of
from benchmarks.table import Report, met
from tests.helpers.app_server import start_app
from tests.helpers.visitor import inspect_text, token_position, wait_until_drawn, wait_until_idle

SENTENCES = 9
SWITCHES = 21
HOVERS = 41
ALL = ("grid", "flow", "heatmap")
HEAD = ("flow", "heatmap")

_DEEP = """const deep = (selector, root = document) => root.querySelector(selector) ??
  [...root.querySelectorAll("*")].filter((e) => e.shadowRoot).map((e) => deep(selector, e.shadowRoot)).find(Boolean);"""


def pictures(page: Page, act: Callable[[], object], names: tuple[str, ...]) -> float:
    """Return the milliseconds from what the visitor does to the last change of these pictures on the screen."""
    page.evaluate("benchmark.watch()")
    act()
    page.wait_for_function("(names) => benchmark.quiet(names)", arg=list(names), timeout=60_000)
    changed = page.evaluate("benchmark.changed")
    page.evaluate("benchmark.end()")
    return max(changed[name] for name in names)


def sentence(page: Page, text: str) -> float:
    """Return the milliseconds from Ctrl+Enter to all pictures of a new text."""
    box = page.get_by_role("textbox", name="Text to inspect")
    box.fill(text)
    return pictures(page, lambda: box.press("Control+Enter"), ALL)


def head_switch(page: Page, layer: int, head: int) -> float:
    """Return the milliseconds from a click on a thumbnail to its heatmap and flow."""
    click = f"""() => {{ {_DEEP}
      const canvas = deep(".grid-canvas"), box = canvas.getBoundingClientRect();
      const [left, top, across, down] = deep(".grid").dataset.place.split(" ").map(Number);
      canvas.dispatchEvent(new MouseEvent("click", {{ bubbles: true, composed: true,
        clientX: box.left + left + {head + 0.5} * across, clientY: box.top + top + {layer + 0.5} * down }})); }}"""
    wait_until_idle(page)
    return pictures(page, lambda: page.evaluate(click), HEAD)


def hover(page: Page, row: int) -> float:
    """Return the milliseconds from the mouse's own move to the frame that has drawn the token's lines.

    The mouse moves at any moment, as a visitor's does: the clock starts at the time that the event itself carries.
    """
    x, y = token_position(page, "query", row)
    page.evaluate(
        """() => { DEEP
            const scroll = deep(".flow-scroll"), root = deep(".flow");
            window.drawn = new Promise((resolve) => scroll.addEventListener("pointermove", (event) => {
              const look = () => root.dataset.drawn === root.dataset.focus
                ? resolve(performance.now() - event.timeStamp) : requestAnimationFrame(look);
              requestAnimationFrame(look);
            }, { once: true })); }""".replace("DEEP", _DEEP)
    )
    page.mouse.move(x, y)
    return page.evaluate("window.drawn")


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
    with app() as url, sync_playwright() as playwright, chromium(playwright) as browser:
        page = new_page(browser)
        page.goto(url)
        wait_until_drawn(page)
        sentences = [sentence(page, text_of(20, str(number))) for number in range(1, SENTENCES + 2)][1:]
        switches = {}
        for n_tokens in (20, 128):
            inspect_text(page, text_of(n_tokens))
            wait_until_drawn(page)
            switches[n_tokens] = [head_switch(page, *place) for place in places(SWITCHES + 1)][1:]
        hovers = [hover(page, number % 20 + 1) for number in range(HOVERS)]
        version = browser.version
    rows = [
        row("a new 20-token sentence, Ctrl+Enter to all pictures", sentences, 1000),
        row("head switch at 20 tokens", switches[20], 300),
        row("head switch at 128 tokens", switches[128], 300),
        row("hover at 128 tokens, the mouse's move to the drawn frame", hovers, 17),
    ]
    report.table(f"The page, MiniLM, Chromium {version}", ("what", "median", "slowest", "to reach", "met"), rows)


def row(what: str, taken: list[float], most: int) -> tuple[str, ...]:
    middle = median(taken)
    return what, f"{middle:.0f} ms", f"{max(taken):.0f} ms", f"at most {most} ms", met(round(middle) <= most)
