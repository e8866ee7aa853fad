"""What a file says of its origin: enough to make it again."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from typing import Any

from analysis.selection import region_of, whole
from analysis.truth import truth_of
from models import Attention
from viz.figures.patches import query_of_patches
from viz.figures.signal import query_of_signal
from viz.head_maps import HeadMaps
from viz.view import Look, flow_region

VERSION = "0.1.0"
_LIBRARIES = ("torch", "transformers", "plotly", "matplotlib", "numpy", "pandas")


# What of a look changes each figure. A query of "patches" and "signal" is told as the token that was drawn.
_USED: dict[str, tuple[str, ...]] = {
    "heatmap": ("palette", "contrast"),
    "flow": ("threshold", "palette", "contrast", "token"),
    "grid": ("palette", "contrast"),
    "patches": (),
    "signal": ("palette",),
    "table": (),
}
_OUTLINE_TRUTH = ("heatmap", "grid", "signal")


def provenance(
    att: Attention,
    figure: str,
    layer: int | None,
    head: int | None,
    look: Look | None,
    maps: HeadMaps | None = None,
) -> dict[str, Any]:
    """Return model, revision, text, selection, transformations and versions, as JSON can hold them.

    `figure` is one of `viz.export`'s, `maps` those that a grid shows, if they are not made for it. The transformations
    are those that were drawn, whether asked for or not: the window of a flow, the block of pairs that share a cell.

    Raises:
        BadSelection: this text has no such region or token.
    """
    return {
        "made_by": f"Headlight {VERSION}",
        "figure": figure,
        "source": asdict(att.source),
        "kind": att.kind,
        "layer": layer,
        "head": head,
        "n_query": att.n_query,
        "n_key": att.n_key,
        "transformations": _transformations(att, figure, look or Look(), maps),
        "versions": libraries(),
    }


def _transformations(att: Attention, figure: str, look: Look, maps: HeadMaps | None) -> dict[str, Any]:
    drawn: dict[str, Any] = {name: getattr(look, name) for name in _USED[figure]}
    if truth_of(att) is not None and figure in _OUTLINE_TRUTH:
        drawn["truth"] = look.truth
    if figure == "grid":
        drawn["pooling"] = _pooling((maps or HeadMaps.empty(att)).block)
    if figure in ("patches", "signal"):
        query = query_of_patches(att, look) if figure == "patches" else query_of_signal(att, look)
        drawn["token"] = "" if query is None else f"query:{query}"
        if query is None:
            drawn["pooling"] = "mean of all queries"
    if figure in ("heatmap", "flow", "table"):
        region = flow_region(att, look) if figure == "flow" else region_of(att, look.region)
        if region != whole(att):
            drawn["region"] = str(region)
        if figure == "heatmap" and not region.exact:
            drawn["pooling"] = _pooling(region.block)
    return drawn


def _pooling(block: tuple[int, int]) -> str:
    return f"block maxima of {block[0]} x {block[1]} pairs"


@cache
def libraries() -> dict[str, str]:
    """Return the versions of the libraries that a figure depends on."""
    return {name: version(name) for name in _LIBRARIES}


def as_json(origin: dict[str, Any]) -> str:
    """Return provenance as ASCII JSON, which every file format's metadata can hold, control characters included."""
    return json.dumps(origin, ensure_ascii=True)
