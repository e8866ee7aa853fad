"""Headlight: what every attention head of a transformer looks at. Run with `make run`."""

import os
from pathlib import Path

import streamlit as st

# Read when torch is loaded: waiting threads sleep. Spinning ones make a head 20 ms late as soon as two visitors work.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A file of our own: Streamlit would fetch emoji and symbol icons from outside.
st.set_page_config(page_title="Headlight", page_icon=str(Path(__file__).parent / "ui" / "favicon.png"), layout="wide")

# Before any page: two visitors' threads that import the rooms in different orders would see half a module.
import viz  # noqa: E402, F401

inspect = st.Page("ui/pages/inspect.py", title="Inspect", default=True)
steps = st.Page("ui/pages/steps.py", title="Step by step", url_path="steps")
watch = st.Page("ui/pages/watch.py", title="Watch it train", url_path="watch")
st.navigation({"": [inspect], "Learn": [steps, watch]}, position="top").run()
