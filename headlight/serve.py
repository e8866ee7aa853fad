"""Serve the page from the command `headlight`: what it opens with, its port, and the browser."""

from __future__ import annotations

import os
import socket
import sys
import threading
import webbrowser
from pathlib import Path
from time import monotonic, sleep
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

_MOVED = Path(__file__).parent / "page" / "app.py"
INSTALLED = _MOVED.exists()
# In the wheel, app.py is in a folder of its own: Streamlit puts the folder of its script on the path of imports.
APP = _MOVED if INSTALLED else Path(__file__).parents[1] / "app.py"
FIRST_PORT, MOST_PORTS = 8501, 100
START_SECONDS = 120.0
TRACES = (".npz", ".json", ".csv", ".npy", ".safetensors")


class Refused(Exception):
    """What was asked for cannot be opened or served, in one sentence."""


def serve(name: str | None, address: str, port: int | None, *, opens_browser: bool) -> int:
    """Serve the page until Ctrl+C, opened with a model or a trace; return the exit code."""
    try:
        query = _query_of(name) if name is not None else ""
        # Last before the server takes it: another program may want the same port.
        from streamlit.web.cli import main as streamlit

        port = _choose_port(address, port)
    except Refused as refusal:
        print(f"headlight: {refusal}", file=sys.stderr)
        return 2
    host = "localhost" if address in ("0.0.0.0", "::") else f"[{address}]" if ":" in address else address
    url = f"http://{host}:{port}"
    threading.Thread(target=_announce, args=(url, query, opens_browser), daemon=True).start()
    options = {
        "server.address": address,
        "server.port": port,
        "server.headless": "true",
        "browser.gatherUsageStats": "false",
        "logger.hideWelcomeMessage": "true",
    }
    streamlit(["run", str(APP), *(f"--{key}={value}" for key, value in options.items())], standalone_mode=False)
    return 0


def _query_of(name: str) -> str:
    """Return the query of the page's URL that opens a model; a trace becomes the server's setting.

    Raises:
        Refused: there is nothing of this name.
    """
    from models.checkpoints.bundled import NAMES, scratch_names
    from models.checkpoints.fetched import FETCHED
    from models.checkpoints.names import HUB_ID, clean_name, describe_missing, find_path, is_path
    from models.errors import HeadlightError

    try:
        cleaned, _ = clean_name(name)
        path = find_path(cleaned)
    except (HeadlightError, OSError, RuntimeError, ValueError) as error:
        raise Refused(str(error)) from error
    if cleaned in (*NAMES, *FETCHED, *scratch_names()):
        return f"?model={quote(cleaned)}"
    if path.suffix.lower() in TRACES and not path.is_dir():
        if not path.exists():
            raise Refused(f"There is no file {name[:200]}: give the path of a saved trace.")
        os.environ["HEADLIGHT_TRACE"] = str(path)
        return ""
    if path.is_dir() or (path.suffix.lower() == ".gguf" and path.exists()):
        return f"?model={quote(str(path))}"
    if path.exists() or is_path(cleaned):
        raise Refused(describe_missing(cleaned))
    if "/" not in cleaned or not HUB_ID.fullmatch(cleaned):
        known = ", ".join([*NAMES, *FETCHED])
        raise Refused(
            f"There is no command, model, folder or file {name[:80]!r}: choose {known}, a path, or the hub id of a "
            "model, which is org/name."
        )
    return f"?model={quote(cleaned)}"


def _choose_port(address: str, wanted: int | None) -> int:
    """Return the port to serve at: the wanted one, else the first free one from 8501 on.

    Raises:
        Refused: the wanted port is in use, no port is free, or this machine has no such address.
    """
    ports = range(FIRST_PORT, FIRST_PORT + MOST_PORTS) if wanted is None else [wanted]
    try:
        places = {place[:2] for place in socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)}
        family, _ = min(places)
    except OSError as error:
        raise Refused(
            f"{address[:80]!r} is no address of this machine: leave out --address to serve localhost."
        ) from error
    for port in ports:
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            if os.name != "nt":  # there it would share the port with another server
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((address, port))
                listener.listen(1)
            except OSError:
                continue
            return port
    where = f"Port {wanted} is" if wanted is not None else f"The ports {ports[0]} to {ports[-1]} are"
    raise Refused(f"{where} in use or not allowed: choose another one with --port.")


def _announce(url: str, query: str, opens_browser: bool) -> None:
    """Print the address as soon as the server answers, and open it in the browser of this machine."""
    started = monotonic()
    while not _answers(url):
        if monotonic() - started > START_SECONDS:
            return
        sleep(0.2)
    print(f"Headlight is at {url}/{query} (Ctrl+C ends it).", flush=True)
    # Without a desktop, the browser would be one in this terminal.
    has_desktop = not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if opens_browser and has_desktop:
        webbrowser.open(f"{url}/{query}")


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/_stcore/health", timeout=1):
            return True
    except (URLError, OSError):
        return False
