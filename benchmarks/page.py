"""What a visitor waits for: a new sentence, a head switch, a hover; the model is loaded, the browser a real one."""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from benchmarks.table import show

sys.path.append(str(Path(__file__).parents[1] / "tests" / "e2e"))

SENTENCES = 9
SWITCHES = 21
HOVERS = 41

# Resolves with the milliseconds until heatmap and flow both show what is asked for, and the frame has been painted.
_UNTIL = """(ready) => new Promise((resolve) => {
  const start = performance.now();
  ACTION
  const look = () => {
    const plot = document.querySelector(".js-plotly-plot");
    const done = plot && READY;
    if (done) requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
    else if (performance.now() - start > 20000) resolve(NaN);
    else requestAnimationFrame(look);
  };
  look();
})"""
_DEEP = """const deep = (selector, root = document) => root.querySelector(selector) ??
  [...root.querySelectorAll("*")].filter((e) => e.shadowRoot).map((e) => deep(selector, e.shadowRoot)).find(Boolean);"""


def sentence(page: Page, number: int) -> float:
    """Return the milliseconds from Ctrl+Enter to the pictures of a new 20-token sentence."""
    words = f"the {number} quick brown foxes of page {number} jumped over many lazy dogs in the old garden today"
    box = page.get_by_role("textbox", name="Text to inspect")
    box.fill(words)
    page.evaluate("window.started = performance.now()")
    box.press("Control+Enter")
    ready = f"plot._fullLayout.yaxis.ticktext.length >= 18 && plot._fullLayout.yaxis.ticktext[2] === '{number}'"
    script = _UNTIL.replace("ACTION", _DEEP).replace("const start = performance.now()", "const start = window.started")
    script = script.replace("READY", f"{ready} && Number(deep('.flow')?.dataset.lines) > 0")
    return page.evaluate(script)


def head_switch(page: Page, layer: int, head: int) -> float:
    """Return the milliseconds from a click on a thumbnail to its heatmap and flow."""
    action = (
        _DEEP
        + f"""const canvas = deep(".grid-canvas"); const box = canvas.getBoundingClientRect();
      const pitch = (box.width - 30) / 12, high = (box.height - 20) / 6;
      canvas.dispatchEvent(new MouseEvent("click", {{ bubbles: true,
        clientX: box.left + 30 + {head + 0.5} * pitch, clientY: box.top + 20 + {layer + 0.5} * high }}));"""
    )
    title = f"Layer {layer}, head {head},"
    ready = f"""plot._fullLayout.title.text.includes("{title}") &&
      deep(".flow-scroll").getAttribute("aria-label").startsWith("{title}")"""
    return page.evaluate(_UNTIL.replace("ACTION", action).replace("READY", ready))


def hover(page: Page, row: int) -> float:
    """Return the milliseconds from a pointer's move to the end of the frame that draws the token's lines."""
    return page.evaluate(
        """(row) => new Promise((resolve) => { DEEP
            const scroll = deep(".flow-scroll"), root = deep(".flow"), box = scroll.getBoundingClientRect();
            const y = box.top + 26 + (row + 0.5) * Number(root.dataset.rowHeight);
            requestAnimationFrame(() => setTimeout(() => {
              const start = performance.now();
              scroll.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + 20, clientY: y }));
              const look = () => {
                if (root.dataset.drawn !== root.dataset.focus) return requestAnimationFrame(look);
                const frame = performance.now() - start;
                resolve(frame);
              };
              requestAnimationFrame(look);
            })); })""".replace("DEEP", _DEEP),
        row,
    )


def main() -> None:
    from conftest import FLAGS, executable, start_app
    from visitor import DESKTOP, finished, inspect, settled

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        process, url = start_app(Path(folder) / "log.txt")
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        try:
            page = browser.new_page(viewport=DESKTOP)
            page.goto(url)
            finished(page)
            sentences = [sentence(page, number) for number in range(1, SENTENCES + 2)][1:]
            switches = {}
            for tokens in (20, 128):
                inspect(page, " ".join(("the cat sat on the mat and then " * tokens).split()[: tokens - 2]))
                finished(page)
                places = [(number % 6, number * 5 % 12) for number in range(SWITCHES + 1)]
                # On an idle page: a click while the last rerun still tidies up would measure that one's tail too.
                switches[tokens] = [settled(page) or head_switch(page, *place) for place in places][1:]
            hovers = [hover(page, row % 20 + 1) for row in range(HOVERS)]
            version = browser.version
        finally:
            browser.close()
            stop(process)
    rows = [
        ("a new 20-token sentence, Ctrl+Enter to pictures", *row(sentences), "1000 ms"),
        ("head switch at 20 tokens", *row(switches[20]), ""),
        ("head switch at 128 tokens", *row(switches[128]), "300 ms"),
        ("hover at 128 tokens, pointer to drawn frame", *row(hovers), "one frame (16.7 ms)"),
    ]
    show(f"The page, MiniLM, Chromium {version}", ("what", "median", "slowest", "to reach"), rows)


def row(milliseconds: list[float]) -> tuple[str, str]:
    return f"{median(milliseconds):.0f} ms", f"{max(milliseconds):.0f} ms"


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait(20)
