"""Count what a page and its server exchange: WebSocket messages and bytes, and requests to the instrument's route."""

from itertools import pairwise
from urllib.parse import urlsplit

from playwright.sync_api import Page, WebSocket

from tests.helpers.settled import settled

# What a report of the selection may cost: its run of the part of the page must not send the trace again.
MOST_FOR_A_REPORT = 20_000
# The browser reports the selection this long after the last change.
PAUSE_MS = 300
# In the page: when it sent a message, and when the visitor did something.
_TIMES = """(() => {
    window.sentAt = [];
    window.actedAt = [];
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (...given) { window.sentAt.push(performance.now()); send.apply(this, given); };
    for (const name of ["pointerdown", "pointerup", "click", "keydown", "input", "change"])
        window.addEventListener(name, () => window.actedAt.push(performance.now()), true);
})()"""


def _size(payload: str | bytes) -> int:
    return len(payload.encode() if isinstance(payload, str) else payload)


class Traffic:
    """Counts from `install` on; `clear` begins anew. `views` has the query part of each of the `requests`."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.received: list[int] = []
        self.requests: list[str] = []
        self.views: list[str] = []
        self.scripts: list[str] = []

    def install(self, page: Page) -> None:
        """Count for this page; before it is opened."""
        self._page = page
        page.add_init_script(_TIMES)
        page.on("websocket", self._follow)
        page.on("request", lambda request: self._request(*urlsplit(request.url)[2:4]))

    def clear(self) -> None:
        for counted in (self.sent, self.received, self.requests, self.views, self.scripts):
            counted.clear()
        self._page.evaluate("() => { window.sentAt = []; window.actedAt = []; }")

    @property
    def silent(self) -> bool:
        """Whether nothing was exchanged."""
        return not (self.sent or self.received or self.requests)

    def expect_one_report(self) -> None:
        """After the visitor's last act, the page waited, and then sent one message; the answers were short.

        On a busy machine the test's own acts have pauses, and the page may send one message after each.
        """
        self._page.wait_for_function("() => window.sentAt.length > 0")
        settled(self._page)
        sent, acted = self._page.evaluate("() => [window.sentAt, window.actedAt]")
        assert all(at - max(act for act in acted if act <= at) >= PAUSE_MS - 1 for at in sent), (sent, acted)
        assert len(self.sent) == len(sent) <= 1 + self.n_pauses, (sent, acted)
        assert sum(self.received) < MOST_FOR_A_REPORT * len(sent), self
        assert self.requests == []

    @property
    def n_pauses(self) -> int:
        """How often the visitor paused so long between two acts that the page may have sent a message."""
        acted = self._page.evaluate("() => window.actedAt")
        return sum(later - earlier >= PAUSE_MS - 1 for earlier, later in pairwise(acted))

    def _follow(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: self.sent.append(_size(payload)))
        socket.on("framereceived", lambda payload: self.received.append(_size(payload)))

    def _request(self, path: str, query: str) -> None:
        if "/instrument/" in path:
            self.views.append(query)
            self.requests.append(path.split("/instrument/")[1].split("/", 1)[1])
        elif path.endswith(".js"):
            self.scripts.append(path.rsplit("/", 1)[1])

    def __repr__(self) -> str:
        return f"sent {self.sent}, received {self.received}, requests {self.requests}"
