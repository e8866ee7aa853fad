"""The export popover: what is seen, as a file."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import streamlit as st

from analysis.selection import region_of, whole
from models import Attention
from models.memory import readable
from ui.messages import escape_markdown
from ui.services.caches import maps_of
from ui.services.settings import file_bytes
from ui.state.inspect import Choice
from viz import Look, export
from viz.figures.signal import is_signal
from viz.files.export import MIME, PICTURES, TABLES, glyph_notice
from viz.files.provenance import provenance
from viz.files.tables import selected_heads, table_bytes, table_rows, too_many_rows
from viz.view import flow_region

_FIGURES = {
    "heatmap": "Heatmap of the chosen head",
    "flow": "Flow of the chosen head",
    "grid": "All heads",
    "patches": "Attention on the picture",
    "signal": "Attention on the signal",
    "table": "Weights of the chosen head",
    "all weights": "Weights of all heads",
}


def export_controls(att: Attention, choice: Choice, look: Look, image: np.ndarray | None = None) -> None:
    """Offer the pictures as PNG, SVG, PDF and HTML, and the weights as CSV and NPZ."""
    popover = st.popover("Export", icon=":material/download:", type="primary", key="export", on_change="rerun")
    if not popover.open:
        return  # a head switch must not wait for what nobody sees
    with popover:
        fitting = {"patches": image is not None, "signal": is_signal(att)}
        offered = tuple(name for name in _FIGURES if fitting.get(name, True))
        chosen = st.radio("Export", offered, key="export figure", format_func=_FIGURES.__getitem__)
        figure = "table" if chosen == "all weights" else chosen
        layer, head = (None, None) if chosen == "all weights" else (choice.layer, choice.head)
        formats = TABLES if figure == "table" else PICTURES
        file_format = st.segmented_control(
            "Format",
            formats,
            default=formats[0],
            key=f"export format {formats[0]}",
            format_func=str.upper,
            required=True,
        )
        name = _file_name(att, figure, layer, head, "" if figure in ("grid", "patches", "signal") else choice.region)
        refusal = _too_large(att, file_format, layer, head, look) if figure == "table" else None
        if refusal:
            st.warning(escape_markdown(refusal))
            return
        maps = maps_of(att) if figure == "grid" else None
        if maps is not None and not maps.complete:
            st.warning("The maps of all heads are not complete yet: wait until they are, or let them go on.")
            return
        if file_format in ("png", "svg", "pdf") and figure not in ("grid", "patches", "signal"):
            notice = glyph_notice(att)
            if notice:
                st.warning(escape_markdown(notice))
        st.caption(_held(att, figure, layer, head, look))
        shown: dict[str, Any] = {"layer": layer, "head": head, "look": look, "maps": maps, "image": image}
        st.download_button(
            f"Download {_named(chosen, layer, head)} as {file_format.upper()}",
            data=lambda: export(att, figure, file_format, **shown).data,
            file_name=f"{name}.{file_format}",
            mime=MIME[file_format],
            # Another figure is another button: an old one that is pressed while its page arrives holds what it says.
            key=f"download {name}.{file_format}",
            on_click="ignore",
            type="primary",
        )
        if file_format == "csv":
            origin = provenance(att, figure, layer, head, look)
            st.download_button(
                "Download its origin (JSON)",
                data=json.dumps(origin, indent=1),
                file_name=f"{name}.csv.json",
                mime=MIME["json"],
                key=f"download {name}.csv.json",
                on_click="ignore",
            )
            st.caption("A CSV has no place for its origin (model, revision, text, versions): this file holds it.")
        else:
            st.caption("The file says in its metadata which model, revision, text and settings made it.")


def _too_large(att: Attention, file_format: str, layer: int | None, head: int | None, look: Look) -> str | None:
    """Return why the page makes no table of this size, with what helps; None if it does."""
    refusal = too_many_rows(file_format, table_rows(att, layer, head, look))
    if refusal:
        return refusal
    most = int(file_bytes())
    n_bytes = table_bytes(att, layer, head, file_format, look)
    if n_bytes <= most:
        return None
    remedies = ["a region"]
    if layer is None:
        remedies.insert(0, "one head")
    if file_format == "csv" and table_bytes(att, layer, head, "npz", look) <= most:
        remedies.insert(0, "NPZ")
    return (
        f"This table takes about {readable(n_bytes)}, and this page makes files up to {readable(most)}: "
        f"choose {', '.join(remedies)}, or write it with python -m viz table."
    )


def _named(chosen: str, layer: int | None, head: int | None) -> str:
    words = _FIGURES[chosen].replace("the chosen head", f"layer {layer}, head {head}")
    return words[0].lower() + words[1:]


def _held(att: Attention, figure: str, layer: int | None, head: int | None, look: Look) -> str:
    """Return what a download holds: a region that is open limits it, and nobody should find out in the file."""
    of = f"layer {layer}, head {head}" if layer is not None else f"all {len(selected_heads(att, None, None))} heads"
    if figure == "grid":
        return f"It holds all {len(selected_heads(att, None, None))} heads, each with the whole text."
    if figure in ("patches", "signal"):
        return f"It holds one query of {of}."
    region = flow_region(att, look) if figure == "flow" else region_of(att, look.region)
    part = "every pair" if region == whole(att) else f"{region.named()} alone"
    return f"It holds {part}: {len(region.queries):,} x {len(region.keys):,} pairs of {of}."


def _file_name(att: Attention, figure: str, layer: int | None, head: int | None, region: str) -> str:
    model = re.sub(r"[^A-Za-z0-9.-]+", "-", att.source.model.rsplit("/", 1)[-1]).strip("-.")[:40] or "model"
    place = "all-heads" if layer is None else f"layer{layer}-head{head}"
    window = f"-{region.replace(':', '-by-')}" if region else ""
    return f"{model}-{att.kind}-{place}{window}-{figure}"
