"""The sound for models that read sounds: the visitor's own or the default one, and the transcript to read."""

from __future__ import annotations

from hashlib import sha256

import streamlit as st

from models import Model
from models.errors import HeadlightError
from models.sound import FORMATS, Sound, read_sound
from ui.panels.upload import upload_control, uploaded_bytes
from ui.services.default_sound import default_sound
from ui.services.sounds import MOST_BYTES, read_upload
from ui.state.inspect import INSPECT


def sound_controls(model: Model) -> None:
    """Let the visitor upload a sound and type a transcript."""
    about = f"{model.card.name} reads sounds. Your sound stays in this server's memory and is in no link."
    upload_control("sound", "Sound to inspect", FORMATS, [each.lower() for each in FORMATS], about, MOST_BYTES)
    try:
        sound, _ = chosen_sound(model)
    except HeadlightError:
        sound = None  # the trace says why
    if sound is not None:
        st.audio(sound.samples, sample_rate=sound.rate)
        if uploaded_bytes("sound") is None:
            st.caption("Until you upload a sound, the model reads five sung vowels: a, e, i, o, u.")
    if "cross" in model.card.kinds:
        st.text_input(
            "Transcript: what the decoder reads",
            **INSPECT.widget_args("target"),
            help="Without it, the decoder reads what it writes for this sound.",
        )


def chosen_sound(model: Model) -> tuple[Sound, str]:
    """Return the sound to trace, as this model reads it, and its name; sounds with equal names are equal.

    Raises:
        NoText: the upload is no sound, or too large, in one sentence.
    """
    rate = model.sampling_rate or default_sound().rate
    data = uploaded_bytes("sound")
    if data is None:
        return read_sound(default_sound(), rate), "default"
    return read_upload(data, rate), sha256(data).hexdigest()
