"""Small packets leave at once: without this, each answer of the server waits 40 ms for an acknowledgement.

asyncio turns Nagle's algorithm off for connections whose socket says that it is TCP, but Streamlit listens at a socket
whose protocol is "the default one" (0), and connections inherit that. Then headers leave at once, and the body after
them when the browser acknowledges the headers, which it does after 40 ms. The same holds for messages over a WebSocket.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

# Where Linux and macOS list what a process has open. On Windows there is no such folder, and nothing is changed.
OPEN_FILES = Path("/dev/fd")


def send_without_delay() -> None:
    """Let every connection to a listening TCP socket of this process send small packets at once."""
    for listener in _listening_sockets():
        # Connections inherit the option from the socket that accepts them.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _listening_sockets() -> Iterator[socket.socket]:
    """Yield copies of the listening TCP sockets; options of a copy are those of the original."""
    for number in _open_numbers():
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with closing(socket.socket(fileno=os.dup(number))) as found:
                is_tcp = found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM
                if is_tcp and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    yield found
        except OSError:
            # Closed by another thread in the meantime, or the list itself.
            continue


def _open_numbers() -> list[int]:
    try:
        return [int(entry.name) for entry in OPEN_FILES.iterdir()]
    except OSError:
        return []
