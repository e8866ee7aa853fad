"""A visitor's file for a model to read, kept for the other pages of the visit."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.messages import escape_markdown


def upload_control(
    key: str, title: str, formats: Sequence[str], suffixes: Sequence[str], help_text: str, most: int
) -> None:
    """Let the visitor upload a file of at most `most` bytes; `uploaded_bytes(key)` has its contents.

    Streamlit forgets the upload when the visitor goes to another page: the session keeps the contents and the name.
    """
    session = st.session_state

    def changed() -> None:
        file = session.get(key)
        session[_kept(key)] = None if file is None else (file.name, file.getvalue())

    uploaded = st.file_uploader(
        f"{title} ({', '.join(formats)}, up to {most // 10**6} MB)",
        type=list(suffixes),
        max_upload_size=most // 10**6,
        key=key,
        help=help_text,
        on_change=changed,
    )
    if uploaded is not None:
        session[_kept(key)] = (uploaded.name, uploaded.getvalue())
    elif session.get(_kept(key)) is not None:
        name = session[_kept(key)][0]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f"The model reads {escape_markdown(name[:60])}, which you uploaded.", width="content")
            st.button("Remove", key=f"remove {key}", on_click=session.pop, args=(_kept(key), None))


def uploaded_bytes(key: str) -> bytes | None:
    """Return the contents of the visitor's file, None without one."""
    kept = st.session_state.get(_kept(key))
    return None if kept is None else kept[1]


def _kept(key: str) -> str:
    return f"{key} kept"
