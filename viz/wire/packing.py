"""One run of bytes for a browser picture: a JSON header, then the arrays (read by viz/browser/core/unpack.js)."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs_version

from viz.style import MASKED_WEIGHT, chart_style

_NAMES = {"uint8": "Uint8Array", "uint16": "Uint16Array", "float32": "Float32Array"}
ALIGNMENT = 4
# Weights in 16 bits: numbers from 0 to `STEPS` are weights from 0 to 1, 8e-6 from the exact ones at most.
STEPS, NOT_A_NUMBER, MASKED = 65533, 65534, 65535
# The buttons of a chart, on the page and in a file. Removed are Plotly's offers to send the data to its makers and to
# save a picture without its origin, and the automatic scale, which reverses the order of the queries.
_REMOVED = ["toImage", "sendChartToCloud", "autoScale2d", "zoomIn2d", "zoomOut2d", "lasso2d"]
_BUTTONS = {
    "displaylogo": False,
    "showSendToCloud": False,
    "doubleClick": "reset",
    "modeBarButtonsToRemove": _REMOVED,
}


def pack_chart(figure: go.Figure, alt: str, *, buttons: bool = True, download: str = "", clicks: bool = False) -> bytes:
    """Return a Plotly figure and its description in words (`alt`) as JSON in UTF-8, for the chart of viz/browser.

    With `download`, the name of a file without its ending, the chart has Plotly's button that saves it as SVG. With
    `clicks`, a point can be clicked: the chart tells what the `customdata` of the point is.
    """
    config: dict[str, Any] = {**_BUTTONS, "displayModeBar": "hover" if buttons else False}
    if download:
        config["modeBarButtonsToRemove"] = [each for each in _REMOVED if each != "toImage"]
        config["toImageButtonOptions"] = {"format": "svg", "filename": download}
    parts = {"alt": alt, "plotly": get_plotlyjs_version(), "style": chart_style(), "config": config, "clicks": clicks}
    return (json.dumps(parts)[:-1] + ", " + figure.to_json()[1:]).encode()


def pack(header: dict[str, Any], arrays: dict[str, np.ndarray], coded: Collection[str] = ()) -> bytes:
    """Return `length of the header (uint32, little-endian) | header | arrays`, every part padded to 4 bytes.

    The header also gets `arrays`: name -> [JavaScript type, offset after the header, number of elements]. The arrays
    named in `coded` are weights, which take 16 bits each (`code_weights`), unless one of them is not from 0 to 1.

    Raises:
        ValueError: a number of the header is not finite, which JSON cannot say.
    """
    index: dict[str, list[Any]] = {}
    parts: list[bytes] = []
    offset = 0
    for name, array in arrays.items():
        codes = code_weights(array) if name in coded else None
        raw = array.astype(array.dtype.newbyteorder("<"), order="C").tobytes() if codes is None else codes.tobytes()
        parts.append(_padded(raw, b"\0"))
        index[name] = [_NAMES[array.dtype.name] if codes is None else "Weights", offset, int(array.size)]
        offset += len(parts[-1])
    text = _padded(json.dumps({**header, "arrays": index}, allow_nan=False).encode("ascii"), b" ")
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def code_weights(weights: np.ndarray) -> np.ndarray | None:
    """Return the low bytes, then the high bytes of weights in 16 bits; None if a weight is not from 0 to 1.

    The high bytes of neighbours are alike, so that both together are deflated to less than numbers of two bytes.
    """
    flat, masked = weights.ravel(), weights.ravel() == np.float32(MASKED_WEIGHT)
    known = ~masked & ~np.isnan(flat)
    # Rounding in a softmax may give slightly more than 1.
    if ((flat < 0) | (flat > 1 + 1e-5))[known].any():
        return None
    codes = np.where(masked, np.uint16(MASKED), np.uint16(NOT_A_NUMBER))
    codes[known] = np.round(np.minimum(flat[known], 1).astype(np.float64) * STEPS)
    return np.concatenate([codes & 255, codes >> 8]).astype(np.uint8)


def _padded(raw: bytes, filler: bytes) -> bytes:
    return raw + filler * (-len(raw) % ALIGNMENT)
