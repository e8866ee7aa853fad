"""The server around the pages: routes, security headers, static files, limited uploads, and checks at the start."""

from __future__ import annotations

from starlette.middleware import Middleware

from ui.server.headers import SecurityHeaders
from ui.server.preload import PreloadInstrument
from ui.server.routes import instrument_routes
from ui.server.start import prepare, refuse_open_server
from ui.server.static_files import StaticFiles
from ui.server.uploads import BoundedUploads

__all__ = ["instrument_routes", "middleware", "prepare", "refuse_open_server"]


def middleware() -> list[Middleware]:
    """Return the middleware, outermost first. The headers come first, so that static files get them too."""
    return [
        Middleware(SecurityHeaders),
        Middleware(StaticFiles),
        Middleware(PreloadInstrument),
        Middleware(BoundedUploads),
    ]
