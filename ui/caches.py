"""What visitors share: loaded models and traces, both read-only, the least recently made ones dropped."""

from __future__ import annotations

import logging

import streamlit as st
from huggingface_hub.utils import disable_progress_bars
from transformers.utils import logging as transformers_logging

from models import AttentionTrace, Model, load_model
from ui.settings import MODELS_IN_MEMORY, TRACES_IN_MEMORY, check_allowed
from viz import Look
from viz.grid import pack_grid

log = logging.getLogger("headlight.ui")
transformers_logging.disable_progress_bar()
disable_progress_bars()


def open_model(name: str, revision: str) -> Model:
    """Return a loaded model that this server may open.

    Raises:
        HeadlightError: why it cannot be opened, in one sentence.
    """
    check_allowed(name)
    return _model(name, revision)


@st.cache_resource(max_entries=MODELS_IN_MEMORY, show_spinner="Loading the model and proving its capture …")
def _model(name: str, revision: str) -> Model:
    return load_model(name, revision=revision or None)


def trace_of(model: Model, text: str, pair: str, target: str) -> AttentionTrace:
    """Return the trace of a text, computed once for all visitors who look at it.

    Raises:
        HeadlightError: why it cannot be traced, in one sentence.
    """
    return _trace(model, model.card.name, model.card.revision, text, pair, target)


@st.cache_resource(max_entries=TRACES_IN_MEMORY, show_spinner="Tracing …")
def _trace(_model: Model, name: str, revision: str, text: str, pair: str, target: str) -> AttentionTrace:
    return _model.trace(text, text_pair=pair or None, target=target or None)


def grid_bytes(trace: AttentionTrace, kind: str, look: Look) -> bytes:
    """Return the packed thumbnails of all heads, computed once per trace and look."""
    source = trace.source
    key = (source.model, source.revision, source.text, source.text_pair, source.target)
    return _grid(trace, key, kind, look.palette, look.contrast)


@st.cache_resource(max_entries=TRACES_IN_MEMORY, show_spinner=False)
def _grid(_trace: AttentionTrace, key: tuple, kind: str, palette: str, contrast: str) -> bytes:
    return pack_grid(_trace[kind], Look(palette=palette, contrast=contrast))
