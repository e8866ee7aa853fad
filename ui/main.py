"""What Streamlit runs for each visitor: the page's frame and its navigation."""

from pathlib import Path

import streamlit as st

from ui.failures import failures_shown

# A file of our own: Streamlit would fetch emoji and symbol icons from outside.
st.set_page_config(page_title="Headlight", page_icon=str(Path(__file__).with_name("favicon.png")), layout="wide")

inspect = st.Page("pages/inspect.py", title="Inspect", default=True)
steps = st.Page("pages/steps.py", title="Step by step", url_path="steps")
watch = st.Page("pages/watch.py", title="Watch it train", url_path="watch")
page = st.navigation({"": [inspect], "Learn": [steps, watch]}, position="top")
with failures_shown("showing the page"):
    page.run()
