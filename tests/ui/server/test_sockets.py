"""Small packets leave at once, as seen on a connection that this process has accepted."""

import gc
import socket
from pathlib import Path

import anyio
import pytest

from ui.server import prepare, sockets
from ui.server.sockets import send_without_delay


def delays(connection: socket.socket) -> bool:
    return not connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def connect(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    """The two ends of a connection: the browser's and the server's."""
    browser = socket.create_connection(listener.getsockname())
    return browser, listener.accept()[0]


def test_connections_that_are_accepted_from_now_on_send_at_once() -> None:
    # As Streamlit opens its own: without a protocol, which is why asyncio does not see that it is TCP.
    with socket.socket(socket.AF_INET) as listener, socket.socket(socket.AF_INET) as unrelated:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        before = connect(listener)
        assert delays(before[1])
        send_without_delay()
        after = connect(listener)
        assert not delays(after[1])
        assert delays(unrelated)
        assert delays(after[0])
        for each in (*before, *after):
            each.close()


def test_a_system_that_lists_no_open_files_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sockets, "OPEN_FILES", tmp_path / "none")
    send_without_delay()


@pytest.mark.slow
def test_the_server_prepares_its_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr("ui.server.start.send_without_delay", lambda: called.append(True))

    async def start() -> None:
        async with prepare(None):
            pass

    try:
        anyio.run(start)
    finally:
        gc.unfreeze()
    assert called == [True]
