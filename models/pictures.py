"""Pictures as people have them (PIL pictures, arrays, tensors, paths) to PIL pictures, or refused in one sentence."""

from __future__ import annotations

import logging
import os
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from models.errors import NoText, short_message
from models.tensors import array_of_tensor

log = logging.getLogger("headlight.models")

MAX_PIXELS = 64_000_000
MAX_BYTES = 64_000_000
FORMATS = ("PNG", "JPEG", "WEBP")
# The channels of a grey picture, of a picture in three colours, and of one that also has transparency.
CHANNELS = (1, 3, 4)
EXPECTED = (
    "a PIL picture, an array [row, column] or [row, column, 3], a tensor [3, row, column], or the path of a PNG, JPEG "
    "or WebP file"
)


def as_picture(given: Any) -> Image.Image:
    """Return a picture in RGB.

    `given` is a PIL picture, which is read as it is; the path of a PNG, JPEG or WebP file, which is turned upright as
    its EXIF data says; or an array or tensor of whole numbers from 0 to 255 or of fractions from 0 to 1, which are
    rounded to 256 steps. Its shape is `[row, column]`, `[row, column, channel]` or `[channel, row, column]`, with 1, 3
    or 4 channels, of which the fourth (transparency) is left out, and possibly a batch of one picture around it. If the
    first and the last axis could both be channels, they are the last axis of an array and the first one of a tensor.

    Raises:
        NoText: this is no picture, or it is empty, too large, damaged, or in other numbers.
    """
    if isinstance(given, Image.Image):
        return _convert(given)
    if isinstance(given, str | os.PathLike):
        return _read_file(given)
    if isinstance(given, Tensor):
        return _convert(_from_array(array_of_tensor(given, "picture", f"give {EXPECTED}"), channels_first=True))
    if isinstance(given, np.ndarray):
        return _convert(_from_array(given, channels_first=False))
    raise NoText(f"A picture is {EXPECTED}, not {type(given).__name__}.")


def _refuse_size(size: tuple[int, int]) -> None:
    width, height = size
    if min(width, height) < 1:
        raise NoText(f"The picture is empty ({width:,} x {height:,} pixels): give one with pixels.")
    if width * height > MAX_PIXELS:
        raise NoText(
            f"The picture has {width:,} x {height:,} pixels, the maximum is {MAX_PIXELS:,} in all: make it smaller."
        )


def _convert(picture: Image.Image) -> Image.Image:
    _refuse_size(picture.size)
    try:
        return picture.convert("RGB")
    except Exception as error:  # a hostile file may raise anything that a decoder can
        log.info("a picture that does not decode: %s", error)
        raise NoText(
            "The picture's file is closed or damaged: open it again, or save it again as PNG or JPEG."
        ) from error


def _read_file(given: str | os.PathLike[str]) -> Image.Image:
    shown = ascii(os.fspath(given)).strip("'\"")
    shown = shown if len(shown) <= 80 else f"…{shown[-79:].partition('/')[1]}{shown[-79:].partition('/')[2]}"
    if isinstance(given, str) and given.strip().lower().startswith(("http:", "https:", "data:")):
        raise NoText("Headlight fetches no picture from an address: save it as a file and give its path.")
    try:
        path = Path(given).expanduser()
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise NoText(f"{shown} is no file: give the path of a PNG, JPEG or WebP file.")
        if not 0 < found.st_size <= MAX_BYTES:
            raise NoText(f"The file {shown} has {found.st_size:,} bytes, expected 1 to {MAX_BYTES:,}: save it again.")
        with warnings.catch_warnings():
            # The size in the header is checked before any pixel is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as picture:
                _refuse_size(picture.size)
                return _convert(ImageOps.exif_transpose(picture))
    except NoText:
        raise
    except FileNotFoundError as error:
        raise NoText(f"There is no file {shown}: check the path of the picture.") from error
    except Exception as error:  # a hostile file may raise anything that a decoder can
        log.info("a picture that does not open: %s", error)
        reason = short_message(error) if isinstance(error, PermissionError) else "it is no PNG, JPEG or WebP picture"
        raise NoText(f"The file {shown} cannot be read ({reason}): save it again as PNG, JPEG or WebP.") from error


def _from_array(values: np.ndarray, *, channels_first: bool) -> Image.Image:
    shape = values.shape
    if values.ndim == 4 and shape[0] == 1:
        values = values[0]
    if values.ndim == 3:
        places = [axis for axis in ((0, -1) if channels_first else (-1, 0)) if values.shape[axis] in CHANNELS]
        values = np.moveaxis(values, places[0], -1)[..., :3] if places else values
        values = values[..., 0] if places and values.shape[-1] == 1 else values
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[-1] != 3):
        raise NoText(f"An array of the shape {list(shape)} is no picture: a picture is {EXPECTED}.")
    _refuse_size((values.shape[1], values.shape[0]))
    return Image.fromarray(np.ascontiguousarray(_as_bytes(values)))


def _as_bytes(values: np.ndarray) -> np.ndarray:
    """Return whole numbers from 0 to 255."""
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if values.dtype.kind not in "uif":
        raise NoText(f"The picture's array has the dtype {values.dtype}: give numbers, such as uint8.")
    low, high = float(values.min()), float(values.max())
    largest = 1 if values.dtype.kind == "f" else 255
    if not (low >= 0 and high <= largest):  # NaN is neither
        what = "fractions" if largest == 1 else "whole numbers"
        raise NoText(
            f"The numbers of the picture are {low:.4g} to {high:.4g}, expected {what} from 0 to {largest}: give the "
            "picture as it was before it was normalised, since the model's own processor does that."
        )
    return np.rint(values * 255).astype(np.uint8) if largest == 1 else values.astype(np.uint8)
