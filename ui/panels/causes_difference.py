"""What is said of the difference of two maps: what it is, and where the changes moved the most attention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from analysis.maps import METHODS
from models import Attention
from ui.messages import escape_markdown
from ui.panels.maps import ATTENTION
from ui.services.attention_cache import cached
from ui.state.inspect import INSPECT
from viz.labels import label

# A move below this is faint on a linear scale, and one below the second is none.
FAINT, NONE = 0.25, 0.0005
# Of a longer text, finding the largest move would take a second or more in each run of the page.
MOST_WEIGHTS = 10_000_000


@dataclass(frozen=True)
class Largest:
    """The pair of tokens and the head whose weight moved most, and how far."""

    layer: int
    head: int
    query: int
    key: int
    moved: float


def describe_difference(att: Attention) -> None:
    """Say what the difference is, and where it is largest, with a button that shows it there."""
    method = METHODS[INSPECT.current().show]
    said = ["Each cell shows how far the changes moved a weight, up or down."]
    if method.name != ATTENTION:
        said.append(f"It is one of the attention, not of {method.title}.")
    n_weights = att.n_layers * att.n_heads * att.n_query * att.n_key
    largest = cached(att, ("largest move",), lambda: find_largest(att)) if n_weights <= MOST_WEIGHTS else None
    with st.container(key="difference-row", horizontal=True, vertical_alignment="center", gap="small"):
        if largest is not None:
            said.append(describe_largest(att, largest))
        st.caption(escape_markdown(" ".join(said)), width="content")
        if largest is not None and largest.moved >= NONE:
            st.button("Show it there", key="show largest move", on_click=_show, args=(largest,))


def find_largest(att: Attention) -> Largest | None:
    """Return the largest weight of all heads; None if none is a number."""
    found: Largest | None = None
    for layer in range(att.n_layers):
        weights = np.nan_to_num(att.layer(layer), nan=-1.0)
        head, query, key = map(int, np.unravel_index(int(weights.argmax()), weights.shape))
        moved = float(weights[head, query, key])
        if moved >= 0 and (found is None or moved > found.moved):
            found = Largest(layer, head, query, key, moved)
    return found


def describe_largest(att: Attention, largest: Largest) -> str:
    """Return in words where the largest move is, and what to do if it is small."""
    if largest.moved < NONE:
        return "No weight moved: the changes act on the answer alone."
    pair = f"“{label(att.query_tokens[largest.query])}” to “{label(att.key_tokens[largest.key])}”"
    where = f"The largest move is {largest.moved:.3f}, in layer {largest.layer}, head {largest.head}, {pair}."
    faint = " The scale “root” (Look) shows small moves better." if largest.moved < FAINT else ""
    return where + faint


def _show(largest: Largest) -> None:
    INSPECT.select(
        layer=largest.layer, head=largest.head, heads="", token=f"query:{largest.query}", partner=f"key:{largest.key}"
    )
