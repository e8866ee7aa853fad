"""A limit on the uploads of each visitor: Streamlit accepts any number of files, under ids that a client invents."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

# The picture on the page and its successor: a browser deletes the old file only after it has sent the new one. A trace
# takes the place of the successor until the page has its bytes (ui/panels/trace_file.py).
MOST_FILES = 2
_ADDRESS = re.compile(r".*/_stcore/upload_file/([^/]+)/([^/]+)")


class BoundedUploads:
    """Deletes a visitor's oldest uploads before the app reads a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make room for an upload, then let the app answer."""
        if scope["type"] == "http" and scope["method"] == "PUT" and (found := _ADDRESS.fullmatch(scope["path"])):
            _make_room(*found.groups())
        await self._app(scope, receive, send)


def _make_room(session: str, new_file: str) -> None:
    manager = runtime.get_instance().uploaded_file_mgr
    assert isinstance(manager, MemoryUploadedFileManager)  # Streamlit has no other one
    # `get`, because indexing this defaultdict with an invented session would create it.
    others = [name for name in manager.file_storage.get(session, ()) if name != new_file]
    for name in others[: len(others) - (MOST_FILES - 1)]:
        manager.remove_file(session, name)
