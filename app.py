"""Headlight: what every attention head of a transformer looks at. Run with `make run`.

The server imports this file for its `app`. Streamlit then runs it as a script for each visitor.
"""

import os
from pathlib import Path

# torch reads this when it is loaded: waiting threads sleep. Spinning threads delay a head by 20 ms with two visitors.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import streamlit as st

# Import before any page: if the threads of two visitors import packages in different orders, one sees half a module.
import ui as package_of_pages
import viz  # noqa: F401
from ui.components import connection
from ui.messages import failures_shown
from ui.navigation import all_pages
from ui.server import instrument_routes, middleware, prepare, refuse_open_server

HERE = Path(package_of_pages.__file__).parent

if __name__ == "__main__":
    # A local file, because browsers would fetch emoji and symbol icons from another server.
    icon = HERE / "favicon.png"
    st.set_page_config(page_title="Headlight", page_icon=str(icon), layout="wide")
    page = st.navigation(all_pages(), position="top")
    with failures_shown("showing the page"):
        page.run()
    connection()
else:
    refuse_open_server()
    app = st.App(__file__, lifespan=prepare, routes=instrument_routes(), middleware=middleware())
