"""Scripts and styles, compressed once; browsers cache them for a year, since their names change with their contents."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath

import plotly
from anyio import to_thread
from plotly.offline import get_plotlyjs_version
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config
from streamlit.file_util import get_static_dir

from ui.server.page_style import page_style, page_style_file
from viz.browser.bundle import script, script_file

# Streamlit serves fonts and pictures, which are already compressed.
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css"}
_A_YEAR = "public, immutable, max-age=31536000"


class StaticFiles:
    """Serves the scripts and styles of Streamlit, Plotly and the instrument; the app answers all other requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a file, or let the app answer."""
        wanted = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        path = _without_base(scope["path"]) if wanted else ""
        if path not in _files():
            await self._app(scope, receive, send)
            return
        headers = {"cache-control": _A_YEAR, "vary": "accept-encoding"}
        if "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            body = await to_thread.run_sync(_compressed, path)
        else:
            body = await to_thread.run_sync(_files()[path])
        media_type = _MEDIA_TYPES[PurePosixPath(path).suffix]
        await Response(body, headers=headers, media_type=media_type)(scope, receive, send)


@cache
def _files() -> dict[str, Callable[[], bytes]]:
    """Return the functions that read the files, by URL path. The middleware serves no other file."""
    static = Path(get_static_dir(), "static")
    found = (path for path in static.rglob("*") if path.suffix in _MEDIA_TYPES)
    files = {f"/static/{path.relative_to(static).as_posix()}": path.read_bytes for path in found}
    # viz/browser/core/chart.js requests this URL.
    plotly_path = Path(plotly.__file__).parent.joinpath("package_data", "plotly.min.js")
    files[f"/vendor/plotly-{get_plotlyjs_version()}.min.js"] = plotly_path.read_bytes
    # viz/browser/page/loader.js requests this one.
    files[f"/vendor/{script_file('instrument_on_page')}"] = lambda: script("instrument_on_page").encode()
    files[f"/vendor/{page_style_file()}"] = lambda: page_style().encode()
    return files


def _without_base(path: str) -> str:
    base = str(config.get_option("server.baseUrlPath") or "").strip("/")
    return path.removeprefix(f"/{base}") if base else path


@cache
def _compressed(path: str) -> bytes:
    return gzip.compress(_files()[path](), compresslevel=9, mtime=0)
