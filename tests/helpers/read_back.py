"""Read exported files and packed bytes, as other programs and the browser do."""

import base64
import gzip
import io
import json
import re
import struct
from xml.etree import ElementTree

import numpy as np
import pandas as pd

SVG = "{http://www.w3.org/2000/svg}"
TYPES = {"Uint8Array": "<u1", "Uint16Array": "<u2", "Float32Array": "<f4"}


def unpack(raw: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Unpack as the browser does: an array that is not aligned to its item size is an error."""
    (length,) = struct.unpack_from("<I", raw)
    header = json.loads(raw[4 : 4 + length].decode("utf-8"))
    arrays = {}
    for name, (kind, offset, size) in header["arrays"].items():
        start = 4 + length + offset
        if kind == "Weights":
            low, high = np.frombuffer(raw, np.uint8, 2 * size, start).reshape(2, size).astype(np.int64)
            code = low + 256 * high
            arrays[name] = np.where(code == 65535, -1, np.where(code == 65534, np.nan, code / 65533))
            continue
        assert start % np.dtype(TYPES[kind]).itemsize == 0
        arrays[name] = np.frombuffer(raw, TYPES[kind], size, start)
    return header, arrays


def data_of_page(page: bytes | str) -> bytes:
    """The data of an HTML file, inflated as the browser does."""
    text = page if isinstance(page, str) else page.decode("utf-8")
    (packed,) = re.findall(r'atob\("([A-Za-z0-9+/=]+)"\)', text)
    return gzip.decompress(base64.b64decode(packed))


def svg_texts(data: bytes) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(data).iter(f"{SVG}text")]


def read_csv(data: bytes) -> pd.DataFrame:
    # Here "nan", "NA" and "null" are words, not missing values.
    return pd.read_csv(io.BytesIO(data), keep_default_na=False)
