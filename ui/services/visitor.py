"""Who a page is for."""

from __future__ import annotations

from uuid import uuid4

import streamlit as st


def visitor() -> str:
    """Return the id of the visitor: each of Streamlit's sessions has its own."""
    return st.session_state.setdefault("visitor", uuid4().hex)
