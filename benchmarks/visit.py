"""The first visit, from the address to all pictures, next to a hello-world app of Streamlit in the same run.

Cold is a browser that has never seen the server, warm one that has been there. An earlier visitor has made the server
load the model and trace its first text, so that no forward pass is part of a visit.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from benchmarks.browser import chromium
from benchmarks.table import Report, interleaved, met, milliseconds, ratio, size
from tests.helpers.app_server import start_app
from tests.helpers.visitor import DESKTOP

SECONDS = 25.0
MOST_RATIO = 1.3
# What is on the screen when a visit is complete.
READY = {
    "hello": '() => document.querySelector("h1")?.textContent.includes("Hello")',
    "headlight": '() => document.querySelector(".instrument")?.dataset.drawn?.endsWith("exact")',
}


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Start the two apps, and return their URLs by name."""
    with tempfile.TemporaryDirectory() as folder:
        started = {
            name: start_app(Path(folder) / f"{name}.txt", script)
            for name, script in (("hello", "benchmarks/hello/title.py"), ("headlight", "app.py"))
        }
        try:
            yield {name: url for name, (_, url) in started.items()}
        finally:
            for process, _ in started.values():
                process.terminate()
                process.wait(20)


def visit(context: BrowserContext, url: str, ready: str) -> float:
    """Return the seconds from the navigation until the pictures are painted."""
    page = context.new_page()
    page.goto(url, wait_until="commit")
    page.wait_for_function(ready, polling="raf", timeout=60_000)
    seconds = page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
    )
    page.close()
    return seconds / 1000


def cold(browser: Browser, url: str, ready: str) -> float:
    """Return the seconds of a visit with an empty cache."""
    context = browser.new_context(viewport=DESKTOP)
    seconds = visit(context, url, ready)
    context.close()
    return seconds


def traffic(browser: Browser, url: str, ready: str) -> tuple[int, int, int]:
    """Return the bytes over HTTP, and frames and bytes over the WebSocket, of a cold visit."""
    context = browser.new_context(viewport=DESKTOP)
    page, sizes, frames = context.new_page(), [], []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(len(data))))
    page.goto(url)
    page.wait_for_function(ready)
    page.wait_for_timeout(500)
    context.close()
    return sum(sizes), len(frames), sum(frames)


def main(report: Report) -> None:
    """Print what a first visit takes."""
    with servers() as urls, sync_playwright() as playwright, chromium(playwright) as browser:
        for name, url in urls.items():
            cold(browser, url, READY[name])  # loads the model
        taken = {"cold": interleaved({n: lambda n=n: cold(browser, urls[n], READY[n]) for n in urls}, seconds=SECONDS)}
        warm = {name: browser.new_context(viewport=DESKTOP) for name in urls}
        for name, context in warm.items():
            # Chromium keeps compiled code from the third visit on.
            for _ in range(2):
                visit(context, urls[name], READY[name])
        taken["warm"] = interleaved({n: lambda n=n: visit(warm[n], urls[n], READY[n]) for n in urls}, seconds=SECONDS)
        moved = {name: traffic(browser, url, READY[name]) for name, url in urls.items()}
    rows = []
    for cache, of in taken.items():
        found = ratio(of["headlight"], of["hello"])
        rows.append(
            (
                cache,
                milliseconds(median(of["headlight"])),
                milliseconds(median(of["hello"])),
                f"{found:.2f}",
                f"at most {MOST_RATIO}",
                met(found <= MOST_RATIO),
            )
        )
    report.table(
        "First visit, until all pictures are drawn",
        ("cache", "Headlight", "hello world", "ratio", "to reach", "met"),
        rows,
        " ".join(
            f"{name}: {size(http)} over HTTP, {frames} WebSocket messages with {size(n_bytes)}."
            for name, (http, frames, n_bytes) in moved.items()
        ),
    )
