"""What is checked and prepared once, before the first visitor."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

from streamlit import config

from ui.services.settings import allowed_models, any_model
from ui.services.trainings import trainings

# The names that a browser on this machine can give it. Any other name in a request comes from a website whose owner
# let it lead to this machine, to reach the server through a visitor's browser (DNS rebinding).
LOCAL_HOSTS = ["localhost", "127.0.0.1", "::1"]


def refuse_open_server() -> None:
    """End the program if strangers could open any model of this machine; close a local server to foreign names.

    Raises:
        SystemExit: the server would listen to others, and the operator has not said which models they may open.
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
    """Return whether only this machine reaches an address; Streamlit listens at all of them where it is None."""
    try:
        return address == "localhost" or ip_address(address or "").is_loopback
    except ValueError:
        return False


@asynccontextmanager
async def prepare(app: Any) -> AsyncIterator[None]:
    """Delete what a killed server left, and take what stays for good out of the garbage collector's sight.

    Libraries make most of the objects: a full collection takes a third of a second with them and a few milliseconds
    without. Models are loaded later, so that a model that is dropped can be collected.
    """
    del app
    trainings()  # deletes what a killed server's trainings left
    gc.collect()
    gc.freeze()
    yield
