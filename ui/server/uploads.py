"""Uploads, bounded for each visitor: Streamlit takes any number of files under ids that a visitor invents."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import runtime

# The picture on the page, and the one that takes its place: a browser deletes the old one after sending the new one.
MOST_FILES = 2
_ADDRESS = re.compile(r".*/_stcore/upload_file/([^/]+)/([^/]+)")


class BoundedUploads:
    """Deletes a visitor's oldest uploads before a new one is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make room for an upload, and let the app answer."""
        if scope["type"] == "http" and scope["method"] == "PUT" and (found := _ADDRESS.fullmatch(scope["path"])):
            _make_room(*found.groups())
        await self._app(scope, receive, send)


def _make_room(session: str, new_file: str) -> None:
    manager = runtime.get_instance().uploaded_file_mgr
    # `get`, since asking a defaultdict for an invented session would make one.
    others = [name for name in manager.file_storage.get(session, ()) if name != new_file]
    for name in others[: len(others) - (MOST_FILES - 1)]:
        manager.remove_file(session, name)
