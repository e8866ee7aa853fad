"""Read what a page shows, without a browser."""

import json
from urllib.parse import parse_qsl

from streamlit.testing.v1 import AppTest


def charts(app: AppTest) -> list[dict]:
    """Return the figures of the page's Plotly charts, from top to bottom, as the server sent them."""
    drawn = [element.proto for element in app.get("bidi_component")]
    return [json.loads(proto.bytes) for proto in drawn if proto.component_name == "headlight_chart"]


def address(app: AppTest) -> dict[str, str]:
    """Return the URL parameters that the page sets."""
    (bar,) = [each.proto for each in app.get("bidi_component") if each.proto.component_name == "headlight_address"]
    return dict(parse_qsl(json.loads(bar.json)["query"]))


def follow(app: AppTest) -> None:
    """Set the URL that the page asks for, as a browser does: it tells the server which updates have arrived."""
    app.query_params.clear()
    app.query_params.update(address(app))
