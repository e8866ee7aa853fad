"""Run the Inspect page without a browser."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.helpers.page_elements import chosen
from tests.helpers.paths import APP
from tests.helpers.read_back import unpack

SECONDS = 240


def run(**parameters: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=SECONDS)
    app.query_params.update(parameters)
    app.run()
    assert not app.exception
    return app


def message(app: AppTest) -> bytes | None:
    """Return the bytes of the instrument's message; None if the page shows no instrument."""
    drawn = [element.proto for element in app.get("bidi_component")]
    found = [proto.bytes for proto in drawn if proto.component_name == "headlight_instrument"]
    assert len(found) <= 1
    return found[0] if found else None


def instrument(app: AppTest) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays of the instrument's message."""
    sent = message(app)
    assert sent is not None, "the page shows no instrument"
    return unpack(sent)


def tokens(app: AppTest) -> list[str]:
    """Return the queries that the instrument shows."""
    return [text for text, *_ in instrument(app)[0]["queries"]]


def opened(app: AppTest) -> dict[str, str]:
    """Return the selection at which the instrument opens."""
    return dict(parse_qsl(instrument(app)[0]["opening"]["selection"]))


def head(app: AppTest) -> tuple[int, int]:
    """Return the layer and head at which the instrument opens."""
    selection = opened(app)
    return int(selection["layer"]), int(selection["head"])


def select(app: AppTest, **values: Any) -> AppTest:
    """Let the browser report a selection, as `PageState.receive` keeps it, and run the page."""
    memory = app.session_state["inspect state"]
    memory.choice, memory.received = replace(chosen(app, "inspect"), **values), memory.received + 1
    return app.run()


def buttons_for_menus(monkeypatch: pytest.MonkeyPatch, *forged: str) -> None:
    """Show a button for each entry of a menu, with the key "MENU: ENTRY", since AppTest cannot open menus.

    `forged` are further entries, which no menu has.
    """

    def menu(label: str, options: list[str], *, key: str, on_click: Callable[[], None], **_: Any) -> None:
        def press(entry: str) -> None:
            st.session_state[key] = entry
            on_click()

        for entry in (*options, *forged):
            st.button(entry, key=f"{key}: {entry}", on_click=press, args=(entry,))

    monkeypatch.setattr(st, "menu_button", menu)


def messages(app: AppTest) -> list[str]:
    """Return every sentence in a box of the page; several notices are a list in one box."""
    boxes = [element.value.replace("\\", "") for element in (*app.warning, *app.error, *app.info)]
    return [line.removeprefix("- ") for box in boxes for line in box.split("\n")]
