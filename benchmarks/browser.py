"""One Chromium for all contestants, and when a picture counts as finished.

Finished means the same for everyone: the frame in which the picture is complete has been followed by two more. The
second can only begin when the first has been painted, so that a page of many elements pays for its painting too.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, Playwright

from tests.helpers.app_server import FLAGS, find_browser
from tests.helpers.visitor import DESKTOP

# `benchmark.within(ready)` resolves with the milliseconds since `benchmark.started` once `ready()` holds.
# `benchmark.watch()` notes for each picture of Headlight's page when its last change was on the screen; the clock
# starts at the visitor's click or Enter.
SCRIPT = """(() => {
  const PICTURES = { grid: ".grid", flow: ".flow", heatmap: ".js-plotly-plot" };
  const twoFrames = (then) => requestAnimationFrame(() => requestAnimationFrame(then));
  const roots = (root = document) => [root, ...[...root.querySelectorAll("*")]
    .filter((element) => element.shadowRoot).flatMap((element) => roots(element.shadowRoot))];
  const benchmark = window.benchmark = { started: 0, changed: {}, last: Infinity };

  benchmark.within = (ready) => new Promise((resolve) => {
    const look = () => ready() ? twoFrames(() => resolve(performance.now() - benchmark.started))
      : requestAnimationFrame(look);
    requestAnimationFrame(look);
  });

  // What is to be seen of the heatmap: Plotly draws the same picture again to lay hit areas over it.
  const seen = () => {
    const plot = document.querySelector(".js-plotly-plot");
    if (!plot) return "";
    const box = plot.getBoundingClientRect();
    return [box.width, box.height, ...[...plot.querySelectorAll("image")].map((image) => image.getAttribute("href")),
      ...[...plot.querySelectorAll("text")].map((text) => text.textContent + text.getAttribute("transform")),
      plot.querySelectorAll("path.shape").length].join("|");
  };

  // A canvas that is drawn again because the page around it moved shows what it showed before.
  const redrawn = ({ target, attributeName }) => target.tagName === "CANVAS" || attributeName === "data-drawn";

  benchmark.watch = () => {
    benchmark.end?.();
    Object.assign(benchmark, { started: NaN, changed: {}, last: Infinity });
    const start = (event) => {
      if (event.type === "keydown" && event.key !== "Enter") return;
      if (Number.isNaN(benchmark.started)) benchmark.started = performance.now();
    };
    for (const type of ["keydown", "click"]) window.addEventListener(type, start, true);
    const dirty = new Set(), observed = new WeakSet();
    let heatmap = seen();
    const note = (node) => {
      for (const [name, selector] of Object.entries(PICTURES))
        if (node.closest?.(selector) || node.querySelector?.(selector)) dirty.add(name);
    };
    const observer = new MutationObserver((records) => {
      for (const record of records) {
        if (redrawn(record) || record.target.closest?.(PICTURES.heatmap)) continue;
        for (const [name, selector] of Object.entries(PICTURES))
          if (record.target.closest?.(selector)) dirty.add(name);
        record.addedNodes.forEach(note);
      }
    });
    let watching = true, first = true;
    const look = () => {
      for (const root of roots()) if (!observed.has(root)) {
        observed.add(root);
        observer.observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
        if (!first) note(root);
      }
      first = false;
      dirty.delete("heatmap");
      if (heatmap !== (heatmap = seen())) dirty.add("heatmap");
      for (const name of dirty) {
        benchmark.last = performance.now();
        twoFrames(() => { benchmark.changed[name] = performance.now() - benchmark.started; });
      }
      dirty.clear();
      if (watching) requestAnimationFrame(look);
    };
    look();
    benchmark.end = () => {
      watching = false;
      observer.disconnect();
      for (const type of ["keydown", "click"]) window.removeEventListener(type, start, true);
    };
  };

  /** True once all of these pictures have changed, nothing has for half a second, and the server is idle. */
  benchmark.quiet = (names) => names.every((name) => name in benchmark.changed)
    && performance.now() - benchmark.last > 500
    && !!document.querySelector('[data-testid="stApp"][data-test-script-state="notRunning"]');
})();"""


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Open an empty browser, and close it."""
    browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
    try:
        yield browser
    finally:
        browser.close()


def new_page(browser: Browser) -> Page:
    """Return an empty desktop page that can tell when a picture is finished."""
    page = browser.new_page(viewport=DESKTOP)
    page.add_init_script(SCRIPT)
    return page
