"""Visitors' pictures: decoded upright and small, or refused with one sentence."""

import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.helpers.picture_bytes import encode
from ui.services import pictures
from ui.services.default_picture import default_picture
from ui.services.picture_files import BadPicture
from ui.services.pictures import FORMATS, LARGEST_SIDE, read_picture

SMALL = Image.fromarray(np.arange(7 * 11 * 3, dtype=np.uint8).reshape(7, 11, 3))

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (31, 41, 3)).astype(np.uint8))


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_picture_is_decoded_to_rgb(file_format):
    assert read_picture(encode(SMALL, file_format)).size == (11, 7)
    for mode in ("L", "RGBA", "P", "CMYK", "1"):
        if (file_format, mode) not in [("PNG", "CMYK"), ("JPEG", "RGBA"), ("JPEG", "P"), ("WEBP", "CMYK")]:
            assert read_picture(encode(SMALL.convert(mode), file_format)).mode == "RGB"


def test_the_picture_of_a_phone_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    assert read_picture(encode(SMALL, "JPEG", exif=exif)).size == (7, 11)


def test_a_large_picture_is_made_smaller():
    assert read_picture(encode(Image.new("RGB", (3000, 1500)))).size == (LARGEST_SIDE, LARGEST_SIDE // 2)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a huge size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(9000, 9000), (60_000, 60_000), (2**31 - 1, 2**31 - 1), (50_000_001, 1)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(size):
    with pytest.raises(BadPicture, match=r"pixels, the most is 25,000,000|no picture that can be read"):
        read_picture(bomb(*size))


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a" + bytes(100),
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n/x { } def",
        b"\x89PNG\r\n\x1a\n",
        encode(NOISE)[:900],
        encode(NOISE, "JPEG")[:200],
        bomb(0, 5),
        b"x",
    ],
)
def test_other_files_are_refused_with_a_remedy(data):
    with pytest.raises(BadPicture, match="no picture that can be read: save it as PNG, JPEG or WebP"):
        read_picture(data)


def test_too_many_bytes_are_refused(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_BYTES", 10)
    with pytest.raises(BadPicture, match="the most is 10: save the picture smaller"):
        read_picture(encode(SMALL))


@given(st.binary(max_size=200), st.integers(0, 150))
@pytest.mark.slow
def test_no_bytes_raise_anything_else(noise, place):
    good = encode(SMALL)
    for data in (noise, good[:place] + noise + good[place + len(noise) :]):
        with suppress(BadPicture):
            assert read_picture(data).mode == "RGB"


def test_the_default_picture_is_not_plain():
    picture = default_picture()
    assert picture.size == (384, 384)
    assert len(picture.getcolors(100_000)) > 100
