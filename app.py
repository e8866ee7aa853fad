"""Headlight: what every attention head of a transformer looks at. Run with `make run`.

The server imports this file for its `app`. Streamlit then runs it as a script for each visitor.
"""

import os
from pathlib import Path

# torch reads this when it is loaded: waiting threads sleep. Spinning threads delay a head by 20 ms with two visitors.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import streamlit as st

# Import before any page: if the threads of two visitors import packages in different orders, one sees half a module.
import viz  # noqa: F401
from ui.components import connection
from ui.messages import failures_shown
from ui.server import instrument_routes, middleware, prepare, refuse_open_server

if __name__ == "__main__":
    # A local file, because browsers would fetch emoji and symbol icons from another server.
    icon = Path(__file__).parent / "ui" / "favicon.png"
    st.set_page_config(page_title="Headlight", page_icon=str(icon), layout="wide")
    inspect = st.Page("ui/pages/inspect.py", title="Inspect", default=True)
    steps = st.Page("ui/pages/steps.py", title="Step by step", url_path="steps")
    watch = st.Page("ui/pages/watch.py", title="Watch it train", url_path="watch")
    page = st.navigation({"": [inspect], "Learn": [steps, watch]}, position="top")
    with failures_shown("showing the page"):
        page.run()
    connection()
else:
    refuse_open_server()
    app = st.App(__file__, lifespan=prepare, routes=instrument_routes(), middleware=middleware())
