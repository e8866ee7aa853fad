"""Links in the page's HTML that make the browser fetch the instrument's code before Streamlit asks for it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viz.browser.bundle import script_file

_HEAD = b"</head>"


class PreloadInstrument:
    """Adds a `modulepreload` link to every HTML response.

    Without it the browser asks for the code only after the first message of the WebSocket has come, a round trip and a
    compilation later.
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
                    completed = body.replace(_HEAD, preload_link() + _HEAD, 1)
                    await send({**start, "headers": _with_length(start["headers"], len(completed))})
                    await send({"type": "http.response.body", "body": completed})

        await self._app(scope, receive, send_completed)


def preload_link() -> bytes:
    """Return the link. Its address is relative, as those of Streamlit's own scripts."""
    return f'<link rel="modulepreload" href="./vendor/{script_file("instrument_on_page")}" />'.encode()


def _is_html(start: Message) -> bool:
    headers = {name.lower(): value for name, value in start["headers"]}
    plain = b"content-encoding" not in headers
    return start["status"] == 200 and plain and headers.get(b"content-type", b"").startswith(b"text/html")


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    """Return the headers with another length, and without the tag of the HTML that Streamlit has on its disk."""
    kept = [each for each in headers if each[0].lower() not in (b"content-length", b"etag", b"last-modified")]
    return [*kept, (b"content-length", str(length).encode())]
