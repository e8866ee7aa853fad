"""The least that Streamlit can show: a title."""

import streamlit as st

st.title("Hello, world")
