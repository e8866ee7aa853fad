"""The pages, for the navigation and for panels that lead from one page to another.

`go` reads private details of Streamlit: `st.switch_page` first writes an empty query into the URL of the page that it
leaves, as an entry of the browser's history of its own, to which Back would lead.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import streamlit as st
from streamlit.runtime.scriptrunner import RerunData, RerunException, get_script_run_ctx

_HERE = Path(__file__).parent / "pages"


def inspect_page() -> st.Page:
    """Return the page "Inspect"."""
    return st.Page(_HERE / "inspect.py", title="Inspect", default=True)


def heads_page() -> st.Page:
    """Return the page "Heads"."""
    return st.Page(_HERE / "heads.py", title="Heads", url_path="heads")


def all_pages() -> dict[str, list[st.Page]]:
    """Return the pages by the group under which the navigation lists them."""
    steps = st.Page(_HERE / "steps.py", title="Step by step", url_path="steps")
    watch = st.Page(_HERE / "watch.py", title="Watch it train", url_path="watch")
    return {"": [inspect_page(), heads_page()], "Learn": [steps, watch]}


def go(page: st.Page) -> NoReturn:
    """End this run, and show another page, which a visitor leaves by Back."""
    context = get_script_run_ctx()
    assert context is not None  # pages run in a session
    with context.session_state.query_params() as query:
        query.clear_with_no_forward_msg(preserve_embed=True)
    raise RerunException(
        RerunData(
            page_script_hash=page._script_hash,
            cached_message_hashes=context.cached_message_hashes,
            context_info=context.context_info,
        )
    )
