"""Count what a page and its server exchange: WebSocket messages and bytes, and requests to the instrument's route."""

from urllib.parse import urlsplit

from playwright.sync_api import Page, WebSocket

# What a report of the selection may cost: its run of the part of the page must not send the trace again.
MOST_FOR_A_REPORT = 20_000
# The browser reports the selection this long after the last change.
PAUSE_MS = 300
# In the page: when it sent a message, and when the visitor did something last.
_TIMES = """(() => {
    window.sentAt = [];
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (...given) { window.sentAt.push(performance.now()); send.apply(this, given); };
    for (const name of ["pointerdown", "pointerup", "click", "keydown", "input", "change"])
        window.addEventListener(name, () => { window.actedAt = performance.now(); }, true);
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
        self._page.evaluate("() => { window.sentAt = []; window.actedAt = undefined; }")

    @property
    def silent(self) -> bool:
        """Whether nothing was exchanged."""
        return not (self.sent or self.received or self.requests)

    def expect_one_report(self) -> None:
        """After the visitor's last act, the page waited, and then sent one message; the answers were short."""
        self._page.wait_for_function("() => window.sentAt.length > 0")
        self._page.wait_for_timeout(1000)
        first, *further = self._page.evaluate("() => window.sentAt.map((at) => at - window.actedAt)")
        assert first >= PAUSE_MS - 1
        assert (len(self.sent), further) == (1, [])
        assert sum(self.received) < MOST_FOR_A_REPORT, self
        assert self.requests == []

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
