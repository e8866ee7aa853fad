"""The instrument's heatmap in an opened file, and a server of which tests decide when it answers."""

import base64

from playwright.sync_api import Page

INSTRUMENT = "document.getElementById('picture').headlightPicture"


class Heatmap:
    """The heatmap of an opened file."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator(".heatmap")

    def fact(self, name: str) -> str:
        """What the picture says of itself, after the next frame."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return self.root.get_attribute(f"data-{name}") or ""

    def status(self) -> str:
        self.fact("head")
        return self.root.locator(".heatmap-status").inner_text()

    def numbers(self, name: str) -> list[float]:
        return [float(number) for number in self.fact(name).split()]

    def point(self, query: float, key: float) -> tuple[float, float]:
        """Where a pair is on the screen; key -1 is the label of a query, one query after the last that of a key."""
        left, top, width, height = self.numbers("box")
        first_query, last_query, first_key, last_key = self.numbers("region")
        box = self.page.locator(".heatmap-picture").bounding_box()
        assert box is not None
        across, down = width / (last_key - first_key + 1), height / (last_query - first_query + 1)
        x = left - 12 if key == -1 else left + (key - first_key + 0.5) * across
        y = top + height + 12 if query == last_query + 1 else top + (query - first_query + 0.5) * down
        return box["x"] + x, box["y"] + y

    def hover(self, query: float, key: float) -> None:
        self.page.mouse.move(*self.point(query, key))

    def click(self, query: float, key: float) -> None:
        self.page.mouse.click(*self.point(query, key))

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        self.hover(*start)
        self.page.mouse.down()
        self.page.mouse.move(*self.point(*end), steps=4)
        self.page.mouse.up()


class Server:
    """Answers the requests of a page, as late as the test wants."""

    def __init__(self, heatmap: Heatmap, answers: dict[str, bytes]) -> None:
        self.page, self.asked = heatmap.page, list[str]()
        self.page.expose_function("ask", self._ask)
        self._answers = answers
        self.page.evaluate(f"""() => {{
            window.waiting = [];
            const get = (trace, path) => new Promise(answer => {{
                window.ask(path).then(text => window.waiting.push(
                    () => answer(Uint8Array.from(atob(text), each => each.charCodeAt(0)))));
            }});
            {INSTRUMENT}.host.transport = {INSTRUMENT}.requests.transport = {{ get }};
        }}""")

    def _ask(self, path: str) -> str:
        self.asked.append(path)
        return base64.b64encode(self._answers[path.split("?")[0]]).decode()

    def answer(self) -> None:
        self.wait_until_asked()
        self.page.evaluate("window.waiting.splice(0).forEach(answer => answer())")

    def wait_until_asked(self) -> None:
        self.wait_until("window.waiting.length > 0")

    def wait_until(self, script: str) -> None:
        """Playwright's own function evaluates text in the page, which a file forbids."""
        for _ in range(200):
            if self.page.evaluate(script):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never: {script}")

    def choose(self, **changes: int) -> None:
        self.page.evaluate(f"changes => {INSTRUMENT}.store.set(changes)", changes)
