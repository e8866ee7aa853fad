"""Pictures for models that read them: one that is drawn here, or the visitor's own, read with care."""

from __future__ import annotations

import io
import warnings
from collections import OrderedDict
from functools import cache
from hashlib import sha256
from threading import Lock

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw

from models import Model
from models.scratch.tasks.digits import DIGITS, n_unseen, unseen_answer, unseen_picture
from ui.services.picture_files import BadPicture, reduce_file

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_BYTES = 20_000_000
# 25 megapixels take 0.3 GB while they are decoded.
MOST_PIXELS = 25_000_000
# More than any model reads; what lies in memory for each visitor stays small.
LARGEST_SIDE = 1024
# Each has 3 MB at most. Streamlit's own caches can be emptied by any visitor.
PICTURES_IN_MEMORY = 8
# A picture, or the sentence with which it was refused.
_decoded: OrderedDict[str, Image.Image | str] = OrderedDict()
_looking_up, _decoding = Lock(), Lock()
# By EXIF's number of the orientation; 1 is upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


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

    One picture is decoded at a time, and the last ones are kept: a page reads its picture in every run.

    Raises:
        BadPicture: it is empty, no PNG, JPEG or WebP, damaged, or has too many bytes, pixels or pieces.
    """
    if not data:
        raise BadPicture("The file is empty, expected a picture: save it again as PNG, JPEG or WebP.")
    if len(data) > MOST_BYTES:
        raise BadPicture(f"The file has {len(data):,} bytes, the most is {MOST_BYTES:,}: save the picture smaller.")
    key = sha256(data).hexdigest()
    found = _kept(key)
    if found is None:
        with _decoding:
            found = _kept(key)  # another visitor's run may have decoded it meanwhile
            if found is None:
                try:
                    found = _decode(data)
                except BadPicture as error:
                    _keep(key, str(error))
                    raise
                _keep(key, found)
    if isinstance(found, str):
        raise BadPicture(found)
    return found.copy()


def _kept(key: str) -> Image.Image | str | None:
    with _looking_up:
        if key in _decoded:
            _decoded.move_to_end(key)
        return _decoded.get(key)


def _keep(key: str, found: Image.Image | str) -> None:
    with _looking_up:
        _decoded[key] = found
        while len(_decoded) > PICTURES_IN_MEMORY:
            _decoded.popitem(last=False)


def _decode(data: bytes) -> Image.Image:
    try:
        reduced, orientation = reduce_file(data)
        with warnings.catch_warnings():
            # The size is checked below, from the header, before any pixel is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(reduced), formats=FORMATS)
        if picture.width * picture.height > MOST_PIXELS:
            raise BadPicture(
                f"The picture has {picture.width:,} x {picture.height:,} pixels, the most is {MOST_PIXELS:,} in all: "
                "make it smaller."
            )
        share = LARGEST_SIDE / max(picture.size)
        if share < 1:  # a JPEG is decoded at a half, a quarter or an eighth, as long as it stays larger than needed
            picture.draft("RGB", (max(1, int(picture.width * share)), max(1, int(picture.height * share))))
        picture.load()
        picture = picture.convert("RGB")
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture
    except BadPicture:
        raise
    except Exception as error:  # a hostile file may fail in any way that a decoder can
        raise BadPicture(
            "This file is no picture that can be read: save it as PNG, JPEG or WebP and try again."
        ) from error


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
