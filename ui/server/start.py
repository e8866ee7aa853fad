"""Checks and preparations when the server starts, before the first visitor."""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

from huggingface_hub.utils import disable_progress_bars
from streamlit import config
from transformers.utils import logging as transformers_logging

from ui.server.sockets import send_without_delay
from ui.services.settings import allowed_models, any_model, upload_bytes
from ui.services.trainings import trainings

# The names that a browser on this machine uses for it. A request with any other name comes from a website whose owner
# pointed that name at this machine, to reach the server through a visitor's browser (DNS rebinding).
LOCAL_HOSTS = ["localhost", "127.0.0.1", "::1"]


def refuse_open_server() -> None:
    """End the program if strangers could open any model of this machine; let a local server refuse other host names.

    Raises:
        SystemExit: the server would listen to others, and the operator has not set which models they may open.
    """
    address = config.get_option("server.address")
    if not is_local(address):
        if allowed_models() is None and not any_model():
            sys.exit(
                f"Headlight would listen at {address or 'every address of this machine'}, where others could open any "
                "folder and any hub model: set HEADLIGHT_MODELS to the models that they may open (for example "
                "HEADLIGHT_MODELS=minilm), or to * for any, or listen at localhost (make run does)."
            )
    elif not config.get_option("server.allowedHosts"):
        config.set_option("server.allowedHosts", LOCAL_HOSTS)


def is_local(address: str | None) -> bool:
    """Return whether only this machine can reach an address; for None, Streamlit listens at every address."""
    try:
        return address == "localhost" or ip_address(address or "").is_loopback
    except ValueError:
        return False


def limit_uploads() -> None:
    """Let Streamlit refuse a larger upload than a trace may be, before it is in memory."""
    config.set_option("server.maxUploadSize", math.ceil(upload_bytes() / 2**20))


def silence_progress_bars() -> None:
    """Keep the progress bars of downloads and loading out of the server's log: the page shows its own."""
    transformers_logging.disable_progress_bar()
    disable_progress_bars()


@asynccontextmanager
async def prepare(app: Any) -> AsyncIterator[None]:
    """Prepare sockets and the log, delete what a killed server left, and hide permanent objects from the collector.

    Most objects belong to libraries: a full collection takes a third of a second with them and a few milliseconds
    without. Models are loaded later, so the garbage collector can still free a model that is dropped.
    """
    del app
    send_without_delay()
    silence_progress_bars()
    limit_uploads()
    trainings()  # its constructor deletes the folders of killed servers
    gc.collect()
    gc.freeze()
    yield
