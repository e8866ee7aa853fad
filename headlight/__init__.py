"""Headlight: what every attention head of a transformer looks at. These are the public names (docs/decisions/0025).

from headlight import load_model, show, viz
trace = load_model("minilm").trace("The cat sat on the mat.")
show(trace)                                                  # all linked pictures, in a notebook
viz.save(trace["encoder"], "heatmap", "head.svg", layer=5, head=11)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import analysis
    import models
    import viz
    from models import Attention, AttentionTrace, HeadlightError, Model, Source, Token, load_model, trace_module
    from viz import show

__version__ = "0.1.0"
__all__ = [
    "Attention",
    "AttentionTrace",
    "HeadlightError",
    "Model",
    "Source",
    "Token",
    "analysis",
    "load_model",
    "models",
    "show",
    "trace_module",
    "viz",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: torch takes seconds, and `headlight --version` needs none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from models.package import module_name

    if name in ("analysis", "models", "viz"):
        return import_module(module_name(name))
    return getattr(import_module(module_name("viz" if name == "show" else "models")), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
