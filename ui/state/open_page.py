"""What a browser sends whose page was open before this session: of a restarted server, or after a long absence.

Streamlit hands over what a browser sent only when the page is drawn, so that this module reads private details of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state.session_state import Serialized


def sent_widgets() -> dict[str, str | None]:
    """Return the keys of the widgets of the open page; with the text of those that hold a text, else None."""
    found: dict[str, str | None] = {}
    for identity, state in _states().items():
        key = identity.split("-", 2)[-1]  # Streamlit: a prefix, a hash and the key
        found[key] = state.value.string_value if state.value.WhichOneof("value") == "string_value" else None
    return found


def sent_fields(prefix: str, names: Iterable[str]) -> list[tuple[str, int, str | None]]:
    """Return field, generation and text of the widgets of a page's choices, the latest of a field last."""
    pattern = re.compile(rf"{re.escape(prefix)}({'|'.join(names)})(?:#(\d{{1,6}}))?", re.ASCII)
    found = [(pattern.fullmatch(key), text) for key, text in sent_widgets().items()]
    sent = [(match[1], int(match[2] or 0), text) for match, text in found if match]
    return sorted(sent, key=lambda each: each[1])


def sent_query() -> dict[str, str]:
    """Return the parameters of the browser's URL.

    Streamlit sends those of the URL that it once opened. An open page that reports itself sends the present ones
    (viz/browser/page/connection.js).
    """
    for state in _states().values():
        if state.value.WhichOneof("value") == "json_trigger_value":
            query = _query_in(state.value.json_trigger_value)
            if query is not None:
                return query
    return st.query_params.to_dict()


def _query_in(written: str) -> dict[str, str] | None:
    """Return the parameters that the message of a component has; None if it is another message."""
    try:
        events: Any = json.loads(written)
        query = next(event["value"][1] for event in events if event["event"] == "found")
        return dict(parse_qsl(query.removeprefix("?"), keep_blank_values=True))
    except (AttributeError, KeyError, IndexError, StopIteration, TypeError, ValueError):
        return None


def _states() -> dict[str, Serialized]:
    context = get_script_run_ctx()
    states = context.session_state._state._new_widget_state.states if context is not None else {}
    return {identity: state for identity, state in states.items() if isinstance(state, Serialized)}
