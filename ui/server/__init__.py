"""What stands around the pages: security headers, static files, bounded uploads, and what is checked at the start."""

from __future__ import annotations

from starlette.middleware import Middleware

from ui.server.headers import SecurityHeaders
from ui.server.start import prepare, refuse_open_server
from ui.server.static_files import StaticFiles
from ui.server.uploads import BoundedUploads

__all__ = ["middleware", "prepare", "refuse_open_server"]


def middleware() -> list[Middleware]:
    """Return what every request passes through, outermost first: also a static file gets the headers."""
    return [Middleware(SecurityHeaders), Middleware(StaticFiles), Middleware(BoundedUploads)]
