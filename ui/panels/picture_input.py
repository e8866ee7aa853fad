"""The picture for models that read pictures: the visitor's own, one of the digits data, or the default one."""

from __future__ import annotations

from hashlib import sha256

import streamlit as st
from PIL import Image

from models import Model
from models.scratch.tasks.digits import DIGITS, n_unseen, unseen_answer, unseen_picture
from ui.panels.upload import upload_control, uploaded_bytes
from ui.services.default_picture import default_picture
from ui.services.pictures import FORMATS, MOST_BYTES, read_picture


def picture_controls(model: Model) -> None:
    """Let the visitor upload a picture, or choose one of the digits."""
    with_text = " together with the text" if model.card.modality == "text and image" else ""
    about = f"{model.card.name} reads it{with_text}. Your picture stays in this server's memory and is in no link."
    upload_control("picture", "Picture to inspect", FORMATS, ("png", "jpg", "jpeg", "webp"), about, MOST_BYTES)
    if model.card.task == DIGITS.name:
        st.number_input(
            "Or an unseen picture of the data, by number",
            0,
            n_unseen() - 1,
            key="digit",
            width=320,
            help=DIGITS.rule,
            persist_state="session",
        )


def chosen_picture(model: Model) -> tuple[Image.Image, str]:
    """Return the picture to trace and its name; pictures with equal names are equal.

    Raises:
        BadPicture: the upload is no picture, or too large, in one sentence.
    """
    data = uploaded_bytes("picture")
    if data is not None:
        return read_picture(data), sha256(data).hexdigest()
    if model.card.task == DIGITS.name:
        number = st.session_state.get("digit", 0)
        return Image.fromarray(unseen_picture(number)).convert("RGB"), f"digit {number}"
    return default_picture(), "default"


def known_answer() -> str | None:
    """Return which digit the chosen picture of the data shows, None for a visitor's own picture."""
    own = uploaded_bytes("picture") is not None
    return None if own else unseen_answer(st.session_state.get("digit", 0))
