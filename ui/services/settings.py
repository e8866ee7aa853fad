"""What the operator of a server decides, by environment variables."""

from __future__ import annotations

import os

from models.capture.cost import Budget
from models.checkpoints.locate import HUB_ID, REVISION
from models.errors import HeadlightError

DEFAULT_MODEL = "minilm"
MODELS_IN_MEMORY = 2
TRACES_IN_MEMORY = 24


class BadSetting(HeadlightError):
    """An environment variable has a value that it cannot have."""


class NotAllowed(HeadlightError):
    """The operator's list does not have the model, or not this revision of it."""


# A shorter run starts by itself, a longer one when the visitor has seen what it takes.
ASK_SECONDS = 5.0
# What the traces of all visitors may hold together, beyond the one that was asked for last.
CACHE_BYTES = 3e9
# What a table may take that the page makes: it is held in memory until the tab closes.
FILE_BYTES = 1e8
# Each takes a core for a minute or two.
TRAININGS_AT_ONCE = 2


def budget() -> Budget:
    """Return what one text may take on this server (`HEADLIGHT_MOST_SECONDS`, `HEADLIGHT_MOST_BYTES`)."""
    n_bytes = _number("HEADLIGHT_MOST_BYTES")
    return Budget(None if n_bytes is None else int(n_bytes), _number("HEADLIGHT_MOST_SECONDS"))


def ask_seconds() -> float:
    """Return how long a run may take that starts without being asked (`HEADLIGHT_ASK_SECONDS`)."""
    seconds = _number("HEADLIGHT_ASK_SECONDS")
    return ASK_SECONDS if seconds is None else seconds


def cache_bytes() -> float:
    """Return what the traces in memory may take together (`HEADLIGHT_CACHE_BYTES`)."""
    n_bytes = _number("HEADLIGHT_CACHE_BYTES")
    return CACHE_BYTES if n_bytes is None else n_bytes


def file_bytes() -> float:
    """Return what one table may take that the page gives as a file (`HEADLIGHT_FILE_BYTES`)."""
    n_bytes = _number("HEADLIGHT_FILE_BYTES")
    return FILE_BYTES if n_bytes is None else n_bytes


def trainings_at_once() -> int:
    """Return how many trainings may run at once over all visitors (`HEADLIGHT_TRAININGS`)."""
    number = _number("HEADLIGHT_TRAININGS")
    return TRAININGS_AT_ONCE if number is None else int(number)


def _number(name: str) -> float | None:
    """Return a setting that is a number from 0, None where it is not set.

    Raises:
        BadSetting: it is set to something else.
    """
    written = os.environ.get(name, "").strip()
    if not written:
        return None
    try:
        number = float(written)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise BadSetting(f"{name} has to be a number from 0, such as 60 or 4e9, not {written[:40]!r}.")
    return number


def any_model() -> bool:
    """Return whether the operator has said explicitly (`HEADLIGHT_MODELS=*`) that visitors may open any model."""
    return os.environ.get("HEADLIGHT_MODELS", "").strip() == "*"


def _listed() -> dict[str, str] | None:
    """Return the revision that may be opened of each model on the operator's list; "" is the hub's own choice."""
    written = os.environ.get("HEADLIGHT_MODELS", "").strip()
    if not written or any_model():
        return None
    listed: dict[str, str] = {}
    for entry in filter(None, map(str.strip, written.split(","))):
        name, _, revision = entry.partition("@")
        # Only a hub id has revisions; a folder's name may hold the sign.
        if not (HUB_ID.fullmatch(name) and REVISION.fullmatch(revision)):
            name, revision = entry, ""
        listed[name] = revision
    return listed


def allowed_models() -> tuple[str, ...] | None:
    """Return the models that visitors may open (`HEADLIGHT_MODELS`, separated by commas), None for any.

    An entry is a name, or a hub id with the one revision of it that may be opened: `org/model@v1`.
    """
    listed = _listed()
    return None if listed is None else tuple(listed)


def default_model() -> str:
    """Return the model that the page opens with: the bundled one, unless the operator's list leaves it out."""
    allowed = allowed_models()
    return DEFAULT_MODEL if not allowed or DEFAULT_MODEL in allowed else allowed[0]


def allowed_revision(name: str, revision: str) -> str:
    """Let a model through, and return the revision to open: the listed one where none was asked for.

    Raises:
        NotAllowed: there is a list, and the name is not on it, or not with that revision.
    """
    listed = _listed()
    if listed is None:
        return revision
    if name not in listed:
        raise NotAllowed(f"This server opens only these models: {', '.join(listed)}.")
    if revision not in ("", listed[name]):
        known = listed[name] or "the hub's own"
        raise NotAllowed(f"This server opens only one revision of {name}, {known}: leave the revision out.")
    return listed[name]
