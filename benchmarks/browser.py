"""One Chromium for all contestants, and when a picture counts as finished.

Finished means the same for everyone: the frame in which the picture is complete has been followed by two more. The
second can only begin when the first has been painted, so that a page of many elements pays for its painting too.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, Playwright

from tests.helpers.app_server import FLAGS, find_browser
from tests.helpers.settled import follow_runs
from tests.helpers.visitor import DESKTOP

# `benchmark.within(ready)` resolves with the milliseconds since `benchmark.started` once `ready()` holds.
# `benchmark.time(type, isDrawn)` starts the clock at the next event of that type, at the time that the event itself
# carries, and stops it when a frame of the instrument has been drawn for which `isDrawn(dataset)` holds; it returns
# the milliseconds to that frame, and to the first frame with exact weights.
SCRIPT = """(() => {
  const twoFrames = (then) => requestAnimationFrame(() => requestAnimationFrame(then));
  const benchmark = window.benchmark = { started: 0, taken: null };

  benchmark.within = (ready) => new Promise((resolve) => {
    const look = () => ready() ? twoFrames(() => resolve(performance.now() - benchmark.started))
      : requestAnimationFrame(look);
    requestAnimationFrame(look);
  });

  benchmark.time = (type, isDrawn) => {
    benchmark.taken = new Promise((resolve) => {
      const root = document.querySelector(".instrument");
      let started = NaN, first = NaN;
      const start = (event) => {
        if (type === "keydown" && event.key === "Control") return;
        started = event.timeStamp;
        window.removeEventListener(type, start, true);
      };
      window.addEventListener(type, start, true);
      const observer = new MutationObserver(() => {
        if (Number.isNaN(started) || !isDrawn(root.dataset)) return;
        const now = performance.now() - started;
        if (Number.isNaN(first)) first = now;
        if (!root.dataset.drawn.endsWith("exact")) return;
        observer.disconnect();
        resolve([first, now]);
      });
      observer.observe(root, { attributes: true });
    });
  };
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
    follow_runs(page)
    return page
