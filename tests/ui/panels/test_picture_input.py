"""Pictures from strangers: read upright and small, or refused with one sentence."""

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.helpers.inspect_page import messages, run
from tests.helpers.shown import charts
from ui.panels import picture_input as pictures
from ui.panels.picture_input import FORMATS, LARGEST_SIDE, BadPicture, default_picture, read


def saved(picture: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format=file_format, **options)
    return file.getvalue()


SMALL = Image.fromarray(np.arange(7 * 11 * 3, dtype=np.uint8).reshape(7, 11, 3))

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (31, 41, 3)).astype(np.uint8))


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_picture_is_read_in_three_colours(file_format):
    assert read(saved(SMALL, file_format)).size == (11, 7)
    for mode in ("L", "RGBA", "P", "CMYK", "1"):
        if (file_format, mode) not in [("PNG", "CMYK"), ("JPEG", "RGBA"), ("JPEG", "P"), ("WEBP", "CMYK")]:
            assert read(saved(SMALL.convert(mode), file_format)).mode == "RGB"


def test_a_phones_picture_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    assert read(saved(SMALL, "JPEG", exif=exif)).size == (7, 11)


def test_a_large_picture_is_made_smaller():
    assert read(saved(Image.new("RGB", (3000, 1500)))).size == (LARGEST_SIDE, LARGEST_SIDE // 2)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(9000, 9000), (60_000, 60_000), (2**31 - 1, 2**31 - 1), (50_000_001, 1)])
def test_a_bomb_is_refused_before_it_is_unpacked(size):
    with pytest.raises(BadPicture, match=r"pixels, the most is 25,000,000|no picture that can be read"):
        read(bomb(*size))


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a" + bytes(100),
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n/x { } def",
        b"\x89PNG\r\n\x1a\n",
        saved(NOISE)[:900],
        saved(NOISE, "JPEG")[:200],
        bomb(0, 5),
        b"x",
    ],
)
def test_what_is_no_picture_is_refused_with_a_remedy(data):
    with pytest.raises(BadPicture, match="no picture that can be read: save it as PNG, JPEG or WebP"):
        read(data)


def test_too_many_bytes_are_refused(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_BYTES", 10)
    with pytest.raises(BadPicture, match="the most is 10: save the picture smaller"):
        read(saved(SMALL))


@given(st.binary(max_size=200), st.integers(0, 150))
def test_no_bytes_raise_anything_else(noise, place):
    good = saved(SMALL)
    for data in (noise, good[:place] + noise + good[place + len(noise) :]):
        with suppress(BadPicture):
            assert read(data).mode == "RGB"


def test_the_default_picture_has_things_to_look_at():
    picture = default_picture()
    assert picture.size == (384, 384)
    assert len(picture.getcolors(100_000)) > 100


@pytest.mark.slow
def test_an_empty_file_is_refused_and_nothing_else_is_shown_as_the_visitors():
    app = run(model="scratch:digits", layer="2", head="3")
    assert messages(app) == []
    assert charts(app)
    app.file_uploader(key="picture").set_value(("empty.png", b"", "image/png")).run()
    assert messages(app) == ["The file is empty, expected a picture: save it again as PNG, JPEG or WebP."]
    assert not charts(app)
    app.file_uploader(key="picture").set_value(("small.png", saved(SMALL), "image/png")).run()
    assert messages(app) == []
    assert charts(app)


def test_the_answer_is_known_only_where_no_file_was_given(monkeypatch):
    for data, known in ((None, True), (b"", False), (b"x", False)):
        monkeypatch.setattr(pictures.st, "session_state", {"picture_bytes": data})
        assert (pictures.known_answer() is not None) is known
