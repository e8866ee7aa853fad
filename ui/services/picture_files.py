"""A visitor's picture file, reduced to what a decoder needs: the pixels of its first picture, and its orientation.

This module removes metadata, colour profiles, previews and further frames before Pillow sees the file. Pillow reads
them in Python, piece by piece, when it opens a file, and a file of 20 MB can hold millions of pieces. Only the outer
structure is parsed here: segments of JPEG, chunks of PNG and WebP.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Literal

from models.errors import HeadlightError

# A file of 20 MB has 2,500 pieces of the usual 8 kB; profiles and metadata have some hundred.
MOST_PIECES = 10_000
# The decoder goes over the whole picture for every scan of a progressive JPEG. libjpeg writes 10 scans, mozjpeg more.
MOST_SCANS = 100
# Scans times pixels: 40 scans of the largest picture. One scan of 25 megapixels takes 25 ms.
MOST_SCANNED = 1_000_000_000
# The most bytes between two segments of a JPEG: decoders skip them one by one.
_MOST_SKIPPED = 65_536
# The orientation is searched in this many bytes of each piece of metadata: a segment of JPEG holds no more.
_MOST_METADATA = 65_536

_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_IN_A_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN, _END = 0xDA, 0xD9
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
# Of the application segments, only JFIF and Adobe's change the colours; the others are metadata.
_NEEDED_METADATA = {0xE0, 0xEE}
_METADATA = {*range(0xE0, 0xF0), 0xFE}
_PNG_START, _PNG_NEEDED = b"\x89PNG\r\n\x1a\n", {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_PNG_METADATA = {b"eXIf", b"iTXt"}
_WEBP_METADATA = {b"EXIF", b"XMP ", b"ICCP"}
_ORIENTATION_TAG = 0x0112
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)([1-8])")


class BadPicture(HeadlightError):
    """A file that is no picture, or one that is too large."""


class _Damaged(ValueError):
    """The file's structure is not that of its format."""


def reduce_file(data: bytes) -> tuple[bytes, int]:
    """Return a file with the same pixels and without metadata, and the number of its orientation in EXIF (1: upright).

    Raises:
        BadPicture: it has more pieces or scans than any camera or program writes.
        ValueError: it is no PNG, JPEG or WebP, or its structure is damaged.
    """
    if data.startswith(b"\xff\xd8"):
        kept, metadata = _reduce_jpeg(data)
    elif data.startswith(_PNG_START):
        kept, metadata = _reduce_png(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kept, metadata = _reduce_webp(data)
    else:
        raise _Damaged("no PNG, JPEG or WebP")
    return kept, _orientation(metadata)


def _reduce_jpeg(data: bytes) -> tuple[bytes, list[bytes]]:
    view = memoryview(data)
    kept, metadata, n_pieces, n_scans, n_pixels = [view[:2]], [], 0, 0, 0
    offset, pattern = 2, _MARKER
    while found := pattern.search(data, offset):
        marker, start = found[0][1], found.start()
        # Within a scan, the bytes before the next marker are pixels.
        if pattern is _MARKER and start - offset > _MOST_SKIPPED:
            raise _Damaged("bytes between segments")
        if pattern is _MARKER_IN_A_SCAN:
            kept.append(view[offset:start])
        pattern = _MARKER
        n_pieces += 1
        _check_pieces(n_pieces, "segments")
        if marker == _END:
            break
        if marker in _WITHOUT_LENGTH:
            offset = found.end()
            continue
        offset = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
        segment = view[start:offset]
        if len(segment) < 4:
            raise _Damaged("a segment without a length")
        if marker in _START_OF_FRAME and len(segment) >= 9:
            height, width = struct.unpack(">HH", segment[5:9])
            n_pixels = max(n_pixels, height * width)
        if marker == _START_OF_SCAN:
            n_scans += 1
            _check_scans(n_scans, n_pixels)
            pattern = _MARKER_IN_A_SCAN
        if marker not in _METADATA or marker in _NEEDED_METADATA:
            kept.append(segment)
        elif marker == 0xE1:
            metadata.append(bytes(segment[4:]))
    else:
        kept.append(view[offset:])  # the file is cut off: the decoder decides whether it can be read
        return b"".join(kept), metadata
    return b"".join((*kept, b"\xff\xd9")), metadata


def _check_scans(n_scans: int, n_pixels: int) -> None:
    most = min(MOST_SCANS, max(10, MOST_SCANNED // max(n_pixels, 1)))
    if n_scans > most:
        raise BadPicture(
            f"This JPEG has more than {most} scans, expected about 10: save it again without the progressive option, "
            "or as PNG."
        )


def _check_pieces(n_pieces: int, what: str) -> None:
    if n_pieces > MOST_PIECES:
        raise BadPicture(
            f"The file has more than {MOST_PIECES:,} {what}, expected some hundred: save the picture again with "
            "another program."
        )


def _reduce_png(data: bytes) -> tuple[bytes, list[bytes]]:
    kept, metadata = [data[:8]], []
    for name, chunk in _chunks(data, 8, "big", around=12):  # length, name, body, checksum
        if name in _PNG_NEEDED:
            kept.append(bytes(chunk))
        elif name in _PNG_METADATA:
            metadata.append(bytes(chunk[8 : 8 + _MOST_METADATA]))
        if name == b"IEND":
            break
    return b"".join(kept), metadata


def _reduce_webp(data: bytes) -> tuple[bytes, list[bytes]]:
    kept, metadata, n_frames = [b"WEBP"], [], 0
    for name, chunk in _chunks(data, 12, "little", around=8):  # name, length, body
        n_frames += name == b"ANMF"
        if name in _WEBP_METADATA:
            metadata.append(bytes(chunk[8 : 8 + _MOST_METADATA]))
        elif name != b"ANMF" or n_frames == 1:
            kept.append(bytes(chunk))
            kept.append(bytes(len(chunk) % 2))
    body = b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body, metadata


def _chunks(
    data: bytes, offset: int, order: Literal["big", "little"], around: int
) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the name and all bytes of each chunk; `around` is how many bytes a chunk has besides its body."""
    view, n_pieces = memoryview(data), 0
    while offset + 8 <= len(data):
        n_pieces += 1
        _check_pieces(n_pieces, "chunks")
        first, second = data[offset : offset + 4], data[offset + 4 : offset + 8]
        name, length = (second, first) if order == "big" else (first, second)
        end = offset + around + int.from_bytes(length, order)
        yield name, view[offset:end]
        offset = end + (end % 2 if order == "little" else 0)


def _orientation(metadata: list[bytes]) -> int:
    """Return the orientation in EXIF, else that in XMP, else 1."""
    for piece in metadata:
        found = _orientation_of_exif(piece.removeprefix(b"Exif\0\0"))
        if found is not None:
            return found
    match = next((match for match in map(_XMP_ORIENTATION.search, metadata) if match), None)
    return int(match[1]) if match else 1


def _orientation_of_exif(tiff: bytes) -> int | None:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 10:
        return None
    (offset,) = struct.unpack_from(f"{order}I", tiff, 4)
    if offset + 2 > len(tiff):
        return None
    (n_fields,) = struct.unpack_from(f"{order}H", tiff, offset)
    for start in range(offset + 2, min(offset + 2 + 12 * n_fields, len(tiff) - 11), 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, start)
        if tag == _ORIENTATION_TAG:
            return value if kind == 3 and 1 <= value <= 8 else None
    return None
