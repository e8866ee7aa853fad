"""One run of bytes for a browser picture: a JSON header, then the arrays (read by viz/browser/core/unpack.js)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs_version

from viz.style import chart_style

_NAMES = {"uint8": "Uint8Array", "uint16": "Uint16Array", "float32": "Float32Array"}
ALIGNMENT = 4
# The buttons of a chart, on the page and in a file. Removed are Plotly's offers to send the data to its makers and to
# save a picture without its origin, and the automatic scale, which reverses the order of the queries.
_REMOVED = ["toImage", "sendChartToCloud", "autoScale2d", "zoomIn2d", "zoomOut2d", "lasso2d"]
_BUTTONS = {
    "displaylogo": False,
    "showSendToCloud": False,
    "doubleClick": "reset",
    "modeBarButtonsToRemove": _REMOVED,
}


def pack_chart(figure: go.Figure, alt: str, *, buttons: bool = True, download: str = "") -> bytes:
    """Return a Plotly figure and its description in words (`alt`) as JSON in UTF-8, for the chart of viz/browser.

    With `download`, the name of a file without its ending, the chart has Plotly's button that saves it as SVG.
    """
    config: dict[str, Any] = {**_BUTTONS, "displayModeBar": "hover" if buttons else False}
    if download:
        config["modeBarButtonsToRemove"] = [each for each in _REMOVED if each != "toImage"]
        config["toImageButtonOptions"] = {"format": "svg", "filename": download}
    parts = {"alt": alt, "plotly": get_plotlyjs_version(), "style": chart_style(), "config": config}
    return (json.dumps(parts)[:-1] + ", " + figure.to_json()[1:]).encode()


def pack(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """Return `length of the header (uint32, little-endian) | header | arrays`, every part padded to 4 bytes.

    The header also gets `arrays`: name -> [JavaScript type, offset after the header, number of elements].

    Raises:
        ValueError: a number of the header is not finite, which JSON cannot say.
    """
    index: dict[str, list[Any]] = {}
    parts: list[bytes] = []
    offset = 0
    for name, array in arrays.items():
        parts.append(_padded(array.astype(array.dtype.newbyteorder("<"), order="C").tobytes(), b"\0"))
        index[name] = [_NAMES[array.dtype.name], offset, int(array.size)]
        offset += len(parts[-1])
    text = _padded(json.dumps({**header, "arrays": index}, allow_nan=False).encode("ascii"), b" ")
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def _padded(raw: bytes, filler: bytes) -> bytes:
    return raw + filler * (-len(raw) % ALIGNMENT)
