"""What a file says of its origin: enough to make it again."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from typing import Any

from analysis.selection import Selection
from analysis.truth import truth_of
from models import Attention
from viz.figures.base import Figure, View
from viz.labels import notices_of
from viz.options import DrawOptions
from viz.shade import view_facts

VERSION = "0.1.0"
_LIBRARIES = ("torch", "transformers", "plotly", "matplotlib", "numpy", "pandas")


def provenance(
    att: Attention, figure: Figure[View], selection: Selection, options: DrawOptions, view: View
) -> dict[str, Any]:
    """Return model, revision, text, selection, transformations and versions, as JSON can hold them.

    The transformations are those that were drawn, whether they were asked for or not: the readable part of a token
    graph, the block of pairs that share a cell.
    """
    known = {name: getattr(options, name) for name in figure.options if name != "truth" or truth_of(att) is not None}
    return {
        "made_by": f"Headlight {VERSION}",
        "figure": figure.name,
        # Its tuples as lists, as they are read back from a file.
        "source": json.loads(json.dumps(asdict(att.source))),
        **({"notices": list(notices_of(att))} if att.notices else {}),
        "kind": att.kind,
        "method": att.method,
        **({"goal": att.annotations["goal"]} if "goal" in att.annotations else {}),
        "layer": selection.layer,
        "head": selection.head,
        "n_query": att.n_query,
        "n_key": att.n_key,
        "transformations": {**known, **view_facts(selection, options), **figure.transformations(view)},
        "versions": libraries(),
    }


@cache
def libraries() -> dict[str, str]:
    """Return the versions of the libraries that a figure depends on."""
    return {name: version(name) for name in _LIBRARIES}


def as_json(origin: dict[str, Any]) -> str:
    """Return provenance as ASCII JSON, which every file format's metadata can hold, control characters included."""
    return json.dumps(origin, ensure_ascii=True)
