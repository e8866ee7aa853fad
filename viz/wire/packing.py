"""One run of bytes for a browser picture: a JSON header, then the arrays (read by viz/browser/shared.js)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs_version

_NAMES = {"uint8": "Uint8Array", "uint16": "Uint16Array", "float32": "Float32Array"}
ALIGNMENT = 4
# What a chart's own buttons may do, on the page and in a file. Plotly would offer to send the data to its makers, to
# save a picture without its origin, and an automatic scale that turns the queries upside down.
_BUTTONS = {
    "displaylogo": False,
    "showSendToCloud": False,
    "doubleClick": "reset",
    "modeBarButtonsToRemove": ["toImage", "sendChartToCloud", "autoScale2d", "zoomIn2d", "zoomOut2d", "lasso2d"],
}


def pack_chart(figure: go.Figure, alt: str, *, buttons: bool = True) -> bytes:
    """Return a Plotly figure, with what it shows in words, as viz/browser/chart.js reads it: JSON in UTF-8."""
    parts = {
        "alt": alt,
        "plotly": get_plotlyjs_version(),
        "config": {**_BUTTONS, "displayModeBar": "hover" if buttons else False},
    }
    return (json.dumps(parts)[:-1] + ", " + figure.to_json()[1:]).encode()


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
