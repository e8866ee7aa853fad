"""Links in the page's HTML that make the browser fetch code before Streamlit asks for it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.file_util import get_static_dir

from ui.server.page_style import page_style_file
from viz.browser.bundle import script_file

# What the Inspect page shows first. Streamlit loads the code of an element only when its message has come, and that of
# a component two requests later.
_FIRST_ELEMENTS = ("BidiComponent", "TextArea", "Button", "MenuButton", "serialization", "recordbatch")
_IMPORT = re.compile(r'(?:from|import)"\./([\w.-]+\.js)"')
_HEAD = b"</head>"


class PreloadInstrument:
    """Adds `modulepreload` links to every HTML response.

    Without them the browser asks for the code only after the first messages of the WebSocket have come, in several
    round trips.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer, and complete the HTML that it sends."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def send_completed(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
            elif start is None or message["type"] != "http.response.body":
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    completed = body.replace(_HEAD, preload_links() + _HEAD, 1)
                    await send({**start, "headers": _with_length(start["headers"], len(completed))})
                    await send({"type": "http.response.body", "body": completed})

        await self._app(_without_compression(scope), receive, send_completed)


def _without_compression(scope: Scope) -> Scope:
    """Return the request of a page as one that takes no compressed answer: Streamlit compresses all but the root."""
    headers = [(name.lower(), value) for name, value in scope["headers"]]
    if not any(name == b"accept" and b"text/html" in value for name, value in headers):
        return scope
    return {**scope, "headers": [each for each in headers if each[0] != b"accept-encoding"]}


@cache
def preload_links() -> bytes:
    """Return the links to the pages' style and to code. Their addresses are relative, as those of Streamlit's own."""
    addresses = [f"vendor/{script_file('instrument_on_page')}", *(f"static/js/{name}" for name in _first_scripts())]
    links = [f'<link rel="stylesheet" href="./vendor/{page_style_file()}" />']
    links += [f'<link rel="modulepreload" href="./{each}" />' for each in addresses]
    return "".join(links).encode()


def _first_scripts() -> list[str]:
    """Return the names of the scripts of the first elements, and of all that they import."""
    folder = Path(get_static_dir(), "static", "js")
    found: dict[str, None] = {}
    waiting = [path.name for name in _FIRST_ELEMENTS for path in sorted(folder.glob(f"{name}.*.js"))]
    while waiting:
        name = waiting.pop()
        if name in found or not (folder / name).is_file():
            continue
        found[name] = None
        waiting += _IMPORT.findall((folder / name).read_text(encoding="utf-8"))
    return list(found)


def _is_html(start: Message) -> bool:
    headers = {name.lower(): value for name, value in start["headers"]}
    plain = b"content-encoding" not in headers
    return start["status"] == 200 and plain and headers.get(b"content-type", b"").startswith(b"text/html")


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    """Return the headers with another length, and without the tag of the HTML that Streamlit has on its disk."""
    kept = [each for each in headers if each[0].lower() not in (b"content-length", b"etag", b"last-modified")]
    return [*kept, (b"content-length", str(length).encode())]
