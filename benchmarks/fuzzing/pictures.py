"""Pictures from strangers: damaged, lying about their size, of many scans or frames, with odd chunks."""

import io
import struct
import zlib
from functools import cache
from random import Random

import numpy as np
from PIL import Image

from benchmarks.fuzzing.folders import saved
from benchmarks.fuzzing.mutations import mutated_bytes
from models import Model, load_model
from ui.services.pictures import read_picture

_MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")
_SIZES = (0, 1, 2, 7, 8191, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1)


def make_picture(dice: Random) -> bytes:
    """Return the bytes of a picture that is spoilt in its format, or blindly."""
    form = dice.choice(("PNG", "PNG", "JPEG", "JPEG", "WEBP", "other"))
    if form == "other":
        return _other(dice)
    raw = _saved(dice, form)
    if form == "PNG" and dice.random() < 0.6:
        raw = _spoilt_png(dice, raw)
    elif form == "JPEG" and dice.random() < 0.5:
        raw = _spoilt_jpeg(dice, raw)
    elif form == "WEBP" and dice.random() < 0.4:
        place = dice.choice((4, 16, 24, 26, 28))
        raw = raw[:place] + struct.pack("<I", dice.choice(_SIZES)) + raw[place + 4 :]
    return mutated_bytes(dice, raw) if dice.random() < 0.5 else raw


def _saved(dice: Random, form: str) -> bytes:
    width, height = dice.choice((1, 7, 31, 200)), dice.choice((1, 11, 64))
    noise = np.random.default_rng(dice.randrange(10)).integers(0, 255, (height, width, 3)).astype(np.uint8)
    picture = Image.fromarray(noise)
    options: dict = {}
    if form == "JPEG":
        options = {"progressive": dice.random() < 0.5, "quality": dice.choice((1, 75, 100))}
        picture = picture.convert(dice.choice(("RGB", "L", "CMYK")))
    elif form == "PNG":
        mode = dice.choice(_MODES)
        picture = picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode)
    if dice.random() < 0.3:
        exif = Image.Exif()
        exif[0x0112] = dice.choice((0, 1, 3, 6, 8, 9, 65_535))
        exif[0x010E] = "x" * dice.choice((1, 5000))
        options["exif"] = exif
    if form != "JPEG" and dice.random() < 0.2:
        options |= {"save_all": True, "append_images": [picture] * dice.choice((1, 30))}
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _spoilt_png(dice: Random, raw: bytes) -> bytes:
    """Return a PNG whose header lies, with a right checksum, or with a chunk that decoders stumble over."""
    if dice.random() < 0.5:
        width, height = struct.unpack(">II", raw[16:24])
        size = dice.choice(((dice.choice(_SIZES), height), (width, dice.choice(_SIZES)), (7071, 7071), (width, height)))
        rest = dice.choice(
            (
                raw[24:29],
                bytes((dice.choice((1, 2, 4, 8, 16, 99)), dice.choice((0, 2, 3, 4, 6, 9)), 0, 0, dice.randrange(3))),
            )
        )
        return raw[:8] + _chunk(b"IHDR", struct.pack(">II", *size) + rest) + raw[33:]
    long = zlib.compress(bytes(dice.choice((10, 10_000_000))))
    name, data = dice.choice(
        (
            (b"zTXt", b"k\0\0" + long),
            (b"iCCP", b"p\0\0" + long),
            (b"iTXt", b"k\0\1\0\0\0" + long),
            (b"tEXt", b"k\0" + b"x" * 100_000),
            (b"eXIf", dice.randbytes(40)),
            (b"eXIf", b"MM\0*\0\0\0\x08" + b"\xff\xff" * 20),
            (b"acTL", struct.pack(">II", dice.choice(_SIZES[:6]), 0)),
            (b"PLTE", dice.randbytes(dice.choice((1, 3, 768, 800)))),
            (b"tRNS", dice.randbytes(dice.choice((1, 6, 300)))),
            (b"IDAT", dice.randbytes(50)),
            (b"IDAT", long),
            (b"IEND", b""),
            (b"ABCD", b""),
        )
    )
    return raw[:33] + _chunk(name, data) * dice.choice((1, 1, 5)) + raw[33:]


def _spoilt_jpeg(dice: Random, raw: bytes) -> bytes:
    """Return a JPEG with another size in its frame, more scans, or a segment that decoders stumble over."""
    frame = next((raw.find(mark) for mark in (b"\xff\xc0", b"\xff\xc2") if mark in raw), -1)
    deed = dice.randrange(4)
    if deed == 0 and frame > 0:
        size = struct.pack(">HH", *(min(65_535, dice.choice(_SIZES)) for _ in range(2)))
        return raw[: frame + 5] + size + raw[frame + 9 :]
    if deed == 1 and frame > 0:
        return raw[: frame + 9] + bytes((dice.choice((0, 1, 2, 4, 255)),)) + raw[frame + 10 :]
    scan = raw.find(b"\xff\xda")
    if deed == 2 and scan > 0:
        return raw[:-2] + raw[scan:-2] * dice.choice((1, 5, 90)) + raw[-2:]
    segment = dice.choice(
        (b"\xff\xe1Exif\0\0", b"\xff\xe2ICC_PROFILE\0", b"\xff\xdd", b"\xff\xdb", b"\xff\xc4", b"\xff\xee")
    )
    return (
        raw[:2]
        + segment[:2]
        + struct.pack(">H", dice.choice((0, 2, 9, 60)))
        + segment[2:]
        + dice.randbytes(40)
        + raw[2:]
    )


def _other(dice: Random) -> bytes:
    return dice.choice(
        (
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xd9",
            b"RIFF\xff\xff\xff\xffWEBPVP8X" + bytes(40),
            b"GIF89a" + bytes(100),
            b"BM" + bytes(100),
            b"II*\0" + bytes(200),
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            b"%!PS-Adobe-3.0 EPSF-3.0\n/x { } def",
            b"%PDF-1.7",
            dice.randbytes(dice.choice((1, 100, 5000))),
        )
    )


@cache
def _model() -> Model:
    return load_model(saved("vit"))


def check_picture(raw: bytes) -> list[str]:
    """Read a picture as an upload is read, and let a model look at it."""
    picture = read_picture(raw)
    trace = _model().trace(image=picture)
    trace[trace.kinds[0]].weights(0, 0)
    return [*trace.notices]
