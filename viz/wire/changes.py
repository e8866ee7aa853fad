"""What the instrument marks of a changed model: its changed heads, and the struck tokens (decision 28)."""

from __future__ import annotations

from typing import Any

from analysis.causes.changes import HOWS
from models import Attention
from models.method_names import name_method


def describe_changes(att: Attention) -> dict[str, Any]:
    """Return the part of a message's header that says what was changed, {} for an unchanged model."""
    source = att.source
    if not source.ablate and not source.mask_tokens:
        return {}
    # A map that goes down has one head for each layer, which stands for all heads of it.
    down = name_method(att.method).down
    heads = [] if down else [[layer, head, HOWS[how]] for kind, layer, head, how in source.ablate if kind == att.kind]
    return {"changed": {"heads": heads, "struck": _struck(att)}}


def _struck(att: Attention) -> list[list[int]]:
    """Return the struck tokens or words among the queries and among the keys: those of the text that the model read."""
    source, struck = att.source, set(att.source.mask_tokens)
    of_own_decoder = source.target is not None or (source.generated is not None and not source.generate)
    sides = {"cross": (False, True), "decoder": (not of_own_decoder,) * 2}.get(att.kind, (True, True))
    return [
        [number for number, each in enumerate(pieces) if set(each) <= struck] if is_of_text else []
        for pieces, is_of_text in zip(att.pieces, sides, strict=True)
    ]
