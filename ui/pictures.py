"""Pictures for models that read them: one that is drawn here, or the visitor's own, read with care."""

from __future__ import annotations

import io
import warnings
from functools import cache
from hashlib import sha256

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw, ImageOps

from models import Model
from models.errors import HeadlightError
from models.tasks.digits import DIGITS, n_unseen, unseen_answer, unseen_picture

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_BYTES = 20_000_000
MOST_PIXELS = 50_000_000
# More than any model reads; what lies in memory for each visitor stays small.
LARGEST_SIDE = 1024


class BadPicture(HeadlightError):
    """A file that is no picture, or one that is too large."""


def picture_controls(model: Model) -> None:
    """Let a picture be uploaded; without one, the default picture is shown."""
    uploaded = st.file_uploader(
        f"Picture to inspect ({', '.join(FORMATS)}, up to {MOST_BYTES // 10**6} MB)",
        type=["png", "jpg", "jpeg", "webp"],
        key="picture",
        help=f"{model.card.name} reads pictures. Yours stays on this server's memory and in no link.",
    )
    if model.card.task == DIGITS.name:
        st.number_input(
            "Or an unseen picture of the data, by number", 0, n_unseen() - 1, key="digit", width=320, help=DIGITS.rule
        )
    st.session_state.picture_bytes = uploaded.getvalue() if uploaded is not None else None


def chosen_picture(model: Model) -> tuple[Image.Image, str]:
    """Return the visitor's picture, or one that the model was made for, and a name that equal pictures share.

    Raises:
        BadPicture: the upload is no picture, or too large, in one sentence.
    """
    data = st.session_state.get("picture_bytes")
    if data is not None:
        return read(data), sha256(data).hexdigest()
    if model.card.task == DIGITS.name:
        number = st.session_state.get("digit", 0)
        return Image.fromarray(unseen_picture(number)).convert("RGB"), f"digit {number}"
    return default_picture(), "default"


def known_answer() -> str | None:
    """Return which digit the chosen picture of the data shows, None for a picture of the visitor's own."""
    own = st.session_state.get("picture_bytes") is not None
    return None if own else unseen_answer(st.session_state.get("digit", 0))


def read(data: bytes) -> Image.Image:
    """Return the picture in a file, upright, in three colours and not larger than needed.

    Raises:
        BadPicture: it is empty, no PNG, JPEG or WebP, damaged, or has too many bytes or pixels.
    """
    if not data:
        raise BadPicture("The file is empty, expected a picture: save it again as PNG, JPEG or WebP.")
    if len(data) > MOST_BYTES:
        raise BadPicture(f"The file has {len(data):,} bytes, the most is {MOST_BYTES:,}: save the picture smaller.")
    try:
        with warnings.catch_warnings():
            # The size is checked below, from the header, before any pixel is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            if picture.width * picture.height > MOST_PIXELS:
                raise BadPicture(
                    f"The picture has {picture.width:,} x {picture.height:,} pixels, the most is {MOST_PIXELS:,} in "
                    "all: make it smaller."
                )
            picture.load()
            picture = ImageOps.exif_transpose(picture).convert("RGB")
    except BadPicture:
        raise
    except Exception as error:  # a hostile file may fail in any way that a decoder can
        raise BadPicture(
            "This file is no picture that can be read: save it as PNG, JPEG or WebP and try again."
        ) from error
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    return picture


@cache
def default_picture() -> Image.Image:
    """Return a landscape with a sun, a house and a cat, drawn here: there are things in it to look at."""
    down = np.linspace(0, 1, 384)[:, None, None]
    sky = (1 - down) * np.array([92, 148, 214]) + down * np.array([236, 214, 190])
    picture = Image.fromarray(np.broadcast_to(sky, (384, 384, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((280, 30, 345, 95), fill="#fff2b0")
    draw.ellipse((-120, 220, 300, 560), fill="#6a9a58")
    draw.ellipse((140, 240, 560, 600), fill="#4f8248")
    draw.rectangle((60, 170, 150, 250), fill="#c8553d")
    draw.polygon([(50, 172), (105, 118), (160, 172)], fill="#5b3a2e")
    draw.rectangle((92, 205, 118, 250), fill="#f2e3c9")
    cat = "#22252b"
    draw.ellipse((225, 255, 305, 345), fill=cat)
    draw.ellipse((235, 205, 295, 262), fill=cat)
    draw.polygon([(238, 225), (236, 190), (260, 212)], fill=cat)
    draw.polygon([(292, 225), (294, 190), (270, 212)], fill=cat)
    draw.arc((285, 270, 350, 345), 300, 120, fill=cat, width=9)
    for x in (250, 272):
        draw.ellipse((x, 224, x + 9, 236), fill="#f6d743")
    return picture
