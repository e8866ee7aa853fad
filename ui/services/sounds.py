"""Visitors' sound files: limited in bytes, decoded one at a time, the latest kept."""

from __future__ import annotations

import io
from hashlib import sha256
from threading import Lock

from models.errors import NoText
from models.sound import FORMATS, Sound, read_sound
from ui.services.shared import Shared

MOST_BYTES = 20_000_000
# The page reads a minute at most; a model may read less at once, and says so.
MOST_SECONDS = 60.0
# Each takes 4 MB at most. They are not in Streamlit's caches, which any visitor may clear.
SOUNDS_IN_MEMORY = 8
_SOUNDS: Shared[Sound | str] = Shared(SOUNDS_IN_MEMORY)
_decoding = Lock()


def read_upload(data: bytes, rate: int) -> Sound:
    """Return the sound in a file at a sampling rate.

    Raises:
        NoText: it is no sound, or too large, in one sentence.
    """
    if not data:
        raise NoText(f"The file is empty, expected a sound: save it again as {_listed()}.")
    if len(data) > MOST_BYTES:
        raise NoText(f"The file has {len(data) / 1e6:,.0f} MB, the maximum is {MOST_BYTES // 10**6} MB: cut the sound.")
    found = _SOUNDS.get((sha256(data).hexdigest(), rate), lambda: _read(data, rate))
    if isinstance(found, str):
        raise NoText(found)
    return found


def _read(data: bytes, rate: int) -> Sound | str:
    """Return the sound, or the sentence with which it was refused."""
    with _decoding:
        try:
            return read_sound(io.BytesIO(data), rate, MOST_SECONDS)
        except NoText as error:
            return str(error)


def _listed() -> str:
    return f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
