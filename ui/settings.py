"""What the operator of a server decides, by environment variables."""

from __future__ import annotations

import os

from models.errors import HeadlightError

DEFAULT_MODEL = "minilm"
# Longer texts stay out of the address: servers and chat programs cut links that long.
MOST_CHARACTERS_IN_LINK = 2000
MODELS_IN_MEMORY = 2
TRACES_IN_MEMORY = 24


class NotAllowed(HeadlightError):
    """The operator's list does not have the model."""


def allowed_models() -> tuple[str, ...] | None:
    """Return the models that visitors may open (`HEADLIGHT_MODELS`, separated by commas), None for any."""
    listed = os.environ.get("HEADLIGHT_MODELS", "").strip()
    return tuple(name.strip() for name in listed.split(",") if name.strip()) if listed else None


def default_model() -> str:
    """Return the model that the page opens with: the bundled one, unless the operator's list leaves it out."""
    allowed = allowed_models()
    return DEFAULT_MODEL if not allowed or DEFAULT_MODEL in allowed else allowed[0]


def check_allowed(name: str) -> None:
    """Let a model's name through.

    Raises:
        NotAllowed: there is a list, and the name is not on it.
    """
    allowed = allowed_models()
    if allowed is not None and name not in allowed:
        raise NotAllowed(f"This server opens only these models: {', '.join(allowed)}.")
