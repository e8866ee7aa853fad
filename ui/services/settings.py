"""Settings that the operator of a server makes with environment variables, and the limits of one server."""

from __future__ import annotations

import os
from pathlib import Path

from models.capture.cost import Budget
from models.checkpoints.names import HUB_ID, REVISION, clean_name, find_path
from models.errors import HeadlightError

DEFAULT_MODEL = "minilm"
MODELS_IN_MEMORY = 2
TRACES_IN_MEMORY = 24


class BadSetting(HeadlightError):
    """An environment variable has an invalid value."""


class NotAllowed(HeadlightError):
    """The model, or this revision of it, is not on the operator's list."""


# A shorter run starts by itself. For a longer one, the visitor sees the estimate first.
ASK_SECONDS = 5.0
# The bytes that the traces of all visitors may take together, not counting the newest one.
CACHE_BYTES = 3e9
# The bytes of one table that the page makes: Streamlit keeps it in memory until the tab closes.
FILE_BYTES = 1e8
# The bytes of an uploaded trace. A larger file is opened by `HEADLIGHT_TRACE`, or by Python.
UPLOAD_BYTES = 1e8
# Each takes one core for a minute or two.
TRAININGS_AT_ONCE = 2


def budget() -> Budget:
    """Return the most bytes and seconds for one text (`HEADLIGHT_MOST_BYTES`, `HEADLIGHT_MOST_SECONDS`)."""
    n_bytes = _number("HEADLIGHT_MOST_BYTES")
    return Budget(None if n_bytes is None else int(n_bytes), _number("HEADLIGHT_MOST_SECONDS"))


def ask_seconds() -> float:
    """Return the most seconds of a run that starts by itself (`HEADLIGHT_ASK_SECONDS`)."""
    seconds = _number("HEADLIGHT_ASK_SECONDS")
    return ASK_SECONDS if seconds is None else seconds


def cache_bytes() -> float:
    """Return the most bytes of all traces in memory together (`HEADLIGHT_CACHE_BYTES`)."""
    n_bytes = _number("HEADLIGHT_CACHE_BYTES")
    return CACHE_BYTES if n_bytes is None else n_bytes


def file_bytes() -> float:
    """Return the most bytes of one table that the page makes (`HEADLIGHT_FILE_BYTES`)."""
    n_bytes = _number("HEADLIGHT_FILE_BYTES")
    return FILE_BYTES if n_bytes is None else n_bytes


def upload_bytes() -> float:
    """Return the most bytes of an uploaded trace (`HEADLIGHT_UPLOAD_BYTES`)."""
    n_bytes = _number("HEADLIGHT_UPLOAD_BYTES")
    return UPLOAD_BYTES if n_bytes is None else n_bytes


def server_trace() -> Path | None:
    """Return the file whose trace the page opens first (`HEADLIGHT_TRACE`), None if it opens a model."""
    value = os.environ.get("HEADLIGHT_TRACE", "").strip()
    return Path(value).expanduser() if value else None


def trainings_at_once() -> int:
    """Return how many trainings of all visitors may run at once (`HEADLIGHT_TRAININGS`)."""
    number = _number("HEADLIGHT_TRAININGS")
    return TRAININGS_AT_ONCE if number is None else int(number)


def _number(name: str) -> float | None:
    """Return a setting that is a number from 0, None if it is not set.

    Raises:
        BadSetting: the value is something else.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        return None
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise BadSetting(f"{name} has to be a number from 0, such as 60 or 4e9, not {value[:40]!r}.")
    return number


def any_model() -> bool:
    """Return whether the operator has set explicitly (`HEADLIGHT_MODELS=*`) that visitors may open any model."""
    return os.environ.get("HEADLIGHT_MODELS", "").strip() == "*"


def _listed() -> dict[str, str] | None:
    """Return the allowed revision of each model on the operator's list; "" is the hub's default revision."""
    value = os.environ.get("HEADLIGHT_MODELS", "").strip()
    if not value or any_model():
        return None
    listed: dict[str, str] = {}
    for entry in filter(None, map(str.strip, value.split(","))):
        name, _, revision = entry.partition("@")
        # Only a hub id has revisions; the name of a folder may contain an @.
        if not (HUB_ID.fullmatch(name) and REVISION.fullmatch(revision)):
            name, revision = entry, ""
        listed[name] = revision
    return listed


def allowed_models() -> tuple[str, ...] | None:
    """Return the models that visitors may open (`HEADLIGHT_MODELS`, separated by commas), None for any.

    An entry is a name, or a hub id with its only allowed revision: `org/model@v1`.
    """
    listed = _listed()
    return None if listed is None else tuple(listed)


def default_model() -> str:
    """Return the model that the page opens first: the bundled one, if the operator's list allows it."""
    allowed = allowed_models()
    return DEFAULT_MODEL if not allowed or DEFAULT_MODEL in allowed else allowed[0]


def allowed_revision(name: str, revision: str) -> str:
    """Check that visitors may open a model, and return the revision to open: if none is given, the listed one.

    Raises:
        NotAllowed: there is a list, and this model or this revision is not on it.
    """
    listed = _listed()
    if listed is None:
        return revision
    entry = _find_entry(name, listed)
    if entry is None:
        raise NotAllowed(f"This server opens only these models: {', '.join(listed)}.")
    if revision not in ("", listed[entry]):
        known = listed[entry] or "the hub's own"
        raise NotAllowed(f"This server opens only one revision of {name}, {known}: leave the revision out.")
    return listed[entry]


def _find_entry(name: str, listed: dict[str, str]) -> str | None:
    """Return the entry of the operator's list that is the same name, or the same folder written otherwise."""
    wanted = _place(name)
    return next((entry for entry in listed if entry == name or _place(entry) == wanted), None)


def _place(name: str) -> str:
    """Return the folder that a name stands for if there is one, else the name without quotes and such."""
    try:
        cleaned = clean_name(name)[0]
        path = find_path(cleaned)
        return str(path) if path.exists() else cleaned
    except (HeadlightError, OSError, RuntimeError, ValueError):
        return name


def admit_base(name: str) -> None:
    """Let the base of an adapter through if visitors may open it.

    Raises:
        NotAllowed: there is a list, and this model is not on it.
    """
    listed = _listed()
    if listed is not None and _find_entry(name, listed) is None:
        raise NotAllowed(
            "This server does not open the base of this adapter: the operator has to add it to HEADLIGHT_MODELS."
        )


def shows_folders() -> bool:
    """Return whether visitors may read the names of this machine's folders: the operator has set no list."""
    return not os.environ.get("HEADLIGHT_MODELS", "").strip()
