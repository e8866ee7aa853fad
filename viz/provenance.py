"""What a file says of its origin: enough to make it again."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from typing import Any

from models import Attention
from viz.view import Look, thumbnail

VERSION = "0.1.0"
_LIBRARIES = ("torch", "transformers", "plotly", "matplotlib", "numpy", "pandas")


def provenance(att: Attention, figure: str, layer: int | None, head: int | None, look: Look | None) -> dict[str, Any]:
    """Return model, revision, text, selection, transformations and versions, as JSON can hold them.

    `figure` is one of `viz.export`'s. Of a look, only what changed the figure is told: a table is not drawn, but may be
    a region.
    """
    shown: dict[str, Any] = asdict(look) if look else {}
    if figure == "table":
        shown = {"region": shown.get("region")}
    if figure != "flow":
        shown.pop("threshold", None)
    if figure not in ("flow", "patches", "signal"):
        shown.pop("token", None)
    if figure == "patches":
        shown = {"token": shown["token"]}
    if figure == "signal":
        shown = {name: shown[name] for name in ("token", "truth", "palette")}
    if att.truth is None or figure == "flow":
        shown.pop("truth", None)
    if figure == "grid" or not shown.get("region"):
        shown.pop("region", None)
    if figure == "grid":
        shown["pooling"] = f"block maxima of at most {thumbnail(att)} x {thumbnail(att)} a head"
    return {
        "made_by": f"Headlight {VERSION}",
        "figure": figure,
        "source": asdict(att.source),
        "kind": att.kind,
        "layer": layer,
        "head": head,
        "n_query": att.n_query,
        "n_key": att.n_key,
        "transformations": shown,
        "versions": libraries(),
    }


@cache
def libraries() -> dict[str, str]:
    """Return the versions of the libraries that a figure depends on."""
    return {name: version(name) for name in _LIBRARIES}


def as_json(origin: dict[str, Any]) -> str:
    """Return provenance as ASCII JSON, which every file format's metadata can hold, control characters included."""
    return json.dumps(origin, ensure_ascii=True)
