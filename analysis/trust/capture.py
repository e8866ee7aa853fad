"""How the weights were captured, and in which state the model was."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.trust.finding import Finding, at_most, count
from analysis.trust.survey import Look

_HALVES = {"float16": 3, "bfloat16": 2}


def check_capture(look: Look) -> Iterator[Finding]:
    """Yield how the weights came about, with the proof of it that was made when the model was loaded."""
    source, model = look.trace.source, look.model
    if source.capture == "given":
        yield Finding("capture", "note", "The weights were given: only their maker knows which model computed them.")
    elif source.capture == "replayed":
        sentence = "The weights are computed from the queries and keys that the model computed for this text (replayed)"
        if model is None:
            yield Finding("capture", "ok", f"{sentence}.")
        else:
            proof = model.card.proof
            yield Finding(
                "capture",
                "ok",
                f"{sentence}. On a short text the largest difference from the model's own ones was {at_most(proof)}.",
                proof,
            )
    else:
        why = f", because {model.card.why}" if model is not None and model.card.why else ""
        yield Finding("capture", "note", f"The model itself returned these weights (materialised){why}.")
    digits = _HALVES.get(source.dtype)
    if digits is not None:
        yield Finding(
            "precision",
            "note",
            f"The model computed in {source.dtype}, so a weight has {digits} exact digits.",
            digits,
            "Load it in float32 for more.",
        )


def check_dropout(look: Look) -> Iterator[Finding]:
    """Yield whether parts of the model are in training mode now, in which dropout changes each pass."""
    if look.model is None:
        return
    parts = [part for part in look.model.module.modules() if part.training]
    if parts:
        yield Finding(
            "dropout",
            "fault",
            f"{count(len(parts), 'part of the model is', 'parts of the model are')} in training mode, in which dropout "
            "changes the weights from pass to pass.",
            len(parts),
            "Call model.module.eval(), and trace the text again.",
        )
    else:
        yield Finding("dropout", "ok", "The model is in evaluation mode: dropout is off.", 0)
