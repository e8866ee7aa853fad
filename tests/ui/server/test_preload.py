"""The link that makes the browser fetch the instrument's code early: in every page's HTML, once, and nowhere else."""

import asyncio
import re
from pathlib import Path

import pytest
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from streamlit.file_util import get_static_dir

from ui.server.page_style import page_style, page_style_file
from ui.server.preload import PreloadInstrument, preload_links
from viz.browser.bundle import script_file

PAGE = "<html><head><title>猫</title></head><body>a text with </head> in it</body></html>"


def answered(app, method="GET", kind="http", headers=()):
    """Return the messages with which an app answers a request."""
    sent = []

    async def receive():
        await asyncio.Event().wait()  # the browser waits for the answer

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": kind, "method": method, "path": "/", "headers": [*headers]}, receive, send))
    return sent


def ask(app, method="GET", kind="http"):
    """Return the messages that the middleware sends for an answer of an app."""
    return answered(PreloadInstrument(app), method, kind)


def body_of(sent):
    return b"".join(message.get("body", b"") for message in sent)


def headers_of(sent):
    assert sent[0]["type"] == "http.response.start"
    names = [name.lower() for name, _ in sent[0]["headers"]]
    assert len(set(names)) == len(names)
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_the_links_name_the_code_relative_to_the_page():
    links = re.findall(r'<link rel="modulepreload" href="\./([^"]+)" />', preload_links().decode())
    assert links[0] == f"vendor/{script_file('instrument_on_page')}"
    assert len(set(links)) == len(links) > 10
    files = [Path(get_static_dir(), link) for link in links[1:]]
    assert all(file.is_file() for file in files)
    # The style of the pages, whose rules weigh more than Streamlit's.
    assert f'<link rel="stylesheet" href="./vendor/{page_style_file()}" />' in preload_links().decode()
    assert page_style().startswith(":root {")
    # Each element that the page shows first, and each script that one of them imports.
    assert {"BidiComponent", "TextArea", "MenuButton"} <= {file.name.split(".")[0] for file in files}
    for file in files:
        assert set(re.findall(r'from"\./([^"]+)"', file.read_text())) <= {other.name for other in files}


def test_a_page_gets_the_link_once_at_the_end_of_its_head():
    headers = {"ETag": "of the file on the disk", "Last-Modified": "Sat, 01 Jan 2000 00:00:00 GMT", "x-other": "1"}
    sent = ask(HTMLResponse(PAGE, headers=headers))
    body = body_of(sent)
    assert body == PAGE.encode().replace(b"</head>", preload_links() + b"</head>", 1)
    assert body.count(preload_links()) == 1
    found = headers_of(sent)
    assert found["content-length"] == str(len(body))
    assert found["content-type"].startswith("text/html")
    assert found["x-other"] == "1"
    # They are those of the HTML without the link, which browsers may have from an earlier version.
    assert not {"etag", "last-modified"} & set(found)


@pytest.mark.parametrize(("accept", "compressed"), [(b"text/html,*/*;q=0.8", False), (b"*/*", True)])
def test_a_page_is_not_compressed_before_it_is_completed(accept, compressed):
    app = PreloadInstrument(GZipMiddleware(HTMLResponse(PAGE), minimum_size=1))
    sent = answered(app, headers=[(b"accept", accept), (b"accept-encoding", b"gzip")])
    assert ("content-encoding" in headers_of(sent)) == compressed
    assert (preload_links() in body_of(sent)) == (not compressed)


def test_a_page_that_comes_in_pieces_is_completed_too():
    whole = PAGE.encode()
    sent = ask(StreamingResponse(iter([whole[:20], whole[20:36], whole[36:]]), media_type="text/html"))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert not sent[1].get("more_body")
    assert body_of(sent) == whole.replace(b"</head>", preload_links() + b"</head>", 1)
    assert headers_of(sent)["content-length"] == str(len(body_of(sent)))


def test_html_without_a_head_keeps_its_length():
    sent = ask(HTMLResponse("<p>no head</p>"))
    assert body_of(sent) == b"<p>no head</p>"
    assert headers_of(sent)["content-length"] == "14"


@pytest.mark.parametrize(
    "answer",
    [
        PlainTextResponse(PAGE),
        Response(PAGE, media_type="application/json"),
        Response(PAGE.encode(), media_type="text/html", headers={"content-encoding": "gzip", "etag": "a"}),
        HTMLResponse(PAGE, status_code=404),
        Response(status_code=304, headers={"etag": "a"}, media_type="text/html"),
        StreamingResponse(iter([b"one", b"two"]), media_type="text/plain"),
    ],
    ids=["text", "json", "compressed", "not found", "not modified", "stream"],
)
def test_no_other_response_changes(answer):
    messages = answered(answer)

    async def app(scope, receive, send):
        for message in messages:
            await send(message)

    assert ask(app) == messages


@pytest.mark.parametrize(("method", "kind"), [("HEAD", "http"), ("POST", "http"), ("GET", "websocket")])
def test_only_a_page_that_is_read_is_completed(method, kind):
    passed = []

    async def app(scope, receive, send):
        passed.append(send)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": PAGE.encode()})

    assert body_of(ask(app, method, kind)) == PAGE.encode()
    assert passed
