"""The attention that a picture shows: words instead of pieces, without hidden tokens, several heads as one.

This is the one place that reads the options for it (docs/decisions/0020).
"""

from __future__ import annotations

from dataclasses import replace

from analysis.head_set import NO_HEADS
from analysis.selection import Selection
from models import Attention
from viz.options import DrawOptions
from viz.style import COMBINED


def view_of(att: Attention, selection: Selection, options: DrawOptions) -> tuple[Attention, Selection]:
    """Return the attention that is shown, and the selection in it: head 0 of layer 0 for one map of several heads.

    Raises:
        BadSelection: a chosen head does not exist.
    """
    if selection.unit == "words":
        att = att.words()
    if "hide" in (options.special, options.sink):
        special, first = options.special == "hide", options.sink == "hide"
        att = att.hide(special=special, first=first, renormalise=options.renormalise)
    if is_combined(selection):
        name = COMBINED[selection.combine].format(heads=selection.chosen.describe(att))
        att = att.combine(selection.chosen.expand(att), selection.combine, name=name)
        selection = replace(selection, layer=0, heads=(0,), chosen=NO_HEADS, combine="overlay")
    return att, replace(selection, unit="pieces")


def is_combined(selection: Selection) -> bool:
    """Return whether one map of several heads is shown."""
    return bool(selection.chosen) and selection.combine != "overlay"
