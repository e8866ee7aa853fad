"""Wait until a page has settled: its reports have reached the server, all runs have ended, and the result is drawn.

Streamlit's own mark on the page, `data-test-script-state`, says "notRunning" also between an act of the visitor and
the server's answer. Here the page counts what it asks of the server and what the server answers.
"""

from collections.abc import Callable
from itertools import count
from time import monotonic

from playwright.sync_api import BrowserContext, Page

TIMEOUT_MS = 30_000
_CALLS = count()

# In the page: whether the server has finished a run since the page asked for one the last time. The first byte of a
# message to the server tells its kind: 0x5a asks for a run. A message from the server may begin with a hash and with
# metadata. Then 0x22 begins a run; 0x30 ends it, and 2 behind it says that another one takes its place.
_FOLLOW = """(() => {
    const runs = window.headlightRuns = { asked: false, askedAt: 0, nAsked: 0, begun: false };
    const bytesOf = (data) => new Uint8Array(data.buffer ?? data);
    const read = (bytes) => {
        let at = 0;
        while (bytes[at] === 0x0a || bytes[at] === 0x12) {
            let length = 0, shift = 0, byte;
            do { byte = bytes[++at]; length |= (byte & 127) << shift; shift += 7; } while (byte & 128);
            at += 1 + length;
        }
        if (bytes[at] === 0x22) runs.begun = true;
        if (bytes[at] !== 0x30) return;
        if (bytes[at + 1] === 2) runs.begun = false;
        else if (runs.begun) runs.asked = false;
    };
    const followed = new WeakSet(), send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
        if (!followed.has(this)) {
            followed.add(this);
            this.addEventListener("message", ({ data }) => typeof data === "string" || read(bytesOf(data)));
        }
        if (typeof data !== "string" && bytesOf(data)[data.byteOffset ?? 0] === 0x5a)
            Object.assign(runs, { asked: true, askedAt: performance.now(), nAsked: runs.nAsked + 1, begun: false });
        return send.call(this, data);
    };
})()"""

# The server does not begin a run when what asked, a part of the page, is no longer there. It may lose the end of a run
# when another one begins.
_UNANSWERED_MS, _UNFINISHED_MS = 10_000, 1_000
# So long a page must stay as it is: in the next frame, what a message or an act has changed may change more.
_STILL_MS = 60
_SETTLED = f"""(call) => {{
    const runs = window.headlightRuns;
    if (!runs) return "unknown";
    const now = performance.now();
    const app = document.querySelector('[data-testid="stApp"]');
    const report = document.querySelector(".instrument")?.parentElement.headlightReport;
    const isStill = app?.dataset.testScriptState === "notRunning" && !report?.waiting
        && (!runs.asked || now - runs.askedAt > (runs.begun ? {_UNFINISHED_MS} : {_UNANSWERED_MS}));
    if (!isStill || runs.call !== call) Object.assign(runs, {{ call, since: now, frames: 0 }});
    return isStill && runs.frames++ > 2 && now - runs.since >= {_STILL_MS} && "settled";
}}"""

# Transitions that end, such as those of colours.
_MOVES = """() => document.getAnimations().some((each) => each.playState === "running"
    && Number.isFinite(each.effect?.getComputedTiming().endTime))"""
# How long what the browser asks for when it has nothing else to do may take to be asked for.
_IDLE_MS = 300
_ANSWERED = f"""(call) => {{
    const instrument = document.querySelector(".instrument"), now = performance.now();
    const {{ requests }} = instrument.parentElement.headlightPicture;
    const isBusy = instrument.dataset.waits || requests.waiting.size || requests.timer;
    if (isBusy || instrument.call !== call) Object.assign(instrument, {{ call, since: now }});
    return !isBusy && now - instrument.since >= {_IDLE_MS};
}}"""


def follow_runs(page: Page | BrowserContext) -> None:
    """Let a page know which runs it waits for; before it is opened, and after its messages are routed elsewhere."""
    page.add_init_script(_FOLLOW)


def settled(page: Page, timeout: float = TIMEOUT_MS) -> None:
    """Wait until the page has reported its choices to the server, and shows the result of all runs."""
    state = page.wait_for_function(_SETTLED, arg=next(_CALLS), timeout=timeout).json_value()
    assert state == "settled", "Call `follow_runs` before the page is opened."


def answered(page: Page) -> None:
    """Wait until the instrument has drawn its view, and the tiles and maps have come that it asks for by itself."""
    settled(page)
    page.wait_for_function(_ANSWERED, arg=next(_CALLS), timeout=TIMEOUT_MS)


def still(page: Page) -> None:
    """Wait until nothing on a page moves: what it asked for has come, colours have faded over, pictures have followed.

    The page may be a file.
    """
    if page.evaluate("() => 'headlightRuns' in window"):
        settled(page)
    next_frame(page)
    eventually(page, lambda: not page.evaluate(_MOVES))
    next_frame(page)


def eventually(page: Page, condition: Callable[[], object], explain: Callable[[], object] = lambda: "") -> None:
    """Wait until a condition holds that a page reaches by itself, as `expect` does for what a locator finds."""
    end = monotonic() + TIMEOUT_MS / 1000
    while not condition():
        assert monotonic() < end, explain()
        page.wait_for_timeout(20)


def next_frame(page: Page) -> None:
    """Wait until the page has drawn what the last act changed, and what that changed in the next frame."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
