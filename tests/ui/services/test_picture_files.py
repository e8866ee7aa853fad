"""Picture files that are decompression bombs: small and valid, but hours of work or gigabytes for a decoder."""

from __future__ import annotations

import io
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from models.pictures import MAX_PIXELS as MOST_OF_THE_LIBRARY
from tests.helpers.picture_bytes import encode
from ui.services import pictures
from ui.services.picture_files import MOST_PIECES, MOST_SCANS, BadPicture, reduce_file
from ui.services.pictures import read_picture

UNREADABLE = "This file is no picture that can be read: save it as PNG, JPEG or WebP and try again."
rows, columns = np.mgrid[0:70, 0:110]
SMOOTH = Image.fromarray(np.stack([rows * 3, columns * 2, rows + columns], axis=-1).astype(np.uint8))


@pytest.fixture(autouse=True)
def empty_cache():
    pictures._cache.clear()


def segment(marker: int, body: bytes = b"") -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def last_scan(jpeg: bytes) -> bytes:
    return jpeg[jpeg.rindex(b"\xff\xda") : -2]


def with_scans(n_more: int) -> bytes:
    whole = encode(Image.new("L", (64, 48), 120), "JPEG", progressive=True)
    return whole[:-2] + n_more * last_scan(whole) + b"\xff\xd9"


def exif(orientation: int, order: str = "<") -> bytes:
    start = b"II*\0" if order == "<" else b"MM\0*"
    field = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + start + struct.pack(f"{order}IH", 8, 1) + field + bytes(4)


def test_a_jpeg_of_many_scans_is_refused():
    assert read_picture(with_scans(MOST_SCANS - 20)).size == (64, 48)
    with pytest.raises(BadPicture) as caught:
        read_picture(with_scans(MOST_SCANS))
    assert str(caught.value) == (
        "This JPEG has more than 100 scans, expected about 10: save it again without the progressive option, or as PNG."
    )


def test_a_large_jpeg_may_have_fewer_scans(monkeypatch):
    monkeypatch.setattr("ui.services.picture_files.MOST_SCANNED", 64 * 48 * 50)
    with pytest.raises(BadPicture, match=r"^This JPEG has more than 50 scans, expected about 10: save it again"):
        read_picture(with_scans(60))


def test_scans_in_metadata_and_previews_do_not_count():
    preview = segment(0xE1, b"Exif\0\0" + b"\xff\xda\0\2" * 2000) + segment(0xFE, b"\xff\xda\0\2" * 2000)
    whole = encode(SMOOTH, "JPEG")
    assert read_picture(whole[:2] + preview + whole[2:]).size == SMOOTH.size


def test_scans_behind_restart_markers_and_stuffed_bytes_count():
    """A decoder skips all of these and continues at the next marker."""
    whole = encode(Image.new("L", (64, 48), 120), "JPEG", progressive=True)
    hidden = last_scan(whole) + b"\xff\x00\xff\xd0\xff\xff"
    with pytest.raises(BadPicture, match="more than 100 scans"):
        read_picture(whole[:-2] + 120 * hidden + b"\xff\xd9")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            lambda: encode(SMOOTH, "JPEG")[:2] + segment(0xFE) * (MOST_PIECES + 1) + encode(SMOOTH, "JPEG")[2:],
            "The file has more than 10,000 segments, expected some hundred: save the picture again with another "
            "program.",
        ),
        (
            lambda: encode(SMOOTH, "PNG")[:33] + chunk(b"tEXt") * (MOST_PIECES + 1) + encode(SMOOTH, "PNG")[33:],
            "The file has more than 10,000 chunks, expected some hundred: save the picture again with another program.",
        ),
        (
            lambda: encode(SMOOTH, "WEBP") + (b"none" + bytes(4)) * (MOST_PIECES + 1),
            "The file has more than 10,000 chunks, expected some hundred: save the picture again with another program.",
        ),
        (lambda: encode(SMOOTH, "JPEG")[:2] + b"\xff" * 100_000 + encode(SMOOTH, "JPEG")[2:], UNREADABLE),
        (lambda: encode(SMOOTH, "JPEG")[:2] + b"\0" * 100_000 + encode(SMOOTH, "JPEG")[2:], UNREADABLE),
    ],
)
def test_a_file_of_many_pieces_is_refused(data, sentence):
    with pytest.raises(BadPicture) as caught:
        read_picture(data())
    assert str(caught.value) == sentence


def pieces_of(data: bytes) -> int:
    return len(reduce_file(data)[0])


def test_metadata_never_reaches_the_decoder():
    """Compressed texts and profiles unpack to a thousand times their size, and EXIF has its own parser."""
    note = bytes(60_000)
    zipped = b"a\0\0" + zlib.compress(bytes(10**6))
    jpeg, png = encode(SMOOTH, "JPEG"), encode(SMOOTH, "PNG")
    assert reduce_file(jpeg[:2] + segment(0xE1, note) * 3 + segment(0xE2, note) + jpeg[2:])[0] == jpeg
    noted = png[:33] + b"".join(chunk(name, zipped) for name in (b"zTXt", b"iTXt", b"iCCP", b"eXIf")) + png[33:]
    assert reduce_file(noted)[0] == png
    webp = encode(SMOOTH, "WEBP", exif=note, icc_profile=note, xmp=note)
    assert pieces_of(webp) < len(encode(SMOOTH, "WEBP")) + 100
    for data in (noted, webp):
        assert read_picture(data).size == SMOOTH.size


def test_only_the_first_frame_reaches_the_decoder():
    others = [Image.new("RGB", SMOOTH.size, (shade, 0, 0)) for shade in range(0, 250, 10)]
    first = np.asarray(SMOOTH).astype(int)
    for file_format, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        moving = encode(SMOOTH, file_format, save_all=True, append_images=others, **options)
        assert pieces_of(moving) < len(moving) / 2
        assert np.abs(np.asarray(read_picture(moving)) - first).max() <= 1
    # A JPEG of several pictures, as phones write it.
    several = encode(SMOOTH, "MPO", save_all=True, append_images=others[:3])
    assert pieces_of(several) <= len(encode(SMOOTH, "JPEG"))
    assert np.abs(np.asarray(read_picture(several)) - first).mean() < 3


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_every_orientation_is_turned_upright(file_format, orientation, order):
    options = {"JPEG": {"quality": 95}, "PNG": {}, "WEBP": {"lossless": True}}[file_format]
    data = encode(SMOOTH, file_format, exif=exif(orientation, order), **options)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    np.testing.assert_array_equal(np.asarray(read_picture(data)), np.asarray(expected))
    assert read_picture(data).size == (SMOOTH.size if orientation < 5 else SMOOTH.size[::-1])


def test_without_exif_the_orientation_of_xmp_is_used():
    packet = b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='6'/>".replace(b"'", b'"')
    jpeg = encode(SMOOTH, "JPEG")
    assert read_picture(jpeg[:2] + segment(0xE1, packet) + jpeg[2:]).size == SMOOTH.size[::-1]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(2200, 1300), (1300, 2200), (9000, 40)])
def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(mode, size):
    large = SMOOTH.resize(size).convert(mode)
    data = encode(large, "JPEG", quality=95)
    found = read_picture(data)
    expected = Image.open(io.BytesIO(data)).convert("RGB")
    expected.thumbnail((pictures.LARGEST_SIDE, pictures.LARGEST_SIDE))
    assert found.size == expected.size
    # Measured: 0.5 of 255 at most.
    assert np.abs(np.asarray(found).astype(int) - np.asarray(expected)).mean() < 2


def test_a_large_jpeg_is_never_decoded_whole(monkeypatch):
    sizes = []
    load = Image.Image.convert
    monkeypatch.setattr(Image.Image, "convert", lambda self, *given: sizes.append(self.size) or load(self, *given))
    read_picture(encode(Image.new("RGB", (4400, 3300)), "JPEG"))
    assert sizes == [(1100, 825)]


def test_a_picture_is_decoded_once_and_each_reader_gets_a_copy(monkeypatch):
    decoded = []
    decode = pictures._decode
    monkeypatch.setattr(pictures, "_decode", lambda data: decoded.append(data) or decode(data))
    data = encode(SMOOTH, "PNG")
    first = read_picture(data)
    first.paste((9, 9, 9), (0, 0, 50, 50))
    np.testing.assert_array_equal(np.asarray(read_picture(data)), np.asarray(SMOOTH))
    for _ in range(2):
        with pytest.raises(BadPicture, match="no picture that can be read"):
            read_picture(b"x")
    assert decoded == [data, b"x"]
    for shade in range(pictures.PICTURES_IN_MEMORY):
        read_picture(encode(Image.new("L", (3, 3), shade), "PNG"))
    assert len(pictures._cache) == pictures.PICTURES_IN_MEMORY
    read_picture(data)
    assert decoded.count(data) == 2


def test_one_picture_is_decoded_at_a_time_and_known_ones_do_not_wait(monkeypatch):
    known, slow = encode(SMOOTH, "PNG"), encode(SMOOTH, "JPEG")
    read_picture(known)
    inside, go_on, at_once, most = threading.Event(), threading.Event(), [], []
    decode = pictures._decode

    def waiting(data: bytes) -> Image.Image:
        at_once.append(data)
        most.append(len(at_once))
        inside.set()
        assert go_on.wait(10)
        picture = decode(data)
        at_once.remove(data)
        return picture

    monkeypatch.setattr(pictures, "_decode", waiting)
    threads = [threading.Thread(target=read_picture, args=(data,)) for data in (slow, slow, encode(SMOOTH, "WEBP"))]
    for thread in threads:
        thread.start()
    assert inside.wait(10)
    assert read_picture(known).size == SMOOTH.size
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert most == [1, 1]  # and the one that two of them read was decoded once


def test_the_page_accepts_no_larger_picture_than_the_library():
    assert pictures.MOST_PIXELS <= MOST_OF_THE_LIBRARY
