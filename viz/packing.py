"""One run of bytes for a browser picture: a JSON header, then the arrays (read by viz/browser/unpack.js)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

_NAMES = {"uint8": "Uint8Array", "uint16": "Uint16Array", "float32": "Float32Array"}
ALIGNMENT = 4


def pack(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """Return `length of the header (uint32, little-endian) | header | arrays`, every part padded to 4 bytes.

    The header gains `arrays`: name -> [JavaScript type, offset after the header, number of elements].
    """
    places, body = {}, b""
    for name, array in arrays.items():
        places[name] = [_NAMES[array.dtype.name], len(body), int(array.size)]
        body += _padded(array.astype(array.dtype.newbyteorder("<"), order="C").tobytes(), b"\0")
    text = _padded(json.dumps({**header, "arrays": places}).encode("ascii"), b" ")
    return len(text).to_bytes(4, "little") + text + body


def _padded(raw: bytes, filler: bytes) -> bytes:
    return raw + filler * (-len(raw) % ALIGNMENT)
