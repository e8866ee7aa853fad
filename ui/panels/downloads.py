"""The buttons that download a file, and what it says of its origin."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from viz.formats import MIME


def offer_file(title: str, name: str, file_format: str, make: Callable[[], bytes | str]) -> None:
    """Offer a file, which is made when the visitor presses the button.

    Another file is another button: one that is pressed while the next page arrives gives what it says.
    """
    file = f"{name}.{file_format}"
    mime = MIME[file_format]
    st.download_button(title, make, file, mime, key=f"download {file}", on_click="ignore", type="primary")


def say_origin(name: str, file_format: str, origin: Callable[[], Mapping[str, Any]]) -> None:
    """Say where the file has its origin; that of a CSV is a file of its own."""
    if file_format != "csv":
        st.caption("The file says in its metadata which model, revision, text and settings made it.")
        return
    file = f"{name}.csv.json"
    st.download_button(
        "Download its origin (JSON)",
        json.dumps(origin(), indent=1),
        file,
        MIME["json"],
        key=f"download {file}",
        on_click="ignore",
    )
    st.caption("A CSV has no place for its origin (model, revision, text, versions): this file has it.")
