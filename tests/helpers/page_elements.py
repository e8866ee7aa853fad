"""Read what a page shows, without a browser."""

import json
from typing import Any
from urllib.parse import parse_qsl

from streamlit.testing.v1 import AppTest

_WIDGETS = ("text_input", "text_area", "selectbox", "number_input", "toggle", "slider", "select_slider", "button_group")


def charts(app: AppTest) -> list[dict]:
    """Return the figures of the page's Plotly charts, from top to bottom, as the server sent them."""
    drawn = [element.proto for element in app.get("bidi_component")]
    return [json.loads(proto.bytes) for proto in drawn if proto.component_name == "headlight_chart"]


def address(app: AppTest) -> dict[str, str]:
    """Return the URL parameters that the page sets, those of the selection at the end, as it was opened."""
    (bar,) = [each.proto for each in app.get("bidi_component") if each.proto.component_name == "headlight_address"]
    shown = json.loads(bar.json)
    return dict(parse_qsl("&".join(filter(None, (shown["query"], shown["selection"])))))


def chosen(app: AppTest, page: str) -> Any:
    """Return the choice of a page ("inspect", "steps", ...) in the visitor's session."""
    return app.session_state[f"{page} state"].choice


def widget(app: AppTest, key: str) -> Any:
    """Return the widget of a field; after a change by the server its key ends in a number."""
    shown = [each for kind in _WIDGETS for each in getattr(app, kind) if each.key and each.key.partition("#")[0] == key]
    (found,) = shown
    return found
