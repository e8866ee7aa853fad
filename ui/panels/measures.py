"""The numbers of the selected head: its measures, and its strongest pairs as a table."""

from __future__ import annotations

import html
import math

import streamlit as st

from analysis import head_measures, strongest_pairs
from analysis.attention_measures import MEASURES
from analysis.selection import Selection
from models import Attention, Token
from ui.services.attention_cache import cached
from viz.labels import label

PAIRS = 40


def show_measures(att: Attention, layer: int, head: int) -> None:
    """Show the head's measures in one element: seven widgets of Streamlit would take longer than the pictures."""
    values = cached(att, ("measures", layer, head), lambda: head_measures(att, layer, head))
    entries = "".join(
        f'<div title="{html.escape(meaning)}"><dt>{title}</dt><dd>{_format_measure(name, values[name])}</dd></div>'
        for name, (title, meaning) in MEASURES.items()
    )
    st.markdown(f"## Figures of layer {layer}, head {head}")
    # Titles are for a mouse alone; keys and fingers find the same below.
    meanings = "".join(f"<dt>{title}</dt><dd>{html.escape(meaning)}</dd>" for title, meaning in MEASURES.values())
    explained = f"<details><summary>What these figures mean</summary><dl>{meanings}</dl></details>"
    st.html(f'<dl class="figures">{entries}</dl><div class="meanings">{explained}</div>')


def _format_measure(name: str, value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.2f} bits" if name == "entropy" else f"{value:.1f} tokens" if name == "distance" else f"{value:.1%}"


def show_pairs(att: Attention, selection: Selection) -> None:
    """Show the strongest pairs as a table: the same facts for readers who cannot see the picture."""
    region, (layer, head) = selection.region_in(att), selection.of_one_head()
    pairs = cached(
        att,
        ("pairs", layer, head, region),
        lambda: strongest_pairs(att, layer, head, PAIRS, queries=region.queries, keys=region.keys),
    )
    rows = "".join(
        f"<tr><td>{query}</td><td>{_cell(att.query_tokens[query])}</td>"
        f"<td>{key}</td><td>{_cell(att.key_tokens[key])}</td>"
        f'<td><meter min="0" max="1" value="{weight:.4f}"></meter> {weight:.4f}</td></tr>'
        for query, key, weight in zip(*(pairs[name].tolist() for name in ("query", "key", "weight")), strict=True)
    )
    header = "<tr><th></th><th>query</th><th></th><th>attends to key</th><th>weight</th></tr>"
    st.markdown("## Strongest pairs" + (f" of {region.describe()}" if selection.region else ""))
    st.html(f'<div class="pairs" tabindex="0"><table><thead>{header}</thead><tbody>{rows}</tbody></table></div>')


def _cell(token: Token) -> str:
    return f'<span class="{"special" if token.special else ""}">{html.escape(label(token))}</span>'
