"""Headlight: what every attention head of a transformer looks at. Run with `make run`."""

import os

# Read when torch is loaded: waiting threads sleep. Spinning ones make a head 20 ms late as soon as two visitors work.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import streamlit as st

# Before any page: two visitors' threads that import the rooms in different orders would see half a module.
import viz  # noqa: F401
from ui.server import middleware, prepare, refuse_open_server

refuse_open_server()
app = st.App("ui/main.py", lifespan=prepare, middleware=middleware())
