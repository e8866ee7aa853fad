"""One browser tab as a Streamlit server sees it: its WebSocket protocol, spoken without a browser.

The client sends what a browser sends (the values of its widgets, the address, the messages that it still holds) and
keeps what a page shows. It finds a widget by the beginning of its key, so that it knows nothing of script hashes.
"""

import asyncio
import json
import re
import time
import urllib.request
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

# A browser keeps the large messages of recent runs; this is more than one page has.
MOST_CACHED = 100
_LISTS = ("double_array_value", "int_array_value", "string_array_value")
_ADDRESS = "address"
# A run that was started again before its end ends with this, and the one that replaces it has an end of its own.
_ENDED_EARLY = ForwardMsg.FINISHED_EARLY_FOR_RERUN


class PageError(Exception):
    """A page did not answer, or answered with an exception or an error box."""


class Visitor:
    """One tab: `open` it, `set` widgets, `run` the script, then read what the page shows.

    `texts` holds the Markdown of the page by its place, `components` the last data of each component by name, `errors`
    the exceptions and error boxes of the last run.
    """

    def __init__(self, url: str, patience: float = 120.0) -> None:
        self.url, self.patience = url, patience
        self.texts: dict[tuple[int, ...], str] = {}
        self.components: dict[str, bytes] = {}
        self.errors: list[str] = []
        self.n_bytes = 0
        self._socket: ClientConnection | None = None
        self._ids: dict[str, str] = {}
        self._values: dict[str, tuple[str, Any]] = {}
        self._fragment_of: dict[str, str] = {}
        self._timers: dict[str, float] = {}
        self._cached: OrderedDict[str, bytes] = OrderedDict()
        self._query = self._page = ""

    async def open(self) -> None:
        """Connect and run the page for the first time."""
        self._socket = await connect(
            self.url.replace("http", "ws", 1) + "/_stcore/stream",
            origin=self.url,
            subprotocols=["streamlit"],
            max_size=None,
            open_timeout=self.patience,
            ping_interval=None,  # a browser sends none either
        )
        await self.run()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    def key(self, prefix: str) -> str:
        """Return the key of the widget that has this key, else of the only one whose key begins so."""
        if prefix in self._ids:
            return prefix
        found = [key for key in self._ids if key.startswith(prefix)]
        if len(found) != 1:
            raise PageError(f"expected one widget {prefix!r}, came {found or sorted(self._ids)}")
        return found[0]

    def set(self, prefix: str, kind: str, value: Any) -> str:
        """Give a widget a value (`kind` is a field of Streamlit's WidgetState) for all runs from now on.

        Return the fragment that has to run again, empty for the whole page.
        """
        key = self.key(prefix)
        self._values[self._ids[key]] = kind, value
        return self._fragment_of.get(key, "")

    async def run(self, fragment: str = "", *, timer: bool = False, triggers: dict[str, Any] | None = None) -> None:
        """Run the page or a fragment and wait for its end.

        Raises:
            PageError: no end within the patience, or the connection closed.
        """
        self.errors = []
        if not fragment:
            self.texts = {}
        try:
            async with asyncio.timeout(self.patience):
                await self._send(fragment, timer, triggers or {})
                while await self._receive() != "end":
                    pass
        except TimeoutError as error:
            raise PageError(f"no end of the script within {self.patience:.0f} s") from error
        while len(self._cached) > MOST_CACHED:
            self._cached.popitem(last=False)

    async def until(self, shown: Callable[[], bool], looks: int = 60) -> bool:
        """Run the fragments that ask for it at their own intervals, as a browser does, until something is shown.

        Return whether it came to be shown.
        """
        while not shown() and self._timers and looks:
            looks -= 1
            await asyncio.sleep(min(self._timers.values()))
            for fragment in list(self._timers):
                await self.run(fragment, timer=True)
        return shown()

    def component(self, part: str) -> bytes:
        """Return the data of the component whose name holds a word, empty where there is none."""
        return next((data for name, data in self.components.items() if part in name), b"")

    async def _send(self, fragment: str, timer: bool, triggers: dict[str, Any]) -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash = self._query, self._page
        state.fragment_id, state.is_auto_rerun = fragment, timer
        state.cached_message_hashes.extend(self._cached)
        state.context_info.timezone, state.context_info.locale = "UTC", "en"
        state.context_info.url, state.context_info.color_scheme = f"{self.url}/?{self._query}", "light"
        for name, (kind, value) in {**self._values, **triggers}.items():
            widget = state.widget_states.widgets.add()
            widget.id = name
            if kind in _LISTS:
                getattr(widget, kind).data.extend(value)
            else:
                setattr(widget, kind, value)
        if self._socket is None:
            raise PageError("the page is not open")
        await self._socket.send(message.SerializeToString())

    async def _receive(self) -> str:
        """Take one message; return "end" when the script has ended."""
        assert self._socket is not None
        raw = await self._socket.recv()
        assert isinstance(raw, bytes)
        self.n_bytes += len(raw)
        message = ForwardMsg.FromString(raw)
        if message.WhichOneof("type") == "ref_hash":
            cached = self._cached.get(message.ref_hash)
            if cached is None:
                raise PageError("the server refers to a message that this visitor does not hold")
            self._cached.move_to_end(message.ref_hash)
            whole = ForwardMsg.FromString(cached)
            whole.metadata.CopyFrom(message.metadata)
            message = whole
        elif message.metadata.cacheable and message.hash:
            self._cached[message.hash] = raw
        kind = message.WhichOneof("type")
        if kind == "new_session" and not message.metadata.run.fragment_ids:
            self._timers = {}  # a run of the whole page ends its timers
        elif kind == "navigation":
            self._page = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            self._timers[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._keep(message)
        return "end" if kind == "script_finished" and message.script_finished != _ENDED_EARLY else ""

    def _keep(self, message: ForwardMsg) -> None:
        """Keep what an element shows, and the widget that it is."""
        delta = message.delta
        kind = delta.new_element.WhichOneof("type")
        element = getattr(delta.new_element, kind) if kind else None
        found = re.match(r"\$\$ID-[0-9a-f]+-(.*)", getattr(element, "id", ""), re.DOTALL)
        if found and found[1] != "None":  # a widget without a key
            self._ids[found[1]] = element.id
            self._fragment_of[found[1]] = delta.fragment_id
        if kind == "markdown":
            self.texts[tuple(message.metadata.delta_path)] = element.body
        elif kind == "bidi_component":
            data = getattr(element, element.WhichOneof("data") or "", b"")
            self.components[element.component_name] = data if isinstance(data, bytes) else str(data).encode()
            if _ADDRESS in element.component_name:
                self._query = json.loads(data).get("query", self._query)
        elif kind == "alert" and element.format == Alert.ERROR:
            self.errors.append(element.body)
        elif kind == "exception":
            self.errors.append(f"{element.type}: {element.message}")


def open_sessions(url: str) -> int | None:
    """Return how many sessions a server has open, None where it does not tell."""
    try:
        with urllib.request.urlopen(f"{url}/_stcore/metrics?families=active_sessions", timeout=5) as answer:
            found = re.search(r"^active_sessions\S* (\d+)", answer.read().decode(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


def wait_until_left(url: str, seconds: float = 30.0) -> None:
    """Wait until a server has closed the sessions of all visitors who left."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and open_sessions(url) != 0:
        time.sleep(0.25)
