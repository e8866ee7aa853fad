"""Decoding of visitors' picture files: limited in bytes, pixels and pieces, one at a time, the latest kept."""

from __future__ import annotations

import io
import warnings
from collections import OrderedDict
from hashlib import sha256
from threading import Lock

from PIL import Image

from ui.services.picture_files import BadPicture, reduce_file

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_BYTES = 20_000_000
# 25 megapixels take 0.3 GB while they are decoded.
MOST_PIXELS = 25_000_000
# Larger than the input of any model, and small enough to keep in memory.
LARGEST_SIDE = 1024
# Each takes 3 MB at most. They are not in Streamlit's caches, which any visitor may clear.
PICTURES_IN_MEMORY = 8
# By the SHA-256 of the file: the picture, or the sentence with which it was refused.
_cache: OrderedDict[str, Image.Image | str] = OrderedDict()
_cache_lock, _decoding = Lock(), Lock()
# By the number of the orientation in EXIF; 1 is upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(data: bytes) -> Image.Image:
    """Return the picture in a file: upright, in RGB, with sides of at most LARGEST_SIDE pixels.

    The server decodes one picture at a time, and keeps the latest ones, because a page reads its picture in every run.

    Raises:
        BadPicture: the file is empty, no PNG, JPEG or WebP, damaged, or has too many bytes, pixels or pieces.
    """
    if not data:
        raise BadPicture("The file is empty, expected a picture: save it again as PNG, JPEG or WebP.")
    if len(data) > MOST_BYTES:
        raise BadPicture(f"The file has {len(data):,} bytes, the most is {MOST_BYTES:,}: save the picture smaller.")
    key = sha256(data).hexdigest()
    found = _find(key)
    if found is None:
        with _decoding:
            found = _find(key)  # another visitor's run may have decoded the file while this one waited
            if found is None:
                try:
                    found = _decode(data)
                except BadPicture as error:
                    _store(key, str(error))
                    raise
                _store(key, found)
    if isinstance(found, str):
        raise BadPicture(found)
    return found.copy()


def _find(key: str) -> Image.Image | str | None:
    with _cache_lock:
        if key in _cache:
            _cache.move_to_end(key)
        return _cache.get(key)


def _store(key: str, found: Image.Image | str) -> None:
    with _cache_lock:
        _cache[key] = found
        while len(_cache) > PICTURES_IN_MEMORY:
            _cache.popitem(last=False)


def _decode(data: bytes) -> Image.Image:
    try:
        reduced, orientation = reduce_file(data)
        with warnings.catch_warnings():
            # The check below reads the size from the header, before any pixel is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture: Image.Image = Image.open(io.BytesIO(reduced), formats=FORMATS)
        if picture.width * picture.height > MOST_PIXELS:
            raise BadPicture(
                f"The picture has {picture.width:,} x {picture.height:,} pixels, the most is {MOST_PIXELS:,} in all: "
                "make it smaller."
            )
        share = LARGEST_SIDE / max(picture.size)
        if share < 1:  # Pillow decodes a JPEG at 1/2, 1/4 or 1/8 of its size, if that is still at least this size
            picture.draft("RGB", (max(1, int(picture.width * share)), max(1, int(picture.height * share))))
        picture.load()
        picture = picture.convert("RGB")
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture
    except BadPicture:
        raise
    except Exception as error:  # a hostile file may raise anything that a decoder can
        raise BadPicture(
            "This file is no picture that can be read: save it as PNG, JPEG or WebP and try again."
        ) from error
