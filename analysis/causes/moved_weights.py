"""How far a change moved each weight: a map made of two attentions over the same tokens."""

from __future__ import annotations

from models import Attention
from models.arguments import checked
from models.difference import DifferenceLayer
from models.errors import BadSelection

METHOD = "difference"
MOVED = "Each number is how far a weight moved, up or down: rows do not sum to 1."


@checked
def difference(before: Attention, after: Attention) -> Attention:
    """Return the absolute difference of two attentions, for each pair of tokens that may attend in `before`.

    Both are of the same kind, over the same tokens, such as those of `model.trace(text)` and
    `model.trace(text, ablate=...)`. The result is an attention with the method "difference", whose `source` is that of
    `after`. NaN stays NaN.

    Raises:
        BadSelection: they have other tokens, kinds, layers or heads, or one of them is no attention of a trace.
    """
    for att in (before, after):
        if att.method != "attention" or att.is_view:
            raise BadSelection(
                "The difference is made of the attentions of two traces: give these, and then join words, hide tokens "
                "or combine heads of the difference."
            )
    sizes = [(att.kind, [layer.shape for layer in att._layers]) for att in (before, after)]
    ids = [[(token.id, token.text) for token in (*att.query_tokens, *att.key_tokens)] for att in (before, after)]
    if sizes[0] != sizes[1] or ids[0] != ids[1]:
        raise BadSelection(
            "Both attentions must have the same kind, heads and tokens: trace the same text with the same model."
        )
    layers = [DifferenceLayer(one, other) for one, other in zip(before._layers, after._layers, strict=True)]
    return after._copy(layers=layers, notices=(*after.notices, MOVED), method=METHOD)
