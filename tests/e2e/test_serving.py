"""How the app is served: headers, caches and names, in the real browser and on the wire."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Page, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.helpers.e2e_models import WORDS
from tests.helpers.settled import eventually, follow_runs
from tests.helpers.visitor import text_box, wait_until_drawn, wait_until_idle

pytestmark = pytest.mark.e2e
PAGES = {
    "/": wait_until_drawn,
    "/steps": wait_until_idle,
    "/steps?part=head": wait_until_idle,
    "/watch": wait_until_idle,
    "/?model=scratch%3Adigits": wait_until_drawn,
}


def test_every_page_keeps_to_its_policy_and_every_response_has_it(app, open_page):
    responses = []

    def prepare(page: Page) -> None:
        page.on("response", lambda response: responses.append(response))
        page.add_init_script(
            """window.violations = [];
            document.addEventListener("securitypolicyviolation", (event) =>
                window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));"""
        )

    page = open_page(prepare=prepare, cold=True)
    for path, ready in PAGES.items():
        if path != "/":
            page.goto(app + path)
            ready(page)
        page.wait_for_load_state("networkidle")
        # Streamlit's protobuf library tries WebAssembly for 64-bit numbers, and does without.
        assert set(page.evaluate("window.violations")) <= {"script-src wasm-eval"}, path
        ours = [response for response in responses if response.url.startswith("http")]
        assert len(ours) > 10, path
        for response in ours:
            headers = response.all_headers()
            assert "frame-ancestors 'self'" in headers["content-security-policy"], response.url
            assert headers["x-content-type-options"] == "nosniff", response.url
        responses.clear()


def test_a_script_that_a_stranger_wrote_into_the_page_does_not_run(app, browser):
    page = browser.new_page()
    follow_runs(page)
    page.goto(app)
    wait_until_drawn(page)
    page.evaluate(
        """() => { const script = document.createElement("script"); script.textContent = "window.ran = 1";
        document.body.append(script);
        setTimeout(() => { try { window.evaluated = new Function("return 1")(); } catch (error) {
            window.refused = error.name; } }); }"""
    )
    page.wait_for_function("() => window.evaluated ?? window.refused")
    assert page.evaluate("[window.ran, window.evaluated, window.refused]") == [None, None, "EvalError"]
    page.close()


SENT = """() => performance.getEntriesByType("resource").filter((one) => /\\.(js|css)$/.test(one.name))
    .map((one) => [one.name.split("/").pop(), one.transferSize, one.decodedBodySize])"""


def show_plotly(page: Page) -> None:
    page.get_by_role("button", name="Plotly").click()
    page.wait_for_selector(".heatmap-plotly .heatmaplayer image", timeout=60_000)


def expect_the_instrument_early(page: Page) -> None:
    """The page tells the browser early to fetch the instrument."""
    link = page.locator('link[rel="modulepreload"][href*="instrument_on_page"]')
    expect(link).to_have_count(1)
    address = page.evaluate("new URL(document.querySelector('link[href*=instrument_on_page]').href).href")
    loaded = page.evaluate(
        """() => performance.getEntriesByType("resource").filter((one) => one.name.includes("instrument_on_page"))
        .map((one) => one.name)"""
    )
    # Must not happen: the component imports the script from another address, and the browser fetches it twice.
    assert loaded == [address]
    answer = page.request.get(address)
    assert answer.headers["cache-control"] == "public, immutable, max-age=31536000"
    assert answer.headers["content-type"].startswith("text/javascript")


def test_the_first_visit_fetches_scripts_early_and_the_second_none(open_page):
    page = open_page(cold=True)
    expect_the_instrument_early(page)
    # Must not happen: the first visit waits for Plotly.
    assert not any(name.startswith("plotly") for name, *_ in page.evaluate(SENT))
    show_plotly(page)
    first = page.evaluate(SENT)
    page.reload()
    wait_until_drawn(page)
    show_plotly(page)
    second = page.evaluate(SENT)
    for script in ("plotly", "instrument_on_page"):
        sizes = [size for name, *size in first if name.startswith(script)]
        assert len(sizes) == 1, script
        # Compressed: at most half of what the browser makes of it.
        assert 0 < sizes[0][0] < sizes[0][1] / 2
        assert any(name.startswith(script) for name, *_ in second)
    assert [name for name, transferred, _ in second if transferred] == []


def test_what_is_requested_of_a_trace_is_only_for_who_knows_its_name(open_page, long_bert):
    asked = []
    text = quote(" ".join(WORDS[number % 6] for number in range(300)))
    page = open_page(
        f"/?model={quote(str(long_bert))}&text={text}&layer=2&head=3",
        prepare=lambda page: page.on("response", lambda response: asked.append(response)),
    )
    page.locator(".heads-canvas").press("ArrowDown")
    expect(page.locator(".instrument")).to_have_attribute("data-drawn", "3 3 exact")
    tiles = [response for response in asked if "/instrument/" in response.url and "/tile/" in response.url]
    assert tiles
    headers = tiles[0].all_headers()
    assert headers["cache-control"] == "private, max-age=3600, immutable"
    assert headers["x-content-type-options"] == "nosniff"
    name = tiles[0].url.split("/instrument/")[1].split("/")[0]
    # Must not happen: an answer about a trace whose name was guessed, or an error of the server.
    for wrong in (tiles[0].url.replace(name, "x" * len(name)), tiles[0].url.replace("/tile/", "/tile/x")):
        assert page.request.get(wrong).status in (400, 404)
    assert {response.status for response in tiles} == {200}


@pytest.fixture
def foreign_site() -> Iterator:
    """A function that returns the address of a page of another site with some HTML."""
    servers = []

    def serve(html: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(html.encode())

            def log_message(self, *given) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.shutdown()


def test_another_site_cannot_frame_the_app(app, browser, foreign_site):
    page = browser.new_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(foreign_site(f'<iframe src="{app}"></iframe>'))
    eventually(page, lambda: any("frame-ancestors" in text or "X-Frame-Options" in text for text in refused))
    assert page.frames[1].locator('[data-testid="stApp"]').count() == 0
    page.close()


@pytest.mark.parametrize(
    ("host", "status"), [(None, 101), ("localhost", 101), ("evil.example", 403), ("evil.example:{port}", 403)]
)
def test_a_name_that_leads_here_from_outside_gets_no_connection(app, host, status):
    """DNS rebinding: the browser takes the server for the foreign site, and Host and Origin agree."""
    address = urlsplit(app)
    name = (host or address.netloc).format(port=address.port)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(
            f"GET /_stcore/stream HTTP/1.1\r\nHost: {name}\r\nOrigin: http://{name}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Protocol: streamlit\r\n\r\n".encode()
        )
        assert int(connection.recv(100).split()[1]) == status


def test_a_page_that_waits_runs_only_the_part_that_waits(open_page, long_bert):
    runs = []

    def received(payload: str | bytes) -> None:
        message = ForwardMsg()
        message.ParseFromString(payload)
        if message.WhichOneof("type") == "new_session":
            runs.append("part" if message.metadata.run.fragment_ids else "page")

    def prepare(page: Page) -> None:
        page.on("websocket", lambda socket: socket.on("framereceived", received))

    page = open_page(f"/?model={quote(str(long_bert))}", prepare=prepare)
    runs.clear()
    box = text_box(page)
    box.fill(" ".join(WORDS[number * number % 7 % 6] for number in range(6000)))
    box.press("Control+Enter")
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start.or_(page.get_by_role("button", name="Stop", exact=True)).first).to_be_visible(timeout=60_000)
    if start.is_visible():
        start.click()
    expect(page.locator(".heads")).to_have_attribute("data-done", "4", timeout=120_000)
    wait_until_idle(page)
    # The text, Start, the finished trace and the finished maps run the whole page; looks at a job do not.
    assert runs.count("page") <= 4, runs
