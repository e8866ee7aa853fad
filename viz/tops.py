"""The weight at which the scale of an instrument ends: 1, unless a map of its attention has a weight above 1."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from analysis.causes.moved_weights import MOVED
from analysis.maps.notices import NORMALISED
from models import Attention
from models.changed_pass import change_notices
from viz.colours import top_of

_TOPS: WeakKeyDictionary[Attention, float] = WeakKeyDictionary()


def scale_top(att: Attention) -> float:
    """Return the largest weight of all heads, and at least 1: one scale, so that heads can be compared.

    It is computed only where a notice may say that rows do not sum to 1.
    """
    if not att.notices or any(notice.startswith(NORMALISED[:-1]) for notice in att.notices):
        return 1.0
    # A changed model's attention sums to 1 too, and no weight moves by more than 1.
    if set(att.notices) <= {*change_notices(att.source, att.key_tokens), MOVED}:
        return 1.0
    if att not in _TOPS:
        _TOPS[att] = max(top_of(att.pooled_layer(layer, 1)) for layer in range(att.n_layers))
    return _TOPS[att]
